"""All leniency, quirk by quirk: how programs in the field differ from the documents.

Nothing else in this package accepts more than one way of saying a thing. Each
function names the program that it is for.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from headframe.chain.target import Target, target_from_difficulty
from headframe.stratum.errors import RemoteProtocolError
from headframe.stratum.sv1.messages import LooseSubmitParams, SubmitParams

__all__ = [
    "IGNORED_METHODS",
    "bytes_from_hex",
    "difficulty_in_name",
    "error_parts",
    "printable",
    "strict_submit",
    "target_from_hex",
    "target_of",
    "target_wished",
    "text_or_empty",
    "u32_from_hex",
    "unwrapped",
    "wish_of",
]

IGNORED_METHODS: Final = frozenset({"pong"})
"""What ESP-Miner sends after a ping: a method, not an answer."""
_TEXT_LIMIT: Final = 200
"""Longest text of a peer that reaches a log, in characters."""
_NUMBER: Final = re.compile(r"\d{1,40}(?:\.\d{0,40})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_IN_NAME: Final = re.compile(r"mining\.suggest_difficulty\(([^()]*)\)", re.ASCII)
_UNPRINTABLE: Final = re.compile(r"[^ -~]")


def printable(text: str) -> str:
    """Make a peer's text fit for a log: no control characters, and not endless."""
    cut = text[:_TEXT_LIMIT]
    if cut.isascii() and cut.isprintable():
        return cut.strip()
    return _UNPRINTABLE.sub(lambda m: m[0] if m[0].isprintable() else " ", cut).strip()


def text_or_empty(items: Sequence[object], index: int) -> str:
    """Read an optional text: absent, null and wrong types count as "".

    bosminer sends nulls for what it leaves out; others leave it out.
    """
    value = items[index] if index < len(items) else None
    return value if isinstance(value, str) else ""


def unwrapped(params: object) -> Sequence[object]:
    """Read params that may be a bare value instead of an array (taken by cgminer too)."""
    return params if isinstance(params, list) else [params]


def bytes_from_hex(text: object) -> bytes:
    """Read hex digits, exactly: no blanks, no prefix, an even number. Either case.

    Raises:
        RemoteProtocolError: anything else.
    """
    if isinstance(text, str):
        try:
            raw = bytes.fromhex(text)
        except ValueError:
            raw = b""
        if 2 * len(raw) == len(text):
            return raw
    raise RemoteProtocolError(f"not hex: {printable(str(text))!r}")


def u32_from_hex(text: object) -> int:
    """Read a number of 32 bits written as 1 to 8 hex digits, or sent as a number.

    NerdMiner leaves out leading zeros of the nonce, public-pool those of version,
    nbits and ntime; SRI takes and may send JSON numbers.

    Raises:
        RemoteProtocolError: anything else.
    """
    if isinstance(text, str) and 1 <= len(text) <= 8:
        return int.from_bytes(bytes_from_hex(text.rjust(8, "0")), "big")
    if isinstance(text, int) and not isinstance(text, bool) and 0 <= text <= 0xFFFFFFFF:
        return text
    raise RemoteProtocolError(f"not a number of 1 to 8 hex digits: {printable(str(text))!r}")


def target_of(value: object) -> Target:
    """Read a difficulty: a JSON number above zero, fractions far below 1 included.

    Raises:
        RemoteProtocolError: texts, booleans, zero and negative numbers.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value < math.inf:  # type: ignore[operator] # it is a number
        raise RemoteProtocolError(f"not a difficulty: {printable(str(value))!r}")
    return target_from_difficulty(value)  # type: ignore[arg-type] # likewise


def target_wished(value: object) -> Target:
    """Read a difficulty that may be written as a text, as cpuminer-opt and some pools do.

    Raises:
        RemoteProtocolError: it is none.
    """
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return target_of(float(value))
    return target_of(value)


def difficulty_in_name(method: str) -> str | None:
    """Find the value in `mining.suggest_difficulty(42)`, an old form that ckpool reads too."""
    match = _IN_NAME.fullmatch(method)
    return match[1] if match else None


def target_from_hex(text: object) -> Target:
    """Read a target of 64 hex digits, as BFGMiner suggests one.

    Raises:
        RemoteProtocolError: it is none, or zero.
    """
    target = int.from_bytes(bytes_from_hex(text), "big")
    if not isinstance(text, str) or len(text) != 64 or not target:
        raise RemoteProtocolError(f"not a target: {printable(str(text))!r}")
    return Target(target)


_WISHES: Final[Mapping[str, Callable[[object], Target]]] = {
    "mining.suggest_difficulty": target_wished,
    "mining.suggest_target": target_from_hex,
}
"""Methods by which a rig proposes its target, and how each writes it."""


def wish_of(method: str, params: object) -> Target | None:
    """Read a rig's proposal of a target; `None` when the method makes none.

    Raises:
        RemoteProtocolError: the proposal makes no sense.
    """
    named = difficulty_in_name(method)
    if named is not None:
        return target_wished(named)
    read = _WISHES.get(method)
    if read is None:
        return None
    items = unwrapped(params)
    return read(items[0] if items else None)


def strict_submit(params: LooseSubmitParams) -> SubmitParams:
    """Write a submit's numbers as the hex texts that they should have been (SRI)."""
    return SubmitParams(
        worker=params.worker,
        job=str(params.job),
        extranonce=params.extranonce,
        ntime=_hex_text(params.ntime),
        nonce=_hex_text(params.nonce),
        bits=None if params.bits is None else _hex_text(params.bits),
    )


def _hex_text(value: str | int) -> str:
    return value if isinstance(value, str) else f"{value:x}"


def error_parts(error: object) -> tuple[int | None, str]:
    """Take an error apart, whatever its shape, into code and text.

    An array of three or of two (NSP); an object (p2pool, SRI); a bare text (ckpool, for
    malformed requests); true (NSP, to get_transactions).
    """
    code: object = None
    text: object = None
    match error:
        case [code, text, *_]:
            pass
        case [text]:
            pass
        case dict():
            code, text = error.get("code"), error.get("message")
        case str():
            text = error
    number = code if isinstance(code, int) and not isinstance(code, bool) else None
    return number, printable(text) if isinstance(text, str) else ""
