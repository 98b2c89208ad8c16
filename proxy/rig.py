"""One rig: its place in the search space, its target and its figures.

A session has one rig per channel; Stratum V1 has the one channel 0.
"""

import math
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from headframe.chain.job import BIP320_MASK, Job, SplitCoinbase
from headframe.chain.share import Checked, Reason
from headframe.chain.target import (
    MAX_TARGET,
    Target,
    difficulty_from_target,
    target_from_difficulty,
)
from headframe.stratum.core import Seat, ServerCore
from proxy.choir import Choir
from proxy.jobbook import Entry
from proxy.quirks import Traits, traits_of
from proxy.slices import Layout, Lease
from proxy.stats import Rate
from proxy.vardiff import Bounds, Vardiff

__all__ = ["Rig", "RigSettings", "RigState", "difficulty_in_password"]

_SILENT_SHARES: Final = 8.0
"""So many expected shares without one, and a rig counts as silent (chance: 1 in 3,000)."""
_INVALID_RUN: Final = 10
"""So many refused shares in a row, and it counts as invalid."""
_STOPPED: Final = 50
"""So many good shares with the job's own version, and one that rolled it has stopped."""
_ACCEPTED: Final = Reason.ACCEPTED
_WORDS: Final = re.compile(r"(?:^|[,; ])(?:d|diff)=([0-9.eE+-]{1,32})(?=$|[,; ])")


