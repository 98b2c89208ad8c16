"""Rigs for tests of pools and proxies: our own client core on a real socket, and a bare one.

`Rig` really hashes, with hashlib, at the tiny difficulties of tests, and does what a test
tells it. `RawRig` says whatever bytes a test wants and reads line by line.
"""

import asyncio
import itertools
import json
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

from headframe.chain.job import Job, JobId, Lineage, SourceId
from headframe.chain.share import Share, Verdict, proof_of
from headframe.runtime.latest import Latest
from headframe.runtime.wire import Wire, dial
from headframe.stratum.events import ClientEvent, NewJob, PeerFault, ShareAnswered
from headframe.stratum.sv1.client import ClientConnection, ClientOptions

__all__ = ["RawRig", "Rig", "connected"]

PATIENCE_SECONDS = 20


class Rig:
    """A rig on our own client core.

    Attributes:
        jobs: the newest job that it was shown.
        events: everything it was told, in order.
        answers: verdicts by ticket.
        lost: the connection is over.
    """

    def __init__(self, user: str = "rig", **options: Any) -> None:
        self.core = ClientConnection(
            ClientOptions(user=user, **options),
            lineage=Lineage(SourceId("proxy"), itertools.count(1)),
        )
        self.wire: Wire[ClientEvent] = Wire(self.core, self._on_events, on_lost=self._on_lost)
        self.jobs: Latest[Job | None] = Latest(None)
        self.events: list[ClientEvent] = []
        self.answers: dict[int, Verdict] = {}
        self.lost = False
        self._changed = Latest(0)
        self._space: dict[JobId, Iterator[tuple[bytes, int]]] = {}

    async def connect(self, port: int, tls: ssl.SSLContext | None = None) -> Self:
        """Connect to a server on this machine."""
        await dial("127.0.0.1", port, lambda: self.wire, tls=tls)
        return self

    async def job(self, after: Job | None = None) -> Job:
        """Wait for a job, newer than another if one is given."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for job in self.jobs:
                if job is not None and job is not after:
                    return job
        raise AssertionError("the cell never ends")

    def find(self, job: Job, *, at_most: int | None = None, above: int = -1) -> Share:
        """Hash until a share's proof lies above one number and at most another.

        Args:
            job: what to hash.
            at_most: the job's target if not given.
            above: a lower bound, to find a share that is not good enough.
        """
        limit = job.target if at_most is None else at_most
        space = self._space.setdefault(job.id, _space(job.extranonce_size))
        for extranonce, nonce in space:
            share = Share(
                job_id=job.id,
                extranonce=extranonce,
                ntime=job.ntime,
                nonce=nonce,
                version=job.version,
            )
            if above < proof_of(job, share) <= limit:
                return share
        raise AssertionError("nothing found")

    def submit(self, share: Share, worker: str | None = None) -> int:
        """Send a share; returns its ticket."""
        ticket = self.core.submit(share, worker)
        self.wire.flush()
        return ticket

    async def verdict(self, ticket: int) -> Verdict:
        """Wait for the answer to a share."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for _ in self._changed:
                if ticket in self.answers:
                    return self.answers[ticket]
        raise AssertionError("the cell never ends")

    async def say(self, share: Share) -> Verdict:
        """Send a share and wait for the answer."""
        return await self.verdict(self.submit(share))

    async def closed(self) -> None:
        """Wait until the connection is over."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.wire.wait_closed()

    def _on_events(self, events: Sequence[ClientEvent]) -> None:
        self.events += events
        for event in events:
            match event:
                case NewJob(job=job):
                    self.jobs.set(job)
                case ShareAnswered(ticket=ticket, verdict=verdict):
                    self.answers[ticket] = verdict
                case PeerFault(fatal=True):
                    self.wire.close()
                case _:
                    pass
        self._changed.set(len(self.events))

    def _on_lost(self, reason: Exception | None) -> None:
        del reason
        self.lost = True
        self._changed.set(-1)


def _space(size: int) -> Iterator[tuple[bytes, int]]:
    for number in itertools.count():
        yield (number >> 16).to_bytes(size, "little"), number & 0xFFFF


@asynccontextmanager
async def connected(port: int, *users: str, **options: Any) -> AsyncIterator[list[Rig]]:
    """Connect a rig for each user, and hang up at the end."""
    rigs: list[Rig] = []
    try:
        for user in users:
            rig = Rig(user, **options)
            rigs.append(rig)
            await rig.connect(port)
        yield rigs
    finally:
        for rig in rigs:
            rig.wire.abort()


class RawRig:
    """A bare socket that speaks in lines, or in whatever a test wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    @asynccontextmanager
    async def to(cls, port: int) -> AsyncIterator[Self]:
        """Connect to a server on this machine, and hang up at the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()

    def send(self, request_id: object, method: str, *params: object) -> None:
        """Send a request."""
        self.raw(json.dumps({"id": request_id, "method": method, "params": params}).encode())

    def raw(self, line: bytes) -> None:
        """Send a line as it is."""
        self.writer.write(line + b"\n")

    async def line(self) -> dict[str, Any]:
        """Read a line; {} at the end of the stream, however it came."""
        line = b""
        with suppress(ConnectionResetError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                line = await self.reader.readline()
        answer: dict[str, Any] = json.loads(line) if line else {}
        return answer

    async def answer(self, request_id: object) -> dict[str, Any]:
        """Read up to the answer to a request; passes over what else is said."""
        while line := await self.line():
            if "method" not in line and line["id"] == request_id:
                return line
        return {}

    async def until(self, method: str) -> list[Any]:
        """Read up to a notification; returns its parameters."""
        while line := await self.line():
            if line.get("method") == method:
                params: list[Any] = line["params"]
                return params
        raise AssertionError(f"the connection ended before {method}")

    async def join(self, user: str = "raw") -> list[Any]:
        """Subscribe and authorise; returns the parameters of the first job."""
        self.send(1, "mining.subscribe", "raw/1")
        self.send(2, "mining.authorize", user, "x")
        return await self.until("mining.notify")
