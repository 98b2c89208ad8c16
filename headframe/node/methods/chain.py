"""Methods that look at the chain."""

from collections.abc import Callable
from typing import Final

from headframe.chain.hashes import hash_to_hex
from headframe.chain.target import target_from_nbits
from headframe.node.core import NETWORK, NodeCore, Tip
from headframe.node.describe import (
    amount,
    chain_work,
    describe_block,
    describe_header,
    difficulty,
    script_json,
)
from headframe.node.errors import Code, RpcError
from headframe.node.kernel import Entry
from headframe.node.methods.params import Kind, Method, Param, parse_hash
from headframe.node.service import NodeService
from headframe.node.tx import outpoint, parse_block

__all__ = ["CHAIN_METHODS"]

_FRESH_SECONDS: Final = 24 * 3600  # a tip older than a day counts as initial block download


async def get_block_count(node: NodeService) -> object:
    """Height of the tip."""
    return node.tip.height


async def get_best_block_hash(node: NodeService) -> object:
    """Hash of the tip."""
    return hash_to_hex(node.tip.hash)


async def get_block_hash(node: NodeService, height: int) -> object:
    """Hash of the best chain's block at a height."""
    entry = await node.run(lambda core: core.kernel.entry_at(height))
    if entry is None:
        raise RpcError(Code.INVALID_PARAMETER, "Block height out of range")
    return hash_to_hex(entry.hash)


async def get_block_header(node: NodeService, blockhash: str, verbose: bool) -> object:  # noqa: FBT001 - RPC's
    """Header of a block: described, or its 80 bytes in hex."""
    wanted = parse_hash(blockhash, "hash")

    def look(core: NodeCore) -> object:
        entry = _entry(core, wanted)
        return describe_header(core, entry) if verbose else entry.header.encode().hex()

    return await node.run(look)


async def get_block(node: NodeService, blockhash: str, verbosity: int | bool) -> object:  # noqa: FBT001 - RPC's
    """Block: 0 its bytes in hex, 1 with transaction ids, 2 with whole transactions."""
    wanted = parse_hash(blockhash, "blockhash")
    if not isinstance(verbosity, int):
        raise RpcError(Code.TYPE, "verbosity must be 0, 1 or 2")

    def look(core: NodeCore) -> object:
        entry = _entry(core, wanted)
        raw = core.kernel.block(wanted)
        if raw is None:
            raise RpcError(Code.MISC, "Block not found on disk")
        if verbosity == 0:
            return raw.hex()
        return describe_block(core, entry, parse_block(raw), decoded=verbosity > 1)

    return await node.run(look)


def _entry(core: NodeCore, block_hash: bytes) -> Entry:
    entry = core.kernel.entry(block_hash)
    if entry is None:
        raise RpcError(Code.INVALID_ADDRESS_OR_KEY, "Block not found")
    return entry


async def get_blockchain_info(node: NodeService) -> object:
    """Where the chain stands."""

    def look(core: NodeCore) -> dict[str, object]:
        entry = core.kernel.tip()
        header = entry.header
        return {
            "chain": NETWORK.value,
            "blocks": entry.height,
            "headers": entry.height,
            "bestblockhash": hash_to_hex(entry.hash),
            "bits": f"{header.nbits:08x}",
            "target": f"{target_from_nbits(header.nbits):064x}",
            "difficulty": difficulty(header.nbits),
            "time": header.ntime,
            "mediantime": core.median_time(entry),
            "verificationprogress": 1,
            "initialblockdownload": node.wall_seconds() - header.ntime > _FRESH_SECONDS,
            "chainwork": chain_work(entry.height, header.nbits),
            "size_on_disk": _size_on_disk(core),
            "pruned": False,
            "warnings": [],
        }

    return await node.run(look)


def _size_on_disk(core: NodeCore) -> int:
    return sum(path.stat().st_size for path in (core.folder / "blocks").glob("*.dat"))


async def get_difficulty(node: NodeService) -> object:
    """Difficulty of the tip."""
    return await node.run(lambda core: difficulty(core.kernel.tip().header.nbits))


