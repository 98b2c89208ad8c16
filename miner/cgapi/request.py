"""What a client asks: JSON or cgminer's own text, one command or several. Pure.

Source: `API-README` of ckolivas/cgminer, and what its `api()` makes of odd input.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from miner.cgapi.codes import Code

__all__ = ["MOST_BYTES", "Request", "is_whole", "parse"]

MOST_BYTES: Final = 4096
"""Of one request; cgminer reads 4,095. The longest that makes sense, an `addpool`, has 600."""
_MOST_COMMANDS: Final = 32
"""Joined in one request; there are not so many that can be."""
_END: Final = b"\0\r\n"
"""What clients put behind a request, or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it was understood.

    Attributes:
        as_json: it was JSON, and so is the answer.
        commands: names in order, each once; none where the request makes no sense.
        joined: several may have been asked for, with "+"; the answer has another shape then.
        parameter: of the one command, as text; "" without one.
        fault: why it makes no sense, else `None`.
    """

    as_json: bool
    commands: tuple[str, ...] = ()
    joined: bool = False
    parameter: str = ""
    fault: Code | None = None


def is_whole(data: bytes) -> bool:
    """Tell whether nothing more needs to be waited for.

    Nothing marks the end of a request: it is certain only for a line, for text that ends in
    a NUL, and for a JSON document that is complete.

    Args:
        data: what came so far.
    """
    if len(data) >= MOST_BYTES or data[-1:] in {b"\0", b"\n"}:
        return True
    return data.startswith(b"{") and _decode(data) is not None


def parse(data: bytes) -> Request:
    """Understand a request; never fails.

    Args:
        data: all of it; more than `MOST_BYTES` is not looked at.
    """
    data = data[:MOST_BYTES].strip(_END)
    if not data.startswith(b"{"):
        words, _, parameter = data.decode(errors="replace").partition("|")
        return _of_words(words, parameter, as_json=False)
    document = _decode(data)
    if document is None:
        return Request(as_json=True, fault=Code.INVALID_JSON)
    if "command" not in document:
        return Request(as_json=True, fault=Code.MISSING_COMMAND)
    name = document["command"]
    if not isinstance(name, str):
        return Request(as_json=True, fault=Code.INVALID_COMMAND)
    return _of_words(name, _text(document.get("parameter")), as_json=True)


def _of_words(name: str, parameter: str, *, as_json: bool) -> Request:
    joined = "+" in name
    names = tuple(dict.fromkeys(filter(None, name.split("+")))) if joined else (name,)
    if not names or len(names) > _MOST_COMMANDS:
        return Request(as_json=as_json, fault=Code.INVALID_COMMAND)
    return Request(
        as_json=as_json,
        commands=names,
        joined=joined,
        parameter="" if joined else parameter,
    )


def _decode(data: bytes) -> dict[str, object] | None:
    try:
        return msgspec.json.decode(data.strip(_END), type=dict[str, object])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _text(parameter: object) -> str:
    """Return a parameter as text; numbers are taken, too, as cgminer does."""
    match parameter:
        case bool():
            return ""
        case str() | int() | float():
            return str(parameter)
        case _:
            return ""
