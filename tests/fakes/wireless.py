"""A rig's session without a socket: lines go in, and what would be sent comes out."""

import contextlib
import itertools
from dataclasses import dataclass, field
from typing import Any

import native
from headframe.chain.job import Job
from headframe.stratum.core import ServerCore
from proxy.hub import Hub, HubSettings
from proxy.jobbook import Entry
from proxy.rig import Rig, RigSettings
from proxy.routes import Decision, Visitor
from proxy.seating import Place
from proxy.session import Session
from tests.fakes.mining import JobMaker, ManualSource
from tests.fakes.proxying import HARD, ManualClock, rig_settings

__all__ = ["OpenDoor", "Transport", "WirelessRig"]


class OpenDoor:
    """Lets everybody in, to where they are."""

    name = "front"

    def __init__(self, settings: RigSettings) -> None:
        self.settings = settings

    def admit(self, address: str) -> str:
        return ""

    def release(self, address: str, *, faulty: bool) -> None:
        """Nobody counts."""

    def is_news(self, address: str) -> bool:
        return False

    def seat(self, current: Hub) -> Place:
        return Place(current, self.settings)

    def place(self, visitor: Visitor, current: Hub, *, counts: bool) -> Place | Decision:
        return Place(current, self.settings)


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("192.0.2.1", 4711) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing ever waits."""

    def get_write_buffer_size(self) -> int:
        return 0


@dataclass
class WirelessRig:
    """A hub with one session on it.

    Attributes:
        core: speaks with the rig.
        hub_settings: of the hub.
        rigs: of the session.
    """

    core: ServerCore
    hub_settings: HubSettings = field(default_factory=HubSettings)
    rigs: RigSettings = field(default_factory=rig_settings)
    time: ManualClock = field(default_factory=ManualClock)
    source: ManualSource = field(default_factory=ManualSource)
    maker: JobMaker = field(default_factory=JobMaker)
    transport: Transport = field(default_factory=Transport)

    def __post_init__(self) -> None:
        self.hub = Hub(
            self.source,
            self.hub_settings,
            ids=itertools.count(1),
            hasher=native,
            clock=self.time.clock,
        )
        self.session = Session(self.hub, self.rigs, self.core, OpenDoor(self.rigs))
        self.session.wire.connection_made(self.transport)  # type: ignore[arg-type] # as much as it needs

    def publish(self, **changes: Any) -> Job:
        """Let the hub have a new job, and the rig be shown it."""
        job = self.maker.make(**({"target": HARD} | changes))
        self.source.publish(job)
        entry = self.hub.take(job)
        assert entry is not None
        self.show_all(entry)
        return job

    def show_all(self, entry: Entry) -> None:
        """Let the hub show an entry to all of its rigs."""
        with contextlib.suppress(StopIteration):  # for so few it waits for nothing
            self.hub.show_all(entry).send(None)

    def hear(self, data: bytes) -> None:
        """Let bytes of the rig arrive."""
        self.session.wire.data_received(data)

    def join(self, *names: str) -> None:
        """Subscribe and authorise."""
        self.hear(b'{"id":"s","method":"mining.subscribe","params":["wireless"]}\n')
        for name in names:
            self.hear(
                b'{"id":"a","method":"mining.authorize","params":["%b",""]}\n' % name.encode()
            )

    def take_sent(self) -> bytes:
        """Return what was sent, and forget it."""
        data = b"".join(self.transport.sent)
        self.transport.sent.clear()
        return data

    @property
    def resting(self) -> int:
        """Slices that nobody has, and that jobs still know."""
        slices = self.hub.slices
        return 0 if slices is None else slices.quarantined

    @property
    def rig(self) -> Rig:
        """The one that has a seat."""
        [rig] = self.session.rigs
        return rig
