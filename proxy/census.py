"""What all connected rigs do, counted for the metrics in one walk over them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from proxy.rig import RigState
from proxy.session import Session
from proxy.stats import RIG_STATES
from proxy.workers import WorkerNow

__all__ = ["Census"]

_STEP: Final = 250
"""Connections that are looked at before others get a turn: about a millisecond of work."""


class _Rigs(Protocol):
    """Where rigs are: a `Routing`."""

    def sessions(self) -> Iterator[tuple[str, Session]]:
        """Yield all connections, each with the name of its route."""


class Census:
    """Counts the rigs, by state and by worker.

    Args:
        routing: where they are.

    Attributes:
        workers: what the rigs of each worker do, as of the last count.
        hps_by_route: the hashrate of each route that has rigs.
        by_state: how many rigs there are of each state; one without a seat is connecting.
        stopped_rolling: rigs that rolled the version once, and do so no more.
    """

    def __init__(self, routing: _Rigs) -> None:
        self._routing = routing
        self.workers: Mapping[str, WorkerNow] = {}
        self.hps_by_route: Mapping[str, float] = {}
        self.by_state: dict[str, int] = dict.fromkeys(RIG_STATES, 0)
        self.stopped_rolling = 0

    def steps(self, now: float) -> Iterator[None]:
        """Count, and give others a turn wherever this yields.

        Args:
            now: monotonic seconds.
        """
        workers: dict[str, WorkerNow] = {}
        rates: dict[str, float] = {}
        states: Counter[str] = Counter()
        stopped = 0
        sessions = tuple(self._routing.sessions())  # some may leave while others have a turn
        for count, (route, session) in enumerate(sessions, start=1):
            each, hps = session.states(now), session.hps(now)
            states.update(each or (RigState.CONNECTING,))
            rates[route] = rates.get(route, 0.0) + hps
            stopped += sum(rig.stopped_rolling for rig in session.rigs)
            here = WorkerNow(hps=hps, rigs=len(each), hashing=each.count(RigState.HASHING))
            known = workers.get(session.user)
            workers[session.user] = here if known is None else known + here
            if count % _STEP == 0:
                yield
        self.workers, self.hps_by_route, self.stopped_rolling = workers, rates, stopped
        self.by_state = {state: states[RigState(state)] for state in RIG_STATES}
