"""The messages as msgspec structs: where bytes become values.

An envelope is decoded first, with its id kept as the very bytes that came, because it
must be echoed so; what it holds is decoded when it is known what it is. The exceptions
are a submit and what every rig asks when it comes: they are decoded whole, at once.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from headframe.stratum.errors import RemoteProtocolError

__all__ = [
    "SIMPLE_ANSWERS",
    "UNREADABLE",
    "Authorize",
    "Configure",
    "ExtranonceSubscribe",
    "FromClient",
    "FromServer",
    "LooseSubmitParams",
    "NotifyParams",
    "Submit",
    "SubmitParams",
    "Subscribe",
    "decode_any",
    "decode_loose_submit",
    "decode_notify",
    "decode_request",
    "decode_submit",
    "encode_answer",
    "encode_request",
    "encode_result",
    "encode_subscription",
    "is_silent",
    "parse_from_client",
    "parse_from_server",
]

UNREADABLE: Final = (ValueError, RecursionError)
"""What the decoder raises on a peer's bytes: bad JSON, wrong types, UTF-8 that is none,
and nesting without end."""

_ABSENT: Final = msgspec.Raw()
_SILENT: Final = (b"", b"null")


class SubmitParams(msgspec.Struct, array_like=True, gc=False):
    """Params of `mining.submit` as every well-behaved program sends them."""

    worker: str
    job: str
    extranonce: str
    ntime: str
    nonce: str
    bits: str | None = None


class Submit(msgspec.Struct, tag_field="method", tag="mining.submit", gc=False):
    """A whole `mining.submit`, decoded at once."""

    params: SubmitParams
    id: msgspec.Raw = _ABSENT


class _Request(msgspec.Struct, tag_field="method", gc=False):
    """A request that is decoded whole, with whatever params it has."""

    params: Any = None
    id: msgspec.Raw = _ABSENT


class Subscribe(_Request, tag="mining.subscribe", gc=False):
    """A whole `mining.subscribe`."""


class Authorize(_Request, tag="mining.authorize", gc=False):
    """A whole `mining.authorize`."""


class Configure(_Request, tag="mining.configure", gc=False):
    """A whole `mining.configure`."""


class ExtranonceSubscribe(_Request, tag="mining.extranonce.subscribe", gc=False):
    """A whole `mining.extranonce.subscribe`."""


class LooseSubmitParams(msgspec.Struct, array_like=True):
    """The same from programs that send numbers where others send hex (SRI)."""

    worker: str
    job: str | int
    extranonce: str
    ntime: str | int
    nonce: str | int
    bits: str | int | None = None


class FromClient(msgspec.Struct):
    """A line from a miner: a request, or (without `method`) an answer to one of ours."""

    method: str | None = None
    id: msgspec.Raw = _ABSENT
    params: msgspec.Raw = _ABSENT


class FromServer(msgspec.Struct):
    """A line from a pool: told apart by the presence of `method`, not by the id."""

    method: str | None = None
    id: msgspec.Raw = _ABSENT
    params: msgspec.Raw = _ABSENT
    result: msgspec.Raw = _ABSENT
    error: msgspec.Raw = _ABSENT
    reject_reason: msgspec.Raw = msgspec.field(default=_ABSENT, name="reject-reason")


class NotifyParams(msgspec.Struct, array_like=True):
    """Params of `mining.notify`; more may follow, at least eight are needed."""

    job: str | int
    prev_hash: str
    coinb1: str
    coinb2: str
    branch: list[str]
    version: str | int
    nbits: str | int
    ntime: str | int
    clean: bool | int | None = False


decode_submit: Final = msgspec.json.Decoder(Submit).decode
"""Decode a line that is a well-formed submit; raises one of `UNREADABLE` if it is not."""
decode_request: Final = msgspec.json.Decoder(
    Subscribe | Authorize | Configure | ExtranonceSubscribe
).decode
"""Decode a line that is one of these; raises one of `UNREADABLE` if it is none, or not readable."""
_loose: Final = msgspec.json.Decoder(LooseSubmitParams)
_notify: Final = msgspec.json.Decoder(NotifyParams)
_from_client: Final = msgspec.json.Decoder(FromClient)
_from_server: Final = msgspec.json.Decoder(FromServer)


def parse_from_client(line: bytes) -> FromClient:
    """Read the envelope of a miner's line.

    Raises:
        RemoteProtocolError: it is no JSON object, or its `method` is no text.
    """
    try:
        return _from_client.decode(line)
    except UNREADABLE as error:
        raise RemoteProtocolError(_why(error)) from None


def parse_from_server(line: bytes) -> FromServer:
    """Read the envelope of a pool's line.

    Raises:
        RemoteProtocolError: it is no JSON object, or its `method` is no text.
    """
    try:
        return _from_server.decode(line)
    except UNREADABLE as error:
        raise RemoteProtocolError(_why(error)) from None


def decode_loose_submit(params: msgspec.Raw) -> LooseSubmitParams:
    """Read the params of a submit that `decode_submit` did not take.

    Raises:
        RemoteProtocolError: they are none.
    """
    try:
        return _loose.decode(params)
    except UNREADABLE as error:
        raise RemoteProtocolError(_why(error)) from None


def decode_notify(params: msgspec.Raw) -> NotifyParams:
    """Read the params of a job.

    Raises:
        RemoteProtocolError: they are none.
    """
    try:
        return _notify.decode(params)
    except UNREADABLE as error:
        raise RemoteProtocolError(f"mining.notify: {_why(error)}") from None


def decode_any(raw: msgspec.Raw) -> object:
    """Decode a member of an envelope; an absent one is `None`.

    Raises:
        RemoteProtocolError: numbers or texts in it are out of range or out of form.
    """
    if not raw:
        return None
    try:
        value: object = msgspec.json.decode(raw)
    except UNREADABLE as error:
        raise RemoteProtocolError(_why(error)) from None
    return value


def is_silent(request_id: bytes) -> bool:
    """Tell whether a request with this id (raw JSON, or nothing) wants no answer."""
    return request_id in _SILENT


def encode_request(
    request_id: int | None, method: str, params: Sequence[object] | Mapping[str, object]
) -> bytes:
    """Write a request or, with the id `None`, a notification, as one line."""
    return msgspec.json.encode({"id": request_id, "method": method, "params": params}) + b"\n"


def encode_answer(request_id: bytes, body: bytes) -> bytes:
    """Write an answer as one line; nothing where the request wants none.

    Args:
        request_id: the id as it came, raw JSON; null or nothing: a notification.
        body: the members `result` and `error`, raw JSON.
    """
    if request_id in _SILENT:
        return b""
    return b'{"id":%b,%b}\n' % (request_id, body)


def encode_result(value: object) -> bytes:
    """Write the members of an answer that has a result."""
    return b'"result":%b,"error":null' % msgspec.json.encode(value)


def encode_subscription(extranonce1: bytes, size: int, session: str = "") -> bytes:
    """Write the members of the answer to `mining.subscribe`.

    Args:
        extranonce1: the rig's fixed bytes.
        size: bytes that the rig rolls (extranonce2_size).
        session: what the rig may come back with; its extranonce1 by default.
    """
    own = extranonce1.hex()
    named = msgspec.json.encode(session or own or "0")
    return _SUBSCRIPTION % (named, named, own.encode(), size)


_SUBSCRIPTION: Final = (
    b'"result":[[["mining.set_difficulty",%b],["mining.notify",%b]],"%b",%d],"error":null'
)


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, msgspec.DecodeError) else "the JSON cannot be read"


SIMPLE_ANSWERS: Final[Mapping[str, bytes]] = {
    "mining.get_transactions": encode_result([]),
    "mining.ping": encode_result("pong"),
}
"""A server's answers to methods that have always the same."""
