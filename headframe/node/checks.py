"""Rules for one transaction: in itself, and where it is to be mined.

A refusal is bitcoind's word for it, as `sendrawtransaction` and `submitblock` answer it.
Scripts are not judged here but by the kernel.
Sources: consensus rules of Bitcoin Core (`tx_check`, `tx_verify`), BIP 68, BIP 113.
"""

from collections.abc import Callable, Sequence
from typing import Final

from headframe.chain.coinbase import MAX_MONEY
from headframe.node.coins import Coin
from headframe.node.tx import NULL_OUTPOINT, Tx

__all__ = ["COINBASE_MATURITY", "check_alone", "check_inputs", "fee_of", "is_final", "locks_held"]

COINBASE_MATURITY: Final = 100
"""Blocks after which a coinbase may be spent; on every network."""

_MAX_BLOCK_WEIGHT: Final = 4_000_000
_LOCK_TIME_LIMIT: Final = 500_000_000  # from here on a lock time means seconds, not a height
_FINAL_SEQUENCE: Final = 0xFFFFFFFF
_SEQUENCE_OFF: Final = 1 << 31
_SEQUENCE_TIME: Final = 1 << 22
_SEQUENCE_MASK: Final = 0xFFFF
_SEQUENCE_UNIT_BITS: Final = 9  # times are in units of 512 seconds


def check_alone(tx: Tx) -> str | None:
    """Judge what can be judged without any chain; `None` when nothing is wrong."""
    if not tx.inputs:
        return "bad-txns-vin-empty"
    if not tx.outputs:
        return "bad-txns-vout-empty"
    if len(tx.stripped) * 4 > _MAX_BLOCK_WEIGHT:
        return "bad-txns-oversize"
    return _check_amounts(tx) or _check_outpoints(tx)


def _check_amounts(tx: Tx) -> str | None:
    total = 0
    for output in tx.outputs:
        if output.value >= 1 << 63:  # the wire's number is signed
            return "bad-txns-vout-negative"
        if output.value > MAX_MONEY:
            return "bad-txns-vout-toolarge"
        total += output.value
        if total > MAX_MONEY:
            return "bad-txns-txouttotal-toolarge"
    return None


def _check_outpoints(tx: Tx) -> str | None:
    points = [tx_in.outpoint for tx_in in tx.inputs]
    if len(set(points)) != len(points):
        return "bad-txns-inputs-duplicate"
    if tx.is_coinbase:
        return None if 2 <= len(tx.inputs[0].script_sig) <= 100 else "bad-cb-length"
    return "bad-txns-prevout-null" if NULL_OUTPOINT in points else None


def is_final(tx: Tx, height: int, median_time: int) -> bool:
    """Say whether the lock time lets a transaction into a block.

    Args:
        tx: the transaction.
        height: of the block.
        median_time: of the block before it (BIP 113), in seconds since 1970.
    """
    if tx.lock_time == 0:
        return True
    limit = height if tx.lock_time < _LOCK_TIME_LIMIT else median_time
    if tx.lock_time < limit:
        return True
    return all(tx_in.sequence == _FINAL_SEQUENCE for tx_in in tx.inputs)


def locks_held(
    tx: Tx, spent: Sequence[Coin], height: int, median_time_at: Callable[[int], int]
) -> bool:
    """Say whether the relative lock times (BIP 68) let a transaction into a block.

    Args:
        tx: the transaction.
        spent: the coins of its inputs; one that is not in a block yet has the block's height.
        height: of the block.
        median_time_at: median time past of the best chain's block at a height, in seconds.
    """
    if tx.version < 2:
        return True
    for tx_in, coin in zip(tx.inputs, spent, strict=True):
        sequence = tx_in.sequence
        if sequence & _SEQUENCE_OFF:
            continue
        wait = sequence & _SEQUENCE_MASK
        if sequence & _SEQUENCE_TIME:
            since = median_time_at(max(coin.height - 1, 0))
            if since + (wait << _SEQUENCE_UNIT_BITS) > median_time_at(height - 1):
                return False
        elif coin.height + wait > height:
            return False
    return True


def check_inputs(tx: Tx, spent: Sequence[Coin], height: int) -> str | None:
    """Judge amounts and maturity for a block at a height; `None` when nothing is wrong."""
    for coin in spent:
        if coin.coinbase and height - coin.height < COINBASE_MATURITY:
            return (
                "bad-txns-premature-spend-of-coinbase, "
                f"tried to spend coinbase at depth {height - coin.height}"
            )
    paid_in = sum(coin.value for coin in spent)
    paid_out = sum(output.value for output in tx.outputs)
    if paid_in < paid_out:
        return (
            f"bad-txns-in-belowout, value in ({_coins(paid_in)}) < value out ({_coins(paid_out)})"
        )
    return None


def fee_of(tx: Tx, spent: Sequence[Coin]) -> int:
    """Compute the fee in satoshi from the coins of its inputs."""
    return sum(coin.value for coin in spent) - sum(output.value for output in tx.outputs)


def _coins(sats: int) -> str:
    """Write an amount as bitcoind does in messages: whole coins, two to eight decimals."""
    decimals = f"{sats % 100_000_000:08d}"
    return f"{sats // 100_000_000}.{decimals[:2]}{decimals[2:].rstrip('0')}"
