"""What a pool's lines mean to a client: answers in all their shapes, and parameters."""

import math
from typing import Final

from headframe.chain.share import Reason, Verdict
from headframe.stratum.errors import RemoteProtocolError
from headframe.stratum.events import Redirected
from headframe.stratum.sv1.codes import reason_of
from headframe.stratum.sv1.dialect import (
    bytes_from_hex,
    error_parts,
    printable,
    text_or_empty,
    unwrapped,
)
from headframe.stratum.sv1.jobs import Room
from headframe.stratum.sv1.messages import FromServer, decode_any

__all__ = [
    "first_of",
    "own_id",
    "parse_reconnect",
    "parse_room_change",
    "parse_subscription",
    "succeeded",
    "verdict_of",
    "words_of",
]

MAX_EXTRANONCE_BYTES: Final = 100
"""Longest part of an extranonce taken from a pool: cpuminer's bound for extranonce2."""

_ACCEPTED: Final = Verdict(reason=Reason.ACCEPTED)


def own_id(message: FromServer) -> int:
    """Read the id of an answer; -1 when it is none that we could have given.

    Ours are whole numbers from 1 on.
    """
    raw = bytes(message.id)
    return int(raw) if raw.isdigit() and len(raw) <= 18 else -1


def succeeded(message: FromServer, *, null_is_yes: bool = False) -> bool:
    """Tell whether an answer says yes: no error, and a result that is not false.

    Args:
        message: the answer.
        null_is_yes: a result of null counts as yes: p2pool's way to authorize.

    Raises:
        RemoteProtocolError: it cannot be decoded.
    """
    if decode_any(message.error) not in (None, False):
        return False
    if bytes(message.result) == b"null":
        return null_is_yes
    return bool(message.result) and decode_any(message.result) is not False


def words_of(message: FromServer) -> str:
    """Return what a refusal says, for people."""
    verdict = _refusal(message)
    return verdict.detail or "no reason given"


def verdict_of(message: FromServer) -> Verdict:
    """Read the answer to a share; one that cannot be read is no yes, but it is the answer."""
    try:
        return _ACCEPTED if succeeded(message) else _refusal(message)
    except RemoteProtocolError as error:
        return Verdict(reason=Reason.OTHER, detail=f"the answer cannot be read: {error}")


def _refusal(message: FromServer) -> Verdict:
    code, text = error_parts(decode_any(message.error))
    if not text:
        extra = decode_any(message.reject_reason)  # ckpool: beside an error of null
        text = printable(extra) if isinstance(extra, str) else ""
    detail = text or ("" if code is None else f"code {code}")
    return Verdict(reason=reason_of(code, text), detail=detail)


def first_of(message: FromServer) -> object:
    """Return the first parameter of a call, or `None`.

    Raises:
        RemoteProtocolError: the parameters cannot be decoded.
    """
    items = unwrapped(decode_any(message.params))
    return items[0] if items else None


def parse_subscription(message: FromServer) -> tuple[Room, str]:
    """Read the result of `mining.subscribe`.

    Returns:
        Our room, and the session id to come back with, or "".

    Raises:
        RemoteProtocolError: it makes no sense.
    """
    match decode_any(message.result):
        case [subscriptions, str() as extranonce1, int() as size, *_]:
            return _room(extranonce1, size), _session(subscriptions)
        case other:
            what = printable(str(other))
            raise RemoteProtocolError(f"the answer to mining.subscribe makes no sense: {what}")


def parse_room_change(message: FromServer, room: Room | None) -> Room:
    """Read `mining.set_extranonce`; BFGMiner takes null or nothing for "unchanged".

    Raises:
        RemoteProtocolError: it makes no sense, or changes nothing.
    """
    match decode_any(message.params):
        case [str() as extranonce1, int() as size, *_]:
            return _room(extranonce1, size)
        case [str() as extranonce1] | [str() as extranonce1, None, *_] if room is not None:
            return _room(extranonce1, room.size)
        case [None, int() as size, *_] if room is not None:
            return _room(room.extranonce1.hex(), size)
    raise RemoteProtocolError("neither extranonce1 nor a size")


def parse_reconnect(message: FromServer) -> Redirected:
    """Read `client.reconnect`; the port may be a text.

    Raises:
        RemoteProtocolError: port or wait make no sense.
    """
    params = decode_any(message.params)
    items = params if isinstance(params, list) else []
    port = items[1] if len(items) > 1 else None
    wait = items[2] if len(items) > 2 else None
    return Redirected(
        host=printable(text_or_empty(items, 0)),
        port=int(_number(port, 65535)),
        wait_seconds=_number(wait, math.inf),
    )


def _number(value: object, most: float) -> float:
    if value is None:
        return 0
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 9:
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most:
        return value
    raise RemoteProtocolError(f"not a number from 0 to {most}: {printable(str(value))!r}")


def _room(extranonce1: str, size: int) -> Room:
    raw = bytes_from_hex(extranonce1)
    sensible = not isinstance(size, bool) and 0 <= size <= MAX_EXTRANONCE_BYTES
    if not sensible or len(raw) > MAX_EXTRANONCE_BYTES:
        raise RemoteProtocolError(
            f"an extranonce of {len(raw)} + {printable(str(size))} bytes makes no sense"
        )
    return Room(extranonce1=raw, size=size)


def _session(subscriptions: object) -> str:
    pairs = subscriptions if isinstance(subscriptions, list) else []
    for pair in (*pairs, pairs):  # p2pool sends one flat pair
        match pair:
            case ["mining.notify", str() as session, *_]:
                return session
    return ""
