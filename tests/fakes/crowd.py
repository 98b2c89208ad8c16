"""As many rigs as a page is to be tried with, without connections: for `proxy.rigview`."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from headframe.chain.share import Checked, Reason
from headframe.chain.target import target_from_difficulty
from headframe.stratum.core import Seat
from proxy.hub import Clock
from proxy.rig import Rig, RigState
from proxy.session import Session
from proxy.slices import Lease
from tests.fakes.proxying import ManualClock, rig_settings

__all__ = ["Crowd", "Guest"]

_AGENTS = ("cgminer/4.12.1", "bosminer-plus-tuner/0.9", "NerdMinerV2", "")
_GOOD = Checked(reason=Reason.ACCEPTED, proof=1, block=False)
_BAD = Checked(reason=Reason.STALE, proof=1, block=False)


@dataclass(frozen=True)
class Door:
    """A listener's name."""

    name: str


@dataclass
class Guest:
    """A connection as far as it is looked at."""

    user: str
    agent: str
    address: str
    rigs: list[Rig]
    door: Door

    def figures_of(self, rig: Rig, now: float) -> dict[str, object]:
        return {**self._head(), **rig.figures(now, self.user)}

    def no_figures(self) -> dict[str, object]:
        counts = {"hashrate_hps": 0.0, "difficulty": 0.0, "accepted": 0, "rejected": 0}
        rest = {"last_share_seconds": None, "state": RigState.CONNECTING.value}
        return {**self._head(), **counts, **rest, "quirks": [], "problems": []}

    def hps(self, now: float) -> float:
        return sum(rig.hps(now) for rig in self.rigs)

    def states(self, now: float) -> list[RigState]:
        return [rig.state(now) for rig in self.rigs]

    def _head(self) -> dict[str, object]:
        return {
            "name": self.user,
            "user": self.user,
            "agent": self.agent,
            "address": self.address,
            "payout": "",
        }


class Crowd:
    """So many rigs: of seven, one has sent nothing, one is silent, one sends rubbish, and of
    each second seven one has no seat yet.
    """

    def __init__(self, count: int) -> None:
        self.time = ManualClock(now=1000.0)
        self.guests = [self._guest(number) for number in range(count)]

    @property
    def clock(self) -> Clock:
        return self.time.clock

    def sessions(self) -> Iterator[tuple[str, Session]]:
        routes = itertools.cycle(("default", "default", "lease"))
        for route, guest in zip(routes, self.guests, strict=False):
            yield route, cast("Session", guest)

    def _guest(self, number: int) -> Guest:
        agent, kind = _AGENTS[number % len(_AGENTS)], number % 14
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}:{40_000 + number % 20_000}"
        door = Door("hall" if number % 5 else "container")
        if kind == 13:
            return Guest("", "", address, [], door)
        target, user = target_from_difficulty(256 << number % 5), f"farm.rig{number:05}"
        parts: dict[str, Any] = {"lane": b"", "slice": b"\x00\x01", "size": 4, "mask": 0}
        seat = Seat(channel=0, agent=agent, **parts)
        start = 990.0 if kind == 3 else 400.0
        rig = Rig(seat, Lease(b"\x00\x01"), rig_settings(), target, start)
        if kind % 7 != 3:
            at = 500.0 if kind % 7 == 4 else 995.0
            rig.count(_GOOD, (number % 13 + 1) * 10**15, at)
        for _ in range(30 if kind % 7 == 5 else number % 3):
            rig.count(_BAD, 10**12, 996.0)
        return Guest(user, agent, address, [rig], door)
