"""`Reloader`: read the settings again, and put what changed into force without a stop.

A program brings three things: how its settings are read (the same call as at its start, so
that flags and environment keep their rank), what of them may change while it runs, and a
`prepare` that makes everything new before anything old is touched. So settings that cannot
be used change nothing.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from headframe.runtime.errors import HeadframeError
from headframe.runtime.logs import HIDDEN, get_logger, is_secret, redact
from headframe.runtime.settings_fields import to_plain

__all__ = ["Change", "Commit", "Outcome", "Reloader", "changes"]

log = get_logger(__name__)

_STANDARD: Final = (0, 1, 2)
"""Standard input, output and errors: some may be redirected on a terminal, hardly all."""

S = TypeVar("S", bound=msgspec.Struct)

Commit = Callable[[], Sequence[str]]
"""Puts prepared settings into force, which cannot fail; returns in words what changed that the
settings' keys do not say by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One setting that is not what it was; values are plain data."""

    key: str
    old: object
    new: object

    @property
    def words(self) -> str:
        """Tell it to people, without secrets; "" where the values are tables, and long."""
        if any(isinstance(item, Mapping) for item in _items(self.old, self.new)):
            return ""
        if is_secret(self.key.rpartition(".")[2]):
            return f"{self.key}: {HIDDEN}"
        return f"{self.key}: {_shown(self.old)} -> {_shown(self.new)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a reload.

    Attributes:
        error: why nothing changed, in one line; "" when it worked.
        changed: what is different now, in words.
        needs_restart: keys that differ from what the process runs with, and cannot change
            while it runs.
        file: where settings were read from; "" without a file.
    """

    error: str = ""
    changed: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()
    file: str = ""


def _ignore(outcome: Outcome) -> None:
    del outcome


def _terminate() -> None:
    signal.raise_signal(signal.SIGTERM)


class Reloader(Generic[S]):
    """Reloads one program's settings; one reload at a time.

    Args:
        running: the settings that the program was started with.
        read: reads them anew; called in a thread. Raises `HeadframeError`.
        prepare: makes what the new settings need, and returns what puts it into force.
            Raises `HeadframeError` if they cannot be used; then nothing may have changed.
        live: keys that may change while the program runs, with all below them.
        note: told of each outcome, as for a metric.
        file: where `read` finds the settings, for people; "" without a file.
    """

    def __init__(
        self,
        running: S,
        *,
        read: Callable[[], S],
        prepare: Callable[[S], Awaitable[Commit]],
        live: Sequence[str],
        note: Callable[[Outcome], object] = _ignore,
        file: str = "",
    ) -> None:
        self._started = self._newest = running
        self._read = read
        self._prepare = prepare
        self._live = tuple(live)
        self._note = note
        self._file = file
        self._one_at_a_time = asyncio.Lock()

    async def reload(self) -> Outcome:
        """Read the settings, and put into force what may change; the log tells the outcome."""
        async with self._one_at_a_time:
            try:
                settings = await asyncio.to_thread(self._read)
                commit = await self._prepare(settings)
            except HeadframeError as error:
                outcome = Outcome(error=str(error), file=self._file)
            else:
                outcome = self._take(settings, commit)
        _tell(outcome)
        self._note(outcome)
        return outcome

    def _take(self, settings: S, commit: Commit) -> Outcome:
        words = [
            change.words
            for change in changes(self._newest, settings)
            if self._may_change(change.key) and change.words
        ]
        words += commit()
        self._newest = settings
        waiting = [each.key for each in changes(self._started, settings)]
        return Outcome(
            changed=tuple(words),
            needs_restart=tuple(key for key in waiting if not self._may_change(key)),
            file=self._file,
        )

    async def run(
        self,
        *,
        files: Sequence[int] = _STANDARD,
        stop: Callable[[], object] = _terminate,
        is_terminal: Callable[[int], bool] = os.isatty,
        look_seconds: float = 5.0,
    ) -> None:
        """Reload at each SIGHUP, until cancelled.

        The same signal comes when the terminal is closed that the program was started on.
        Then it shall end, as it would without us. A terminal that went without that signal
        was left on purpose: the signal means a reload from then on.

        Args:
            files: descriptors that are a terminal if the program was started on one.
            stop: ends the program; by default as SIGTERM does.
            is_terminal: tells whether a descriptor is one; it is none once it was closed.
            look_seconds: how often it is looked whether the terminal is still there.
        """
        terminals = [each for each in files if is_terminal(each)]
        loop, wanted = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGHUP, wanted.set)
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(look_seconds if terminals else None):
                        await wanted.wait()
                gone = bool(terminals) and not any(map(is_terminal, terminals))
                terminals = [] if gone else terminals
                if not wanted.is_set():
                    continue
                wanted.clear()
                if gone:
                    stop()
                else:
                    await self._reload_for_sure()
        finally:
            loop.remove_signal_handler(signal.SIGHUP)

    async def _reload_for_sure(self) -> None:
        try:
            await self.reload()
        except Exception:  # a bug of ours must not end what runs
            log.exception("config_not_reloaded", in_force="what was before, perhaps not all")

    def _may_change(self, key: str) -> bool:
        return any(f"{key}.".startswith(f"{each}.") for each in self._live)


def changes(old: msgspec.Struct, new: msgspec.Struct) -> Iterator[Change]:
    """Yield each setting that differs, by dotted key; a list is one setting."""
    before, after = dict(_flat(to_plain(old))), dict(_flat(to_plain(new)))
    for key, value in after.items():
        if value != before[key]:
            yield Change(key=key, old=before[key], new=value)


def _tell(outcome: Outcome) -> None:
    more = {"file": outcome.file} if outcome.file else {}
    if outcome.error:
        log.error("config_not_reloaded", error=outcome.error, in_force="what was before", **more)
        return
    if outcome.needs_restart:
        more["needs_a_restart"] = ", ".join(outcome.needs_restart)
    log.info("config_reloaded", changed="; ".join(outcome.changed) or "nothing", **more)


def _flat(plain: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in plain.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _items(*values: object) -> Iterator[object]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from value


def _shown(value: object) -> str:
    return msgspec.json.encode(redact(value), enc_hook=str).decode()
