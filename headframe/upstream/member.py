"""`Member`: one source of a group, run whenever it is wanted, and what is known of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from headframe.chain.job import Job
from headframe.runtime.latest import Latest
from headframe.runtime.logs import get_logger
from headframe.runtime.retry import Backoff
from headframe.upstream.base import JobSource, SourceStatus, UpstreamError
from headframe.upstream.strategy import Standing

__all__ = ["GroupOptions", "Member"]

_log = get_logger(__name__)

_FIRST_CHANCE_SECONDS: Final = 5.0
"""A source that gives no work for so long after it was started does not keep the next one
waiting, whatever it is doing."""
_GAP_SECONDS: Final = 1.0
"""The same for one that had work: long enough for a redirect on the pool's own host."""
_PROVEN: Final = 10
"""A source used for so many stable times is no longer suspected of failing soon."""
_MOST_RELAPSES: Final = 4
"""Each early failure doubles the time for which a source must prove itself, so often."""
_LONGEST_PAUSE_SECONDS: Final = 15.0
"""Between two tries of a pool that stays away: what its return costs at most, in hashes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOptions:
    """How patient a group is.

    Attributes:
        hold_seconds: how long the last job is kept when no source has work.
        linger_seconds: how long a source that is no longer needed keeps its connection for
            late shares.
        stable_seconds: how long a source must have had work before it is preferred to one
            that is in use; twice as long after it failed soon, and again, up to 16 times.
        lag_seconds: so long a source may build on a block that another has left behind; 0:
            for ever.
        backoff: makes the pauses between two tries of one source.
    """

    hold_seconds: float = 60.0
    linger_seconds: float = 30.0
    stable_seconds: float = 60.0
    lag_seconds: float = 0.0
    backoff: Callable[[], Backoff] = lambda: Backoff(1.0, _LONGEST_PAUSE_SECONDS)


class Member:
    """A source and what we know of it; times are seconds of the event loop's clock.

    Args:
        source: run while it is wanted, again after each failure.
        options: how patient to be.
        changed: set whenever the strategy may want to choose anew.

    Attributes:
        source: as given.
        options: as given; may be replaced.
        wanted: the strategy wants it to run.
        trouble: what it failed with last, "" if it is long ago.
        lag: why its work is not used although it has some; "" if it is good.
        chance_ends: when the next one no longer waits for it; `None` when nothing does.
        used_since: since when it is the one in use; `None` while another is.
        trusted: it need not prove itself, until it fails: whoever configured it wants it now.
    """

    def __init__(self, source: JobSource, options: GroupOptions, changed: asyncio.Event) -> None:
        self.source = source
        self.options = options
        self.wanted = asyncio.Event()
        self.trouble = ""
        self.lag = ""
        self.chance_ends: float | None = None
        self.used_since: float | None = None
        self.trusted = False
        self._changed = changed
        self._backoff = options.backoff()
        self._scope: asyncio.Timeout | None = None  # of a run, with the pause behind it
        self._tenure: asyncio.Timeout | None = None  # of all runs
        self._running = False
        self._dismissed = False
        self._failed = False
        self._relapses = 0
        self._works_since: float | None = None

    @property
    def has_work(self) -> bool:
        """Whether it could be worked for."""
        return self.source.jobs.get() is not None and not self.lag

    @property
    def name(self) -> str:
        """Its name, for people."""
        return self.source.status.get().source

    # its life

    def reset(self) -> None:
        """Forget what was before it began to run."""
        self._failed = False
        self._works_since = self.chance_ends = None
        self.wanted.clear()
        self._backoff.reset()

    async def tend(self) -> None:
        """Run the source whenever it is wanted, until cancelled or dismissed."""
        try:
            async with asyncio.timeout(None) as self._tenure, asyncio.TaskGroup() as tasks:
                if self._dismissed:
                    return
                tasks.create_task(self._keep())
                tasks.create_task(self._watch(self.source.jobs))
                tasks.create_task(self._watch(self.source.status))
        except TimeoutError:
            pass  # it was dismissed, and its time to linger is over
        finally:
            self._tenure = None

    def dismiss(self) -> None:
        """Let it go for good, after the time for late shares if it has a connection."""
        self._dismissed = True
        self.wanted.clear()
        self._leave(self.options.linger_seconds if self._running else 0.0)

    def _leave(self, after_seconds: float) -> None:
        if self._tenure is not None and not self._tenure.expired():
            self._tenure.reschedule(_now() + after_seconds)

    def turn(self, *, on: bool) -> None:
        """Start it, or stop it after a while if it is still not needed by then."""
        scope = self._scope
        if on:
            self._failed = False  # whatever was long ago
            self.wanted.set()
        else:
            self.wanted.clear()
        if scope is not None and not scope.expired():
            scope.reschedule(None if on else _now() + self.options.linger_seconds)

    async def _watch(self, cell: Latest[Job | None] | Latest[SourceStatus]) -> None:
        serial = cell.serial
        while True:
            await cell.wait_newer(serial)
            serial = cell.serial
            self._changed.set()

    async def _keep(self) -> None:
        """Run the source whenever it is wanted, again after each failure."""
        while not self._dismissed:
            await self.wanted.wait()
            try:
                async with asyncio.timeout(None) as self._scope:
                    await self._attempt()
                    if not self._dismissed:
                        await asyncio.sleep(self._backoff.next())
            except TimeoutError:
                pass  # it was let go, and its time to linger is over
            finally:
                self._scope = None
        self._leave(0.0)  # there is no connection to linger for

    async def _attempt(self) -> None:
        name = self.name
        self._running = True
        try:
            await self.source.run()
            trouble = f"{name} ended"
        except UpstreamError as error:
            trouble = str(error)
        except Exception as error:  # noqa: BLE001 # a bug of ours: the other sources go on
            _log.exception("source_broke", source=name)
            trouble = f"{name}: {type(error).__name__}, see the log"
        finally:
            self._running = False
        self._fail(trouble)

    def _fail(self, trouble: str) -> None:
        now = _now()
        self.note(now)
        if self.used_since is not None:
            soon = now - self.used_since < _PROVEN * self.options.stable_seconds
            self._relapses = min(self._relapses + 1, _MOST_RELAPSES) if soon else 0
        if trouble != self.trouble:  # say it once, not at each try
            _log.warning("source_lost", source=self.name, error=trouble)
        self.trouble = trouble
        self._failed = True
        self.trusted = False
        self._changed.set()

    def fall_behind(self, lag: str) -> None:
        """Take note that it lags, and why, or ("") that it does not."""
        lagged, self.lag = bool(self.lag), lag
        if lag and not lagged:
            self._fail(lag)
        elif lagged and not lag:
            _log.info("source_caught_up", source=self.name)

    # what is known of it

    def note(self, now: float) -> None:
        """Take note if it got work, or lost it."""
        if self.has_work:
            self._failed = False
            self.chance_ends = None
            if self._works_since is None:
                self._works_since = now
        elif self._works_since is not None:
            self._end_of_work(now - self._works_since)
            self._works_since = None
            self.chance_ends = now + _GAP_SECONDS
        elif not self.wanted.is_set():
            self.chance_ends = None
        elif self.chance_ends is None:
            self.chance_ends = now + _FIRST_CHANCE_SECONDS

    def _end_of_work(self, seconds: float) -> None:
        stable = self.options.stable_seconds
        if seconds >= stable:
            self._backoff.reset()
        if seconds >= _PROVEN * stable:
            self.trouble = ""  # what it failed with so long ago may be said again

    def standing(self, now: float) -> Standing:
        """Tell the strategy how it stands."""
        late = self.chance_ends is not None and now >= self.chance_ends
        probation = 0.0 if self.trusted else self.options.stable_seconds * 2**self._relapses
        return Standing(
            works_since=self._works_since,
            out=self._works_since is None and (self._failed or late),
            probation_seconds=probation,
        )


def _now() -> float:
    return asyncio.get_running_loop().time()