class RigState(StrEnum):
    """How a rig is doing, for the page."""

    CONNECTING = "connecting"
    """No share yet; of a connection: no seat yet."""
    HASHING = "hashing"
    SILENT = "silent"
    """Nothing for much longer than expected."""
    INVALID_ONLY = "invalid_only"
    """Nothing but refused shares of late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RigSettings:
    """What all rigs have in common.

    Attributes:
        bounds: vardiff's aim and limits.
        start: the first target.
        mask: version bits that rigs may roll.
        password: what a rig must give; "" for anything.
        handshake_seconds: how long a rig may take to subscribe and authorise.
        idle_seconds: how long it may stay without a good share.
    """

    bounds: Bounds
    start: Target
    mask: int = BIP320_MASK
    password: str = ""
    handshake_seconds: float = 20.0
    idle_seconds: float = 7200.0


def difficulty_in_password(password: str) -> tuple[str, Target | None]:
    """Find a wish such as `d=0.5` or `diff=1024` in a rig's password.

    Returns:
        The password without the wish, and the target wished for, if there is one.
    """
    found = _WORDS.search(password) if "=" in password else None
    if found is None:
        return password, None
    try:
        target = target_from_difficulty(float(found[1]))
    except ValueError:
        return password, None
    return (password[: found.start()] + password[found.end() :]).strip(",; "), target


def _within(bounds: Bounds, least: Target) -> Bounds:
    """Narrow the limits to targets no easier than this; those of all rigs come first."""
    return bounds if least >= bounds.easiest else _narrowed(bounds, least)


@lru_cache(maxsize=256)
def _narrowed(bounds: Bounds, least: Target) -> Bounds:
    return replace(bounds, easiest=max(least, bounds.hardest))


def _needs(traits: Traits) -> Target:
    """Return the easiest target that a firmware works on."""
    return target_from_difficulty(traits.least) if traits.least else MAX_TARGET


def _coinbase_bytes(job: Job) -> int:
    split = job.commitment
    if not isinstance(split, SplitCoinbase):
        return 0
    return len(split.prefix) + split.extranonce_size + len(split.suffix)


class Rig:
    """A rig that has a seat.

    Args:
        seat: what it owns.
        lease: its hold on the slice.
        settings: what all rigs have in common.
        start: the first target.
        now: monotonic seconds.
    """

    __slots__ = (
        "_asked",
        "_bounds",
        "_choir",
        "_entry",
        "_epoch",
        "_joined",
        "_last_share",
        "_lease",
        "_least",
        "_rate",
        "_refused_run",
        "_unrolled",
        "accepted",
        "past",
        "rejected",
        "seat",
        "told",
        "traits",
        "vardiff",
    )

    def __init__(
        self, seat: Seat, lease: Lease, settings: RigSettings, start: Target, now: float
    ) -> None:
        self.seat = seat
        self.past: tuple[tuple[Layout, Seat], ...] = ()
        """Places that it had a moment ago, and the layouts that they were of."""
        self.traits = traits_of(seat.agent)
        self._least = _needs(self.traits) if self.traits.least else MAX_TARGET
        self._bounds = _within(settings.bounds, self._least)
        self.vardiff = Vardiff(self._bounds, start, now)
        self.accepted = 0
        self.rejected = 0
        self.told = start
        self._lease = lease
        self._asked = start
        self._rate = Rate(now)
        self._epoch: int | None = None
        self._entry: Entry | None = None
        self._choir: Choir | None = None  # then that knows what it was shown last
        self._joined = now
        self._last_share: float | None = None
        self._refused_run = 0
        self._unrolled = 0  # 1 and the good shares since the last rolled one; 0 before any

    def leave(self, shown: object = None) -> None:
        """Give its slice back; `shown` is for itself, if it comes back soon."""
        self._lease.keepsake = shown
        self._lease.release()

    def permit(self, mask: int) -> None:
        """Take shares with these version bits at most."""
        self.seat = msgspec.structs.replace(self.seat, mask=mask)

    def reseat(self, seat: Seat, lease: Lease, before: Layout | None = None) -> None:
        """Give it another place; what it is shown next is clean.

        Args:
            seat: the place.
            lease: its hold on the slice.
            before: the layout that the old place is of, for shares that come late.
        """
        self._lease.release()
        if before is not None:
            self.past = (*self.past, (before, self.seat))
        self.seat, self._lease = seat, lease
        self.unsettle()

    def seat_in(self, layout: Layout | None) -> Seat:
        """Return the place that it has, or lately had, where jobs are of this layout."""
        return next((seat for known, seat in self.past if known is layout), self.seat)

    def unsettle(self) -> None:
        """Have what it is shown next be clean, whatever it was shown before."""
        self._epoch = None

    def adopt(self, settings: RigSettings, now: float) -> None:
        """Take other limits for its target."""
        self._bounds = _within(settings.bounds, self._least)
        self.vardiff.rebound(self._bounds, now)

    def want(self, least: Target, settings: RigSettings, now: float) -> None:
        """Give it no easier target than this from now on, unless its job's own is easier.

        Args:
            least: as it asked for; what its firmware needs counts as well.
            settings: what all rigs have in common; these limits come first.
            now: monotonic seconds.
        """
        self._least = min(_needs(self.traits), least)
        self.adopt(settings, now)

    @property
    def entry(self) -> Entry | None:
        """The job it was shown last."""
        return self._entry if self._choir is None else self._choir.entry

    def join(self, choir: Choir) -> None:
        """Be shown what a choir is, beginning with its last entry, which it was shown."""
        self._choir, self._entry = choir, None

    def part(self) -> None:
        """Be shown jobs by itself again."""
        choir, self._choir = self._choir, None
        if choir is not None and choir.entry is not None:
            self._entry, self._epoch = choir.entry, choir.epoch
            self._lease.mark(choir.entry.mark)  # of one source: its latest outlives all others

    def show(self, core: ServerCore, entry: Entry) -> None:
        """Show it a job, at its own target, but never one harder than the job's."""
        job, target, mark = entry.upstream, self.vardiff.target, entry.mark
        epoch = job.epoch
        target = max(target, job.target)
        clean = epoch != self._epoch or (self.traits.clean and target != self._asked)
        if mark not in self._lease.marks:
            self._lease.mark(mark)
        self.told = core.offer(self.seat.channel, entry.job, target, clean=clean)
        self._epoch, self._asked = epoch, target
        self._entry = entry

    def count(self, checked: Checked, work: int, now: float) -> None:
        """Count a judged share.

        Args:
            checked: our judgement.
            work: hashes that it stands for.
            now: monotonic seconds.
        """
        if checked.reason is _ACCEPTED:
            self.count_good(work, now)
        else:
            self.refuse()

    def count_good(self, work: int, now: float) -> None:
        """Count a good share; `work`: hashes that it stands for."""
        self.accepted += 1
        self._refused_run = 0
        self._last_share = now
        self._rate.add(work, now)
        self.vardiff.on_share(work)

    def take(self, work: int, now: float, count: int, unrolled: int) -> bool:
        """Count good shares that were judged together; say whether its rate is to be looked at.

        Args:
            work: hashes that each stands for.
            now: monotonic seconds.
            count: how many there are.
            unrolled: so many came since the last one with version bits of its own.
        """
        self.accepted += count
        self._refused_run = 0
        self._last_share = now
        self._rate.add(work * count, now)
        if unrolled < count:
            self._unrolled = min(1 + unrolled, _STOPPED)
        elif 0 < self._unrolled < _STOPPED:
            self._unrolled = min(self._unrolled + count, _STOPPED)
        return self.vardiff.take(work, count, now)

    def count_answered(self, reason: Reason, work: int, now: float) -> None:
        """Count a share that was good here, as its upstream answered it.

        It was hashed, whatever the upstream said: rate and vardiff count it.

        Args:
            reason: the upstream's.
            work: hashes that it stands for.
            now: monotonic seconds.
        """
        if reason is _ACCEPTED:
            self.accepted += 1
            self._refused_run = 0
        else:
            self.refuse()
        self._last_share = now
        self._rate.add(work, now)
        self.vardiff.on_share(work)

    def refuse(self) -> None:
        """Count a share that was refused unweighed."""
        self.rejected += 1
        self._refused_run += 1

    def note_version(self, version: int) -> None:
        """Take note of a good share's version: whether the rig rolled it.

        One that rolls does so in nearly every share; by chance all bits are those of the job
        in one of 65,536.
        """
        entry = self.entry
        if entry is not None and version != entry.job.version:
            self._unrolled = 1
        elif 0 < self._unrolled < _STOPPED:
            self._unrolled += 1

    @property
    def stopped_rolling(self) -> bool:
        """It rolled the version once, and has not for many shares."""
        return self._unrolled >= _STOPPED

    def retarget(self, now: float) -> bool:
        """Look at its rate; say whether it has a new target."""
        entry = self.entry
        if entry is None or not self.vardiff.is_due(now):
            return False
        return self.vardiff.retarget(now, hardest=entry.upstream.target) is not None

    def quiet_seconds(self, now: float) -> float:
        """Return the time since its last good share, or since it joined."""
        return now - (self._joined if self._last_share is None else self._last_share)

    def share_age(self, now: float) -> float | None:
        """Return the time since its last good share; `None` before one."""
        return None if self._last_share is None else now - self._last_share

    def hps(self, now: float) -> float:
        """Estimate its hashrate from its good shares."""
        return self._rate.hps(now)

    def state(self, now: float) -> RigState:
        """Say how it is doing."""
        if self._refused_run >= _INVALID_RUN:
            return RigState.INVALID_ONLY
        if self.quiet_seconds(now) > _SILENT_SHARES * 60 / self._bounds.per_minute:
            return RigState.SILENT
        return RigState.CONNECTING if self._last_share is None else RigState.HASHING

    def problems(self, user: str) -> list[str]:
        """Say what its firmware cannot do here, a line for each thing.

        Args:
            user: the name it gave.
        """
        if not self.traits.rows:
            return []
        entry = self.entry
        coinbase = 0 if entry is None else _coinbase_bytes(entry.job)
        return list(
            self.traits.problems(
                slice_size=len(self.seat.slice), size=self.seat.size, coinbase=coinbase, user=user
            )
        )

    def figures(self, now: float, user: str = "") -> dict[str, object]:
        """Return what the page shows of it.

        Args:
            now: monotonic seconds.
            user: the name it gave.
        """
        difficulty = float(difficulty_from_target(self.told))
        quiet = None if self._last_share is None else math.floor(now - self._last_share)
        return {
            "hashrate_hps": self.hps(now),
            "difficulty": difficulty,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "last_share_seconds": quiet,
            "state": self.state(now).value,
            "quirks": list(self.traits.names),
            "problems": self.problems(user),
        }
