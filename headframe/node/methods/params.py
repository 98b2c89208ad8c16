"""What a method of the RPC takes: names, kinds, defaults; and how a request meets them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import msgspec

from headframe.chain.hashes import hash_from_hex
from headframe.node.errors import Code, RpcError

__all__ = ["REQUIRED", "Handler", "Kind", "Method", "Param", "bind", "parse_hash"]

Handler = Callable[..., Awaitable[object]]
"""Takes the `NodeService`, then one argument for each parameter; returns what JSON can say."""

REQUIRED: Final = object()
"""The default of a parameter that has none."""


class Kind(Enum):
    """JSON types, in bitcoind's words."""

    STRING = "string"
    NUMBER = "number"
    BOOL = "bool"
    OBJECT = "object"
    ANY = "any"

    def fits(self, value: object) -> bool:
        """Say whether a decoded JSON value is of this kind."""
        match self:
            case Kind.STRING:
                return isinstance(value, str)
            case Kind.NUMBER:
                return isinstance(value, int) and not isinstance(value, bool)
            case Kind.BOOL:
                return isinstance(value, bool)
            case Kind.OBJECT:
                return isinstance(value, dict)
            case Kind.ANY:
                return True


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter.

    Attributes:
        name: as in a request with named parameters.
        kind: what it must be; JSON's null stands for the default.
        default: `REQUIRED` for none.
    """

    name: str
    kind: Kind
    default: object = REQUIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A row of the table of methods.

    Attributes:
        name: as requests have it.
        about: one sentence for `help`.
        handler: does it.
        params: what it takes, in order.
    """

    name: str
    about: str
    handler: Handler
    params: tuple[Param, ...] = ()

    @property
    def usage(self) -> str:
        """Name and parameters, optional ones in parentheses."""
        words = [
            param.name if param.default is REQUIRED else f"( {param.name} )"
            for param in self.params
        ]
        return " ".join([self.name, *words])

    @property
    def help(self) -> str:
        """Usage and what it does."""
        return f"{self.usage}\n\n{self.about}\n"


def bind(method: Method, params: object) -> list[Any]:
    """Turn a request's parameters into one argument for each parameter of a method.

    Args:
        method: what is called.
        params: a list, a mapping of names, or `None` for none.

    Raises:
        RpcError: too many or too few, an unknown name, or a wrong kind.
    """
    if isinstance(params, Mapping):
        given = _by_name(method, params)
    elif isinstance(params, Sequence) and not isinstance(params, str | bytes):
        given = list(params)
    else:
        given = []
    if len(given) > len(method.params):
        raise RpcError(Code.MISC, method.help)
    given += [None] * (len(method.params) - len(given))
    values = [
        param.default if value is None else value
        for param, value in zip(method.params, given, strict=True)
    ]
    if any(value is REQUIRED for value in values):
        raise RpcError(Code.MISC, method.help)
    _ensure_kinds(method, given)
    return values


def _by_name(method: Method, params: Mapping[Any, Any]) -> list[object]:
    known = {param.name for param in method.params}
    for name in params:
        if name not in known:
            raise RpcError(Code.INVALID_PARAMETER, f"Unknown named parameter {name}")
    return [params.get(param.name) for param in method.params]


def _ensure_kinds(method: Method, given: Sequence[object]) -> None:
    wrong = {
        f"Position {place} ({param.name})": (
            f"JSON value of type {_kind_of(value)} is not of expected type {param.kind.value}"
        )
        for place, (param, value) in enumerate(zip(method.params, given, strict=True), start=1)
        if value is not None and not param.kind.fits(value)
    }
    if wrong:
        text = msgspec.json.format(msgspec.json.encode(wrong), indent=4).decode()
        raise RpcError(Code.TYPE, f"Wrong type passed:\n{text}")


def _kind_of(value: object) -> str:
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case dict():
            return "object"
        case _:
            return "array"


def parse_hash(text: str, name: str) -> bytes:
    """Read a hash parameter: 64 hex digits in display order; 32 bytes, header order.

    Raises:
        RpcError: it is not that.
    """
    if len(text) != 64:
        raise RpcError(
            Code.INVALID_PARAMETER, f"{name} must be of length 64 (not {len(text)}, for '{text}')"
        )
    try:
        return hash_from_hex(text)
    except ValueError:
        raise RpcError(
            Code.INVALID_PARAMETER, f"{name} must be hexadecimal string (not '{text}')"
        ) from None