async def wait_for_new_block(node: NodeService, timeout_ms: int, current_tip: str) -> object:
    """Wait for another tip, at most so many milliseconds; 0 waits as long as this node does."""
    known = parse_hash(current_tip, "current_tip") if current_tip else node.tip.hash
    return await _wait(node, timeout_ms, lambda tip: tip.hash != known)


async def wait_for_block_height(node: NodeService, height: int, timeout_ms: int) -> object:
    """Wait for a height, at most so many milliseconds; 0 waits as long as this node does."""
    return await _wait(node, timeout_ms, lambda tip: tip.height >= height)


async def _wait(node: NodeService, timeout_ms: int, is_enough: Callable[[Tip], bool]) -> object:
    if timeout_ms < 0:
        raise RpcError(Code.MISC, "Negative timeout")
    longest = node.waits.longest_seconds
    seconds = min(timeout_ms / 1000, longest) if timeout_ms else longest
    tip = await node.wait_tip(is_enough, seconds)
    return {"hash": hash_to_hex(tip.hash), "height": tip.height}


async def get_tx_out(node: NodeService, txid: str, n: int, include_mempool: bool) -> object:  # noqa: FBT001 - RPC's
    """Unspent output; null when it is spent or never was."""
    wanted = parse_hash(txid, "txid")
    if not 0 <= n < 1 << 32:
        return None
    point = outpoint(wanted, n)

    def look(core: NodeCore) -> object:
        if include_mempool and core.mempool.spends(point):
            return None
        coin = core.mempool.coin(point) if include_mempool else core.coin(point)
        if coin is None:
            return None
        return {
            "bestblock": hash_to_hex(core.tip.hash),
            "confirmations": core.height - coin.height + 1,
            "value": amount(coin.value),
            "scriptPubKey": script_json(coin.script),
            "coinbase": coin.coinbase,
        }

    return await node.run(look)


_HASH: Final = Param("blockhash", Kind.STRING)

CHAIN_METHODS: Final = (
    Method(
        name="getbestblockhash",
        about="Hash of the best chain's last block.",
        handler=get_best_block_hash,
    ),
    Method(
        name="getblock",
        about="A block: verbosity 0 hex, 1 with transaction ids, 2 with whole transactions.",
        handler=get_block,
        params=(_HASH, Param("verbosity", Kind.ANY, 1)),
    ),
    Method(
        name="getblockchaininfo",
        about="Where the chain stands.",
        handler=get_blockchain_info,
    ),
    Method(
        name="getblockcount",
        about="Height of the best chain; the genesis block has 0.",
        handler=get_block_count,
    ),
    Method(
        name="getblockhash",
        about="Hash of the best chain's block at a height.",
        handler=get_block_hash,
        params=(Param("height", Kind.NUMBER),),
    ),
    Method(
        name="getblockheader",
        about="A block's header: described, or its 80 bytes in hex.",
        handler=get_block_header,
        params=(_HASH, Param("verbose", Kind.BOOL, default=True)),
    ),
    Method(
        name="getdifficulty",
        about="Difficulty of the best chain's last block.",
        handler=get_difficulty,
    ),
    Method(
        name="gettxout",
        about="An unspent output; null when it is spent or never was.",
        handler=get_tx_out,
        params=(
            Param("txid", Kind.STRING),
            Param("n", Kind.NUMBER),
            Param("include_mempool", Kind.BOOL, default=True),
        ),
    ),
    Method(
        name="waitforblockheight",
        about="Wait for a height, so many milliseconds at most (0: ten minutes).",
        handler=wait_for_block_height,
        params=(Param("height", Kind.NUMBER), Param("timeout", Kind.NUMBER, 0)),
    ),
    Method(
        name="waitfornewblock",
        about="Wait for another best block, so many milliseconds at most (0: ten minutes).",
        handler=wait_for_new_block,
        params=(Param("timeout", Kind.NUMBER, 0), Param("current_tip", Kind.STRING, "")),
    ),
)
