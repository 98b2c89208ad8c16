"""Blocks and transactions as bitcoind's RPC describes them."""

from typing import Final

import msgspec

from headframe.chain.hashes import hash_to_hex
from headframe.chain.target import difficulty_from_target, target_from_nbits, work_of
from headframe.node.core import NodeCore
from headframe.node.kernel import Entry
from headframe.node.tx import Block, Tx, TxIn, TxOut, parse_block

__all__ = ["amount", "chain_work", "describe_block", "describe_header", "difficulty", "script_json"]

_COIN: Final = 100_000_000


def amount(sats: int) -> msgspec.Raw:
    """Write satoshi as a JSON number: whole coins, always with eight decimals."""
    whole, rest = divmod(sats, _COIN)
    return msgspec.Raw(f"{whole}.{rest:08d}".encode())


def difficulty(nbits: int) -> float:
    """Say how hard compact bits are, for people: 16 significant digits, as bitcoind writes it."""
    return float(f"{float(difficulty_from_target(target_from_nbits(nbits))):.16g}")


def chain_work(height: int, nbits: int) -> str:
    """Write the work of a chain up to a height; on regtest all blocks have the same bits."""
    return f"{(height + 1) * work_of(target_from_nbits(nbits)):064x}"


def describe_header(core: NodeCore, entry: Entry) -> dict[str, object]:
    """Describe a block by its header, as `getblockheader` does."""
    header = entry.header
    active = core.kernel.is_active(entry)
    following = core.kernel.entry_at(entry.height + 1) if active else None
    raw = core.kernel.block(entry.hash)
    about: dict[str, object] = {
        "hash": hash_to_hex(entry.hash),
        "confirmations": core.height - entry.height + 1 if active else -1,
        "height": entry.height,
        "version": header.version - (header.version >> 31 << 32),
        "versionHex": f"{header.version:08x}",
        "merkleroot": hash_to_hex(header.root),
        "time": header.ntime,
        "mediantime": core.median_time(entry),
        "nonce": header.nonce,
        "bits": f"{header.nbits:08x}",
        "target": f"{target_from_nbits(header.nbits):064x}",
        "difficulty": difficulty(header.nbits),
        "chainwork": chain_work(entry.height, header.nbits),
        "nTx": len(parse_block(raw).txs) if raw else 0,
    }
    if entry.height > 0:
        about["previousblockhash"] = hash_to_hex(header.prev_hash)
    if following is not None:
        about["nextblockhash"] = hash_to_hex(following.hash)
    return about


def describe_block(
    core: NodeCore, entry: Entry, block: Block, *, decoded: bool
) -> dict[str, object]:
    """Describe a block as `getblock` does.

    Args:
        core: the node.
        entry: where the block stands.
        block: the block.
        decoded: its transactions in full, not only their ids.
    """
    txs = [_tx_json(tx) if decoded else hash_to_hex(tx.txid) for tx in block.txs]
    return {
        **describe_header(core, entry),
        "strippedsize": block.stripped_size,
        "size": len(block.raw),
        "weight": block.weight,
        "tx": txs,
    }


def script_json(script: bytes) -> dict[str, object]:
    """Describe an output script: its hex, and its address if it has one."""
    address = _address(script)
    return {"hex": script.hex(), **({"address": address} if address else {})}


def _address(script: bytes) -> str:
    from embit import networks
    from embit.script import Script

    try:
        return str(Script(script).address(networks.NETWORKS["regtest"]))
    except Exception:  # noqa: BLE001 - embit raises bare exceptions for scripts without an address
        return ""


def _tx_json(tx: Tx) -> dict[str, object]:
    return {
        "txid": hash_to_hex(tx.txid),
        "hash": hash_to_hex(tx.wtxid),
        "version": tx.version,
        "size": len(tx.raw),
        "vsize": tx.vsize,
        "weight": tx.weight,
        "locktime": tx.lock_time,
        "vin": [_input_json(tx_in, coinbase=tx.is_coinbase) for tx_in in tx.inputs],
        "vout": [_output_json(index, output) for index, output in enumerate(tx.outputs)],
        "hex": tx.raw.hex(),
    }


def _input_json(tx_in: TxIn, *, coinbase: bool) -> dict[str, object]:
    about: dict[str, object] = {}
    if coinbase:
        about["coinbase"] = tx_in.script_sig.hex()
    else:
        about["txid"] = hash_to_hex(tx_in.outpoint[:32])
        about["vout"] = int.from_bytes(tx_in.outpoint[32:], "little")
        about["scriptSig"] = {"hex": tx_in.script_sig.hex()}
    if tx_in.witness:
        about["txinwitness"] = [item.hex() for item in tx_in.witness]
    about["sequence"] = tx_in.sequence
    return about


def _output_json(index: int, output: TxOut) -> dict[str, object]:
    return {"value": amount(output.value), "n": index, "scriptPubKey": script_json(output.script)}
