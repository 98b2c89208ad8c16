"""Methods for transactions that wait for a block."""

from decimal import Decimal
from typing import Final

from headframe.chain.errors import WireError
from headframe.chain.hashes import hash_to_hex
from headframe.node.core import NodeCore
from headframe.node.describe import amount
from headframe.node.errors import Code, RpcError, TxRefusedError
from headframe.node.methods.params import Kind, Method, Param
from headframe.node.service import NodeService
from headframe.node.tx import Tx, parse_tx

__all__ = ["MEMPOOL_METHODS"]

_DEFAULT_LIMIT: Final = Decimal("0.10")  # coins per 1000 virtual bytes, bitcoind's default
_HIGHEST_LIMIT: Final = 100_000_000  # satoshi: one coin per 1000 virtual bytes
_OP_RETURN: Final = 0x6A


async def send_raw_transaction(
    node: NodeService, hexstring: str, maxfeerate: object, maxburnamount: object
) -> object:
    """Take a transaction into the mempool; return its id."""
    limit, burn = _sats(maxfeerate), _sats(maxburnamount)
    if limit >= _HIGHEST_LIMIT:
        raise RpcError(
            Code.INVALID_PARAMETER, "Fee rates larger than or equal to 1BTC/kvB are not accepted"
        )
    tx = _decode(hexstring)
    if any(out.script[:1] == bytes((_OP_RETURN,)) and out.value > burn for out in tx.outputs):
        raise RpcError(
            Code.VERIFY, "Unspendable output exceeds maximum configured by user (maxburnamount)"
        )
    try:
        await node.run(lambda core: core.send(tx, limit))
    except TxRefusedError as error:
        code = Code.VERIFY if error.missing else Code.VERIFY_REJECTED
        raise RpcError(code, str(error)) from None
    return hash_to_hex(tx.txid)


def _decode(hexstring: str) -> Tx:
    try:
        tx = parse_tx(bytes.fromhex(hexstring))
        if tx.inputs:
            return tx
    except (ValueError, WireError):
        pass
    raise RpcError(
        Code.DESERIALIZATION, "TX decode failed. Make sure the tx has at least one input."
    )


def _sats(value: object) -> int:
    """Read an amount of whole coins, given as a number or as text; satoshi."""
    number = isinstance(value, int | float | str) and not isinstance(value, bool)
    try:
        sats = Decimal(str(value) if number else "none").scaleb(8)
    except ArithmeticError:
        sats = Decimal("NaN")
    if not sats.is_finite() or sats != int(sats):
        raise RpcError(Code.TYPE, "Invalid amount")
    if sats < 0:
        raise RpcError(Code.TYPE, "Amount out of range")
    return int(sats)


async def get_raw_mempool(node: NodeService, verbose: bool) -> object:  # noqa: FBT001 - RPC's
    """Ids of what waits, or what is known of each."""

    def look(core: NodeCore) -> object:
        entries = core.mempool.entries
        if not verbose:
            return [hash_to_hex(txid) for txid in entries]
        return {
            hash_to_hex(txid): {
                "vsize": entry.tx.vsize,
                "weight": entry.tx.weight,
                "time": entry.time,
                "fees": {"base": amount(entry.fee)},
                "wtxid": hash_to_hex(entry.tx.wtxid),
                "depends": sorted({hash_to_hex(p) for p in core.mempool.parents(entry.tx)}),
            }
            for txid, entry in entries.items()
        }

    return await node.run(look)


async def get_mempool_info(node: NodeService) -> object:
    """How much waits."""

    def look(core: NodeCore) -> object:
        entries = core.mempool.entries.values()
        return {
            "loaded": True,
            "size": len(entries),
            "bytes": sum(entry.tx.vsize for entry in entries),
            "total_fee": amount(sum(entry.fee for entry in entries)),
            "mempoolminfee": amount(0),
            "minrelaytxfee": amount(0),
        }

    return await node.run(look)


MEMPOOL_METHODS: Final = (
    Method(
        name="getmempoolinfo",
        about="How many transactions wait for a block.",
        handler=get_mempool_info,
    ),
    Method(
        name="getrawmempool",
        about="Ids of the transactions that wait, or what is known of each.",
        handler=get_raw_mempool,
        params=(Param("verbose", Kind.BOOL, default=False),),
    ),
    Method(
        name="sendrawtransaction",
        about="Take a signed transaction into the mempool; returns its id.",
        handler=send_raw_transaction,
        params=(
            Param("hexstring", Kind.STRING),
            Param("maxfeerate", Kind.ANY, str(_DEFAULT_LIMIT)),
            Param("maxburnamount", Kind.ANY, 0),
        ),
    ),
)
