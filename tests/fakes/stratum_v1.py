"""Parts for tests of Stratum V1: jobs to order, a pair of cores, recorded sessions."""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st

from headframe.chain.job import BIP320_MASK, Job, JobId, Lineage, SourceId, SplitCoinbase
from headframe.chain.target import DIFFICULTY_1, Target
from headframe.stratum.core import Seat
from headframe.stratum.events import (
    AuthorizeAsked,
    ClientEvent,
    Joined,
    NewJob,
    ServerEvent,
    ShareAnswered,
    ShareSubmitted,
)
from headframe.stratum.sv1.client import ClientConnection, ClientOptions
from headframe.stratum.sv1.server import ServerConnection

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
NBITS = 0x207FFFFF
NTIME = 1_700_000_000
USER = "account.rig"

cuts = st.lists(st.integers(min_value=1, max_value=400), min_size=1, max_size=8)
"""Lengths to cut a stream in, used round and round."""


def cut(data: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    """Cut bytes into pieces of these sizes, again and again."""
    at = 0
    for size in itertools.cycle(sizes):
        if at >= len(data):
            return
        yield data[at : at + size]
        at += size


def new_lineage(first: int = 1000) -> Lineage:
    return Lineage(source=SourceId("pool"), ids=itertools.count(first))


def seat_of(
    *,
    lane: bytes = b"\xa1",
    slice_: bytes = b"\xb1\xb2\xb3",
    size: int = 4,
    mask: int = BIP320_MASK,
) -> Seat:
    return Seat(channel=0, lane=lane, slice=slice_, size=size, mask=mask)


def job_of(
    number: int = 17,
    *,
    size: int = 8,
    version_mask: int = BIP320_MASK,
    prev_hash: bytes = bytes(range(32)),
    target: Target = DIFFICULTY_1,
    path: tuple[bytes, ...] = (b"\x07" * 32, bytes(range(100, 132))),
) -> Job:
    return Job(
        id=JobId(number),
        source=SourceId("node"),
        version=0x20000000,
        version_mask=version_mask,
        prev_hash=prev_hash,
        nbits=NBITS,
        ntime=NTIME,
        ntime_min=NTIME,
        ntime_max=NTIME + 7000,
        commitment=SplitCoinbase(
            prefix=b"prefix %d " % number, suffix=b"suffix", path=path, extranonce_size=size
        ),
        target=target,
        block_target=target,
        epoch=1,
        generation=1,
    )


@dataclass
class Pair:
    """A client core and a server core, wired back to back.

    The server's side is run by `act`, which seats and authorises whoever asks, unless
    the test gives another.
    """

    client: ClientConnection = field(
        default_factory=lambda: ClientConnection(ClientOptions(user=USER), lineage=new_lineage())
    )
    server: ServerConnection = field(default_factory=ServerConnection)
    seat: Seat = field(default_factory=seat_of)
    act: Callable[["Pair", ServerEvent], None] | None = None
    client_events: list[ClientEvent] = field(default_factory=list)
    server_events: list[ServerEvent] = field(default_factory=list)
    to_client: bytearray = field(default_factory=bytearray)
    to_server: bytearray = field(default_factory=bytearray)

    def run(self, sizes: Sequence[int] = (1 << 20,)) -> None:
        """Carry bytes both ways, cut in these sizes, until both sides are silent."""
        while True:
            up, down = self.client.data_to_send(), self.server.data_to_send()
            if not up and not down:
                return
            self.to_server += up
            self.to_client += down
            for piece in cut(up, sizes):
                self._serve(self.server.receive_data(piece))
            for piece in cut(down, sizes):
                self.client_events.extend(self.client.receive_data(piece))

    def _serve(self, events: Sequence[ServerEvent]) -> None:
        self.server_events.extend(events)
        for event in events:
            if self.act is not None:
                self.act(self, event)
            elif isinstance(event, Joined):
                self.server.seat(event.ticket, self.seat)
            elif isinstance(event, AuthorizeAsked):
                self.server.authorize(event.ticket, ok=True)

    @property
    def jobs(self) -> list[Job]:
        """What the client was told to work on."""
        return [event.job for event in self.client_events if isinstance(event, NewJob)]

    @property
    def answers(self) -> list[ShareAnswered]:
        return [event for event in self.client_events if isinstance(event, ShareAnswered)]

    @property
    def shares(self) -> list[ShareSubmitted]:
        return [event for event in self.server_events if isinstance(event, ShareSubmitted)]


def started(**parts: object) -> Pair:
    """Make a pair that has shaken hands."""
    pair = Pair(**parts)  # type: ignore[arg-type]
    pair.run()
    return pair


@dataclass(frozen=True)
class Recorded:
    """A line of a recorded session."""

    from_client: bool
    data: bytes


def transcript(name: str) -> dict[int, list[Recorded]]:
    """Read a recorded session: its lines, in order, by connection."""
    connections: dict[int, list[Recorded]] = {}
    for text in (TRANSCRIPTS / name).read_text().splitlines():
        entry = json.loads(text)
        if entry.get("d") in {"c>s", "s>c"}:
            data = (entry["l"] + entry["e"]).encode("latin-1")
            line = Recorded(from_client=entry["d"] == "c>s", data=data)
            connections.setdefault(entry["c"], []).append(line)
    return connections


TRANSCRIPT_NAMES = sorted(path.name for path in TRANSCRIPTS.glob("*.jsonl"))
