"""The pools by the numbers that clients know them by, and the commands that change them.

A number stays a pool's own while its preference changes, as in cgminer; only taking a pool
out makes the later ones move up. What is changed here lasts until the program ends or reads
its configuration again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from headframe.runtime.errors import ConfigError
from headframe.runtime.logs import get_logger, redact_url
from headframe.upstream.base import SourceState
from headframe.upstream.endpoint import Endpoint, parse_url
from headframe.upstream.options import UpstreamSettings
from headframe.upstream.report import PoolStatus
from headframe.upstream.settings import SCHEMES
from miner.cgapi.codes import Code, Value
from miner.cgapi.reply import Reply

__all__ = ["POOL_COMMANDS", "PoolList", "PoolView", "Upstreams", "split_details"]

log = get_logger(__name__)

_LONGEST_NUMBER: Final = 6
_MOST: Final = 100
"""Pools; more are an accident, and each costs memory."""


class Upstreams(Protocol):
    """The upstreams of the running miner."""

    @property
    def current(self) -> Sequence[UpstreamSettings]:
        """Those in force, the preferred first."""

    def change(self, upstreams: Sequence[UpstreamSettings]) -> None:
        """Use these from now on; those that stay keep their connections.

        Raises:
            ConfigError: they cannot work; nothing was changed.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """A pool as clients see it.

    Attributes:
        number: what it is called by.
        priority: its place in the order of preference, from 0.
        enabled: it may be used.
        status: how it is doing; as of the last time that it was enabled.
    """

    number: int
    priority: int
    enabled: bool
    status: PoolStatus


@dataclass(slots=True, eq=False)
class _Slot:
    """What is known of a pool under its number."""

    settings: UpstreamSettings
    status: PoolStatus
    enabled: bool = True


class PoolList:
    """Keeps the numbers, and changes the upstreams.

    Args:
        upstreams: what is changed.
    """

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams
        self._slots: list[_Slot] = []  # by number
        self._order: list[_Slot] = []  # by preference
        self._follow()

    def view(self, told: Iterable[PoolStatus]) -> tuple[PoolView, ...]:
        """List all pools by number.

        Args:
            told: how those in force are doing.
        """
        self._follow()
        by_name = {each.source: each for each in told}
        for slot in self._slots:
            if slot.enabled:
                slot.status = by_name.get(slot.status.source, slot.status)
        return tuple(
            PoolView(
                number=number,
                priority=self._order.index(slot),
                enabled=slot.enabled,
                status=slot.status,
            )
            for number, slot in enumerate(self._slots)
        )

    def change(self, command: str, parameter: str) -> Reply:
        """Carry out a command of `POOL_COMMANDS`; one that cannot be changes nothing.

        Args:
            command: its name.
            parameter: what it was given.
        """
        self._follow()
        before = [*self._slots], [*self._order], [each.enabled for each in self._slots]
        try:
            return _ACTS[command](self, parameter.strip())
        except ConfigError as error:
            log.warning("api_pools_not_changed", command=command, error=str(error))
        self._slots, self._order, enabled = before
        for slot, was in zip(self._slots, enabled, strict=True):
            slot.enabled = was
        return Reply(code=Code.DENIED, values=(command,))

    def _switch(self, parameter: str) -> Reply:
        """Prefer a pool to all others, and enable it."""
        found = self._find(parameter)
        if isinstance(found, Reply):
            return found
        found.enabled = True
        self._order.remove(found)
        self._order.insert(0, found)
        return self._done(Code.SWITCHED, found)

    def _enable(self, parameter: str) -> Reply:
        """Let a pool be used again, at its place in the order."""
        found = self._find(parameter)
        if isinstance(found, Reply):
            return found
        if found.enabled:
            return self._about(Code.ALREADY_ENABLED, found)
        found.enabled = True
        return self._done(Code.ENABLED, found)

    def _disable(self, parameter: str) -> Reply:
        """Use a pool no more, but keep it in mind; the last one goes on."""
        found = self._find(parameter)
        if isinstance(found, Reply):
            return found
        if not found.enabled:
            return self._about(Code.ALREADY_DISABLED, found)
        if self._is_last(found):
            return self._about(Code.LAST_ENABLED, found)
        found.enabled = False
        return self._done(Code.DISABLED, found)

    def _remove(self, parameter: str) -> Reply:
        """Forget a pool."""
        found = self._find(parameter)
        if isinstance(found, Reply):
            return found
        if len(self._slots) == 1:
            return self._about(Code.LAST_POOL, found)
        if self._is_last(found):
            return self._about(Code.ACTIVE_POOL, found)
        reply = self._about(Code.REMOVED, found)
        self._slots.remove(found)
        self._order.remove(found)
        self._apply()
        return reply

    def _prefer(self, parameter: str) -> Reply:
        """Put pools first in the order given; the others follow in theirs."""
        first: list[_Slot] = []
        for text in parameter.split(","):
            found = self._find(text)
            if isinstance(found, Reply):
                return found
            if found in first:
                return Reply(code=Code.DUPLICATE_POOL, values=(text.strip(),))
            first.append(found)
        self._order = first + [each for each in self._order if each not in first]
        self._apply()
        return Reply(code=Code.PRIORITY)

    def _add(self, parameter: str) -> Reply:
        """Add a pool of `URL,user,password` behind all others."""
        if not parameter:
            return Reply(code=Code.MISSING_DETAILS)
        details = split_details(parameter)
        invalid = Reply(code=Code.INVALID_DETAILS, values=(redact_url(details[0]),))
        if len(details) != 3 or len(self._slots) >= _MOST:
            return invalid
        url, user, password = details
        try:
            settings = UpstreamSettings(url=url, user=user, password=password)
            slot = _Slot(settings, _blank(settings))
            self._upstreams.change([*self._upstreams.current, settings])
        except ConfigError as error:
            log.warning("api_pool_refused", error=str(error))
            return invalid
        self._slots.append(slot)
        self._order.append(slot)
        return self._about(Code.ADDED, slot)

    def _follow(self) -> None:
        """Begin anew when the configuration was read again: it knows nothing of ours."""
        current = list(self._upstreams.current)
        if current != [each.settings for each in self._order if each.enabled]:
            self._slots = [_Slot(settings, _blank(settings)) for settings in current]
            self._order = list(self._slots)

    def _find(self, parameter: str) -> _Slot | Reply:
        text = parameter.strip()
        if not text:
            return Reply(code=Code.MISSING_POOL)
        if text.isascii() and text.isdecimal() and len(text) < _LONGEST_NUMBER:
            number = int(text)
            if number < len(self._slots):
                return self._slots[number]
        return Reply(code=Code.INVALID_POOL, values=(text, len(self._slots) - 1))

    def _is_last(self, slot: _Slot) -> bool:
        return slot.enabled and sum(each.enabled for each in self._slots) == 1

    def _about(self, code: Code, slot: _Slot) -> Reply:
        values: tuple[Value, ...] = (self._slots.index(slot), slot.status.url)
        return Reply(code=code, values=values)

    def _done(self, code: Code, slot: _Slot) -> Reply:
        self._apply()
        return self._about(code, slot)

    def _apply(self) -> None:
        self._upstreams.change([each.settings for each in self._order if each.enabled])


