"""Counting signature operations, as the block limit of 80,000 counts them (BIP 141).

Each costs 4 in a plain script or in one behind a script hash, and 1 in a witness. The
template states the cost of each transaction, so that a miner can leave some out.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from headframe.node.coins import Coin
from headframe.node.tx import Tx

__all__ = ["sigop_cost"]

_WITNESS_FACTOR: Final = 4
_MOST_KEYS: Final = 20
_OP_1, _OP_16 = 0x51, 0x60
_CHECKSIG, _CHECKSIGVERIFY = 0xAC, 0xAD
_CHECKMULTISIG, _CHECKMULTISIGVERIFY = 0xAE, 0xAF
_PUSHDATA1, _PUSHDATA4 = 0x4C, 0x4E


def sigop_cost(tx: Tx, spent: Sequence[Coin]) -> int:
    """Count the sigops cost of a transaction that is no coinbase.

    Args:
        tx: the transaction.
        spent: the coins of its inputs, in order.
    """
    plain = sum(_count(tx_in.script_sig, accurate=False) for tx_in in tx.inputs)
    plain += sum(_count(output.script, accurate=False) for output in tx.outputs)
    witness = 0
    for tx_in, coin in zip(tx.inputs, spent, strict=True):
        script = coin.script
        if _is_script_hash(script):
            script = _last_push(tx_in.script_sig)
            plain += _count(script, accurate=True)
        witness += _witness_sigops(script, tx_in.witness)
    return plain * _WITNESS_FACTOR + witness


def _witness_sigops(script: bytes, witness: Sequence[bytes]) -> int:
    """Count for a witness program of version 0; later versions count nothing here."""
    if len(script) == 22 and script.startswith(b"\x00\x14"):
        return 1
    if len(script) == 34 and script.startswith(b"\x00\x20") and witness:
        return _count(witness[-1], accurate=True)
    return 0


def _is_script_hash(script: bytes) -> bool:
    return len(script) == 23 and script.startswith(b"\xa9\x14") and script[22] == 0x87


def _last_push(script: bytes) -> bytes:
    """Return what the last operation pushes; nothing if any operation is no push."""
    last = b""
    for opcode, data in _operations(script):
        if opcode > _OP_16:
            return b""
        last = data
    return last


def _count(script: bytes, *, accurate: bool) -> int:
    """Count sigops; `accurate` takes a multisig's number of keys from the push before it."""
    total, before = 0, 0
    for opcode, _ in _operations(script):
        if opcode in (_CHECKSIG, _CHECKSIGVERIFY):
            total += 1
        elif opcode in (_CHECKMULTISIG, _CHECKMULTISIGVERIFY):
            keys_known = accurate and _OP_1 <= before <= _OP_16
            total += before - _OP_1 + 1 if keys_known else _MOST_KEYS
        before = opcode
    return total


def _operations(script: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield opcodes and what they push, until the script ends or a push is cut off."""
    position = 0
    while position < len(script):
        opcode = script[position]
        position += 1
        size = opcode if opcode < _PUSHDATA1 else 0
        if _PUSHDATA1 <= opcode <= _PUSHDATA4:
            width = 1 << opcode - _PUSHDATA1
            if position + width > len(script):
                return
            size = int.from_bytes(script[position : position + width], "little")
            position += width
        if position + size > len(script):
            return
        yield opcode, script[position : position + size]
        position += size
