"""As many rigs as a page is to be tried with, without connections: for `proxy.rigview`."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from headframe.chain.share import Checked, Reason
from headframe.chain.target import target_from_difficulty
from headframe.stratum.core import Seat
from proxy.hub import Clock
from proxy.rig import Rig
from proxy.session import Session
from proxy.slices import Lease
from tests.fakes.proxying import ManualClock, rig_settings

__all__ = ["Crowd", "Guest"]

_AGENTS = ("cgminer/4.12.1", "bosminer-plus-tuner/0.9", "NerdMinerV2", "")
_GOOD = Checked(reason=Reason.ACCEPTED, proof=1, block=False)
_BAD = Checked(reason=Reason.STALE, proof=1, block=False)


@dataclass
class Door:
    """A listener's name."""

    name: str = "front"


@dataclass
class Guest:
    """A connection as far as it is looked at."""

    user: str
    agent: str
    address: str
    rigs: list[Rig]
    door: Door = field(default_factory=Door)

    def figures_of(self, rig: Rig, now: float) -> dict[str, object]:
        head = {"name": self.user, "user": self.user, "agent": self.agent, "address": self.address}
        return {**head, **rig.figures(now, self.user)}


class Crowd:
    """So many rigs: of seven, one has sent nothing, one is silent, and one sends rubbish."""

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
        agent = _AGENTS[number % len(_AGENTS)]
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}:{40_000 + number % 20_000}"
        start, target = 400.0, target_from_difficulty(256 << number % 5)
        parts: dict[str, Any] = {"lane": b"", "slice": b"\x00\x01", "size": 4, "mask": 0}
        rig = Rig(
            Seat(channel=0, agent=agent, **parts), Lease(b"\x00\x01"), rig_settings(), target, start
        )
        kind = number % 7
        if kind != 3:
            at = 500.0 if kind == 4 else 995.0
            rig.count(_GOOD, (number % 13 + 1) * 10**15, at)
        for _ in range(30 if kind == 5 else number % 3):
            rig.count(_BAD, 10**12, 996.0)
        return Guest(f"farm.rig{number:05}", agent, address, [rig])