_ACTS: Final[Mapping[str, Callable[[PoolList, str], Reply]]] = {
    "switchpool": PoolList._switch,  # noqa: SLF001 # the list's own table
    "enablepool": PoolList._enable,  # noqa: SLF001
    "disablepool": PoolList._disable,  # noqa: SLF001
    "addpool": PoolList._add,  # noqa: SLF001
    "removepool": PoolList._remove,  # noqa: SLF001
    "poolpriority": PoolList._prefer,  # noqa: SLF001
}
POOL_COMMANDS: Final = tuple(_ACTS)
"""The commands that change pools."""


def split_details(parameter: str) -> list[str]:
    r"""Split at commas; `\,` is a comma within a field, and `\\` a backslash."""
    fields, escaped = [""], False
    for char in parameter:
        if escaped or char not in ",\\":
            fields[-1] += char
            escaped = False
        elif char == ",":
            fields.append("")
        else:
            escaped = True
    return fields


def _blank(settings: UpstreamSettings) -> PoolStatus:
    """Make the status of a pool that nothing is known of yet.

    Raises:
        ConfigError: its URL is none.
    """
    endpoint = _endpoint(settings)
    return PoolStatus(
        source=settings.name or endpoint.place,
        url=endpoint.url,
        user=settings.user or endpoint.user,
        state=SourceState.IDLE,
        detail="",
        in_use=False,
        height=None,
        connects=0,
        answer_seconds=None,
        difficulty=0.0,
        job_age_seconds=None,
        accepted=0,
        rejected=0,
        lost=0,
        work_accepted=0.0,
        last_share_time=None,
    )


def _endpoint(settings: UpstreamSettings) -> Endpoint:
    return parse_url(settings.url, {name: each.default_port for name, each in SCHEMES.items()})
