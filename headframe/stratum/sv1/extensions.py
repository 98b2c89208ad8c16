"""`mining.configure` (BIP 310) as a table: one row per extension.

A row has both sides: what a client asks for and how it reads the answer, and how a
server answers. What is settled lies in a `Terms`, one per connection.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import msgspec

from headframe.chain.target import MAX_TARGET, Target
from headframe.stratum.errors import RemoteProtocolError
from headframe.stratum.sv1.dialect import printable, target_wished, u32_from_hex

__all__ = ["EXTENSIONS", "Extension", "Terms", "answer_all", "ask_all", "settle_all"]

Params = Mapping[str, object]
Members = dict[str, object]

_ALL_BITS: Final = 0xFFFFFFFF
_INFO: Final = ("info.connection-url", "info.hw-version", "info.sw-version", "info.hw-id")


_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Terms(msgspec.Struct, gc=False, kw_only=True):
    """What one side of a connection offers, and what is settled.

    Attributes:
        own_mask: version bits that this side allows.
        min_bits: version bits that this side would like to have at least (client).
        asked: version bits that the client would roll (server).
        mask: bits that may be rolled; `None` while nothing is negotiated.
        extranonce_changes: the client takes `mining.set_extranonce`.
        wish: the easiest target that the client wants to work on, if it said so (server).
        info: what the client told of itself (server).
    """

    own_mask: int
    min_bits: int = 0
    asked: int = 0
    mask: int | None = None
    extranonce_changes: bool = False
    wish: Target | None = None
    info: Mapping[str, str] = _NOTHING

    def allow(self, mask: int) -> int | None:
        """Set the version bits that this side allows from now on (server).

        BIP 310 lets a server change the mask at any time, both ways, within what the
        client asked for: a pool that allows fewer bits may be followed by one with more.

        Returns:
            The bits that the client may roll now, if it has negotiated and that is a change.
        """
        self.own_mask = mask
        if self.mask is None or self.mask == self.asked & mask:
            return None
        self.mask = self.asked & mask
        return self.mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """One row of the table.

    Attributes:
        ask: client: the parameters to send; `None` not to ask.
        settle: client: read the answer's members into the terms.
        answer: server: read the parameters into the terms; return the answer's members.
    """

    ask: Callable[[Terms], Members | None]
    settle: Callable[[Terms, Params], None]
    answer: Callable[[Terms, Params], Members]


def ask_all(terms: Terms) -> tuple[list[str], Members] | None:
    """Make the params of a client's `mining.configure`; `None` if there is nothing to ask."""
    names: list[str] = []
    params: Members = {}
    for name, extension in EXTENSIONS.items():
        members = extension.ask(terms)
        if members is not None:
            names.append(name)
            params.update(members)
    return (names, params) if names else None


def settle_all(terms: Terms, result: object) -> None:
    """Read the result of a client's `mining.configure` into the terms.

    Raises:
        RemoteProtocolError: it is no object, or a member makes no sense.
    """
    if not isinstance(result, dict):
        raise RemoteProtocolError("the answer to mining.configure is no object")
    for extension in EXTENSIONS.values():
        extension.settle(terms, result)


def answer_all(terms: Terms, params: object) -> Members:
    """Answer a `mining.configure`: a value for each extension that it names.

    Wish and info in the terms are then those of this request.

    Raises:
        RemoteProtocolError: the first parameter is no list of names.
    """
    match params:
        case [list() as names, dict() as asked, *_]:
            pass
        case [list() as names, *_]:  # some leave the second out; DATUM hangs up on them
            asked = {}
        case _:
            raise RemoteProtocolError("mining.configure wants a list of extensions")
    terms.wish, terms.info = None, _NOTHING
    members: Members = {}
    for name in names:
        if isinstance(name, str):
            extension = EXTENSIONS.get(name)
            members.update({name: False} if extension is None else extension.answer(terms, asked))
    return members


# version-rolling


def _ask_version(terms: Terms) -> Members | None:
    if not terms.own_mask:
        return None
    return {
        "version-rolling.mask": f"{terms.own_mask:08x}",
        "version-rolling.min-bit-count": terms.min_bits,
    }


def _settle_version(terms: Terms, result: Params) -> None:
    if result.get("version-rolling") is not True:
        return
    # ckpool and public-pool answer with their own mask whatever was asked for, so
    # intersect once more; a mask that is left out means all bits, as in the request.
    mask = u32_from_hex(result.get("version-rolling.mask", _ALL_BITS))
    terms.mask = mask & terms.own_mask


def _answer_version(terms: Terms, params: Params) -> Members:
    # The minimum bit count is not read: with fewer bits the answer is the same mask, and
    # the miner decides. It is left out by ESP-Miner and cgminer, a number from Antminers,
    # a hex text from others.
    try:
        asked = u32_from_hex(params.get("version-rolling.mask", _ALL_BITS))
    except RemoteProtocolError:
        return {"version-rolling": False}
    terms.asked = asked
    mask = asked & terms.own_mask
    if not mask:
        terms.mask = None
        return {"version-rolling": False}
    terms.mask = mask
    return {"version-rolling": True, "version-rolling.mask": f"{mask:08x}"}


# minimum-difficulty: kept wherever the job's own target is not easier still


def _answer_minimum(terms: Terms, params: Params) -> Members:
    value = params.get("minimum-difficulty.value")
    if value == 0 and not isinstance(value, bool):  # legal, and means no minimum
        terms.wish = MAX_TARGET
        return {"minimum-difficulty": True}
    try:
        terms.wish = target_wished(value)
    except RemoteProtocolError:
        return {"minimum-difficulty": False}
    return {"minimum-difficulty": True}


# subscribe-extranonce: same meaning as the method mining.extranonce.subscribe


def _answer_extranonce(terms: Terms, _params: Params) -> Members:
    terms.extranonce_changes = True
    return {"subscribe-extranonce": True}


# info


def _answer_info(terms: Terms, params: Params) -> Members:
    terms.info = {
        key.removeprefix("info."): printable(value)
        for key in _INFO
        if isinstance(value := params.get(key), str)
    }
    return {"info": True}


def _not_asked(_terms: Terms) -> None:
    return None


def _nothing_to_settle(_terms: Terms, _result: Params) -> None:
    return None


EXTENSIONS: Final[Mapping[str, Extension]] = {
    "version-rolling": Extension(ask=_ask_version, settle=_settle_version, answer=_answer_version),
    "minimum-difficulty": Extension(
        ask=_not_asked, settle=_nothing_to_settle, answer=_answer_minimum
    ),
    # A client of ours asks with the method, which more servers know.
    "subscribe-extranonce": Extension(
        ask=_not_asked, settle=_nothing_to_settle, answer=_answer_extranonce
    ),
    "info": Extension(ask=_not_asked, settle=_nothing_to_settle, answer=_answer_info),
}
"""The extensions that we know; others are answered with false."""
