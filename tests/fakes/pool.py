"""A pool on loopback that a test holds in its hands, made of our own server core.

It gives every rig the same extranonce, shows jobs when it is told to, judges shares with
the oracle (`chain.share.check`), and keeps a list of what it was asked. It can be told to
refuse, to withhold answers, to be mute, to say any bytes at any moment, to distort what
it says, to drop its rigs, to go away and to come back on the same port.
`tests/fakes/personalities.py` makes characters of it.
"""

import asyncio
import itertools
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from headframe.chain.coinbase import Output, build
from headframe.chain.hashes import sha256d
from headframe.chain.job import BIP320_MASK, Job, JobId, Lineage, Slice, SourceId, SplitCoinbase
from headframe.chain.share import Reason, Share, Verdict, check
from headframe.chain.target import MAX_TARGET, Target
from headframe.runtime.latest import Latest
from headframe.runtime.wire import Wire, listen
from headframe.stratum.core import Seat
from headframe.stratum.events import (
    AuthorizeAsked,
    Joined,
    ServerEvent,
    ShareSubmitted,
    TargetWished,
    Ticket,
)
from headframe.stratum.sv1.server import ServerConnection

__all__ = ["FakePool", "Heard"]

NOW = 1_700_000_000
"""The pool's time, in seconds since 1970."""
REGTEST_BITS = 0x207FFFFF


@dataclass(frozen=True, kw_only=True)
class Heard:
    """A share that the pool received, and what it said.

    Attributes:
        worker: the name it came under.
        share: with the whole extranonce behind coinb1.
        verdict: the pool's; `None` when it was withheld.
        truth: what the rules say, whatever the verdict was.
    """

    worker: str
    share: Share
    verdict: Verdict | None
    truth: Reason


class _Core:
    """Our server core, with a way to say anything, or nothing, and to distort both ways."""

    def __init__(self, mask: int) -> None:
        self.inner = ServerConnection(mask=mask)
        self.mute = False
        self.twist_in: Callable[[bytes], bytes] = lambda data: data
        self.twist_out: Callable[[bytes], bytes] = lambda data: data
        self._out = b""

    def inject(self, data: bytes) -> None:
        """Say this after what was said so far, and before what comes."""
        self._out += self.inner.data_to_send() + data

    def receive_data(self, data: bytes) -> Sequence[ServerEvent]:
        return self.inner.receive_data(self.twist_in(data))

    def receive_eof(self) -> Sequence[ServerEvent]:
        return self.inner.receive_eof()

    def data_to_send(self) -> bytes:
        self.inject(b"")
        data, self._out = self._out, b""
        return b"" if self.mute else self.twist_out(data)


@dataclass(eq=False)
class _Rig:
    core: _Core
    wire: Wire[ServerEvent]
    seated: bool = False
    let_in: bool = False
    withheld: list[Ticket] = field(default_factory=list)


class FakePool:
    """A pool for any number of rigs; an asynchronous context manager.

    Args:
        extranonce1: what rigs get, in hex on the wire.
        size: extranonce2 bytes.
        mask: version bits the pool grants.
        tls: the server's context, for a pool over TLS.

    Attributes:
        port: where it listens, kept over `go_away` and `come_back`.
        users: (user, password) of each authorize, in order.
        agents: what rigs call themselves.
        sessions: what rigs want to resume, "" for nothing.
        heard: every share.
        connections: connections made so far.
        wished: the target that a rig suggested last.
        lets_in: whether a user is authorised.
        judge: makes the verdict of a share, given what the rules say; `None` withholds it.
        mute: say nothing at all from now on, to new rigs too.
        moment: called at each step of a rig's handshake ("made", "joined", "seated",
            "asked", "let in", "shown"); what it returns is said just then.
        twist_in: distorts what new rigs say, as it comes.
        twist_out: distorts what is said to new rigs, as it leaves.
    """

    def __init__(
        self,
        *,
        extranonce1: bytes = b"\xaa\xbb\xcc\xdd",
        size: int = 4,
        mask: int = BIP320_MASK,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.extranonce1 = extranonce1
        self.size = size
        self.mask = mask
        self.port = 0
        self.users: list[tuple[str, str]] = []
        self.agents: list[str] = []
        self.sessions: list[str] = []
        self.heard: Latest[tuple[Heard, ...]] = Latest(())
        self.connections: Latest[int] = Latest(0)
        self.wished: Latest[Target | None] = Latest(None)
        self.lets_in: Callable[[str], bool] = lambda user: True
        self.judge: Callable[[Verdict], Verdict | None] = lambda verdict: verdict
        self.mute = False
        self.moment: Callable[[str], bytes] = lambda name: b""
        self.twist_in: Callable[[bytes], bytes] = lambda data: data
        self.twist_out: Callable[[bytes], bytes] = lambda data: data
        self._tls = tls
        self._rigs: list[_Rig] = []
        self._lineage = Lineage(SourceId("pool"), itertools.count(1))
        self._jobs: dict[JobId, tuple[Job, bytes]] = {}  # with its extranonce1
        self._tip = 0
        self._newest: tuple[Job, Target] | None = None
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.come_back()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.go_away()

    # what a test tells it to do

    async def come_back(self) -> None:
        """Listen, on the same port as before."""
        self._server = await listen("127.0.0.1", self.port, self._make_wire, tls=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def go_away(self) -> None:
        """Stop listening and cut all rigs off."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        await self.drop()

    async def drop(self) -> None:
        """Cut all rigs off; they may come back."""
        rigs, self._rigs = self._rigs, []
        for rig in rigs:
            rig.wire.abort()
        for rig in rigs:
            if rig.wire.peer:  # else its TLS handshake never ended
                await rig.wire.wait_closed()

    def new_block(self, **changes: Any) -> Job:
        """Show a clean job on a new tip; `changes` as for `new_job`."""
        self._tip += 1
        return self.new_job(clean=True, **changes)

    def new_job(self, *, clean: bool = False, target: Target = MAX_TARGET, **changes: Any) -> Job:
        """Show a job to all rigs, and to each that comes.

        Args:
            clean: the rigs must drop earlier work.
            target: what shares must meet.
            changes: of any other field of the job, such as `nbits`.
        """
        job = replace(self._plain_job(target), **changes)
        self._jobs[job.id] = (job, self.extranonce1)
        self._newest = (job, target)
        for rig in self._rigs:
            self._show(rig, clean=clean)
        return job

    def move_rigs(self, extranonce1: bytes) -> None:
        """Give all rigs another extranonce1, from the next job on."""
        self.extranonce1 = extranonce1
        for rig in self._rigs:
            if not rig.core.inner.reseat(self._seat()):
                raise AssertionError("the rig has not asked for extranonce changes (yet)")

    @property
    def can_move(self) -> bool:
        """Whether there are rigs, and all of them have asked for changes of their extranonce1."""
        return bool(self._rigs) and all(
            rig.core.inner.takes_extranonce_changes for rig in self._rigs
        )

    def say(self, line: bytes) -> None:
        """Send these bytes to all rigs, whatever they are."""
        for rig in self._rigs:
            rig.core.inject(line)
            rig.wire.flush()

    def answer_withheld(self, verdict: Verdict) -> int:
        """Answer all shares that were withheld; tell how many."""
        count = 0
        for rig in self._rigs:
            for ticket in rig.withheld:
                rig.core.inner.reply(ticket, verdict)
                count += 1
            rig.withheld.clear()
            rig.wire.flush()
        return count

    def fall_silent(self) -> None:
        """Say nothing more to the rigs there are, though their connections stay."""
        for rig in self._rigs:
            rig.core.mute = True

    @property
    def wrong(self) -> list[Heard]:
        """The shares that should not have been sent."""
        return [each for each in self.heard.get() if each.truth is not Reason.ACCEPTED]

    async def wait_heard(self, count: int) -> tuple[Heard, ...]:
        """Wait until so many shares came."""
        while len(self.heard.get()) < count:
            await self.heard.wait_newer(self.heard.serial)
        return self.heard.get()

    async def wait_wish(self) -> Target:
        """Wait until a rig has suggested a target."""
        while (target := self.wished.get()) is None:
            await self.wished.wait_newer(self.wished.serial)
        return target

    async def wait_connections(self, count: int) -> None:
        """Wait until so many connections were made."""
        while self.connections.get() < count:
            await self.connections.wait_newer(self.connections.serial)

    # inside

    def _plain_job(self, target: Target) -> Job:
        coinbase = build(
            height=100 + self._tip,
            outputs=[Output(value=5_000_000_000, script=b"\x51")],
            extranonce_size=len(self.extranonce1) + self.size,
            tag=b"/fake pool/",
        )
        job_id = self._lineage.next_id()
        return Job(
            id=job_id,
            source=self._lineage.source,
            version=0x20000000,
            version_mask=self.mask,
            prev_hash=sha256d(b"tip %d" % self._tip),
            nbits=REGTEST_BITS,
            ntime=NOW + int(job_id),
            ntime_min=NOW,
            ntime_max=NOW + 7000,
            commitment=SplitCoinbase(
                prefix=coinbase.prefix,
                suffix=coinbase.suffix,
                path=(sha256d(b"other"),),
                extranonce_size=len(self.extranonce1) + self.size,
            ),
            target=target,
            block_target=Target(0),
            epoch=0,
            generation=self._tip,
        )

    def _seat(self) -> Seat:
        return Seat(channel=0, lane=b"", slice=self.extranonce1, size=self.size, mask=self.mask)

    def _make_wire(self) -> Wire[ServerEvent]:
        core = _Core(self.mask)
        core.mute = self.mute
        core.twist_in, core.twist_out = self.twist_in, self.twist_out
        core.inject(self.moment("made"))
        rig: _Rig

        def on_events(events: Sequence[ServerEvent]) -> None:
            for event in events:
                self._on_event(rig, event)

        def on_made() -> None:
            self.connections.set(self.connections.get() + 1)

        wire: Wire[ServerEvent] = Wire(core, on_events, on_lost=lambda error: None, on_made=on_made)
        rig = _Rig(core, wire)
        self._rigs.append(rig)
        return wire

    def _on_event(self, rig: _Rig, event: ServerEvent) -> None:
        match event:
            case Joined():
                self.agents.append(event.agent)
                self.sessions.append(event.session)
                rig.core.inject(self.moment("joined"))
                rig.core.inner.seat(event.ticket, self._seat())
                rig.core.inject(self.moment("seated"))
                rig.seated = True
            case AuthorizeAsked():
                self.users.append((event.user, event.password))
                ok = self.lets_in(event.user)
                rig.core.inject(self.moment("asked"))
                rig.core.inner.authorize(event.ticket, ok=ok)
                if ok and not rig.let_in:
                    rig.let_in = True
                    rig.core.inject(self.moment("let in"))
                    self._renew()
                    self._show(rig, clean=True)
                    rig.core.inject(self.moment("shown"))
            case ShareSubmitted():
                self._on_share(rig, event)
            case TargetWished():
                self.wished.set(event.target)
            case _:
                pass

    def _show(self, rig: _Rig, *, clean: bool) -> None:
        if rig.seated and self._newest is not None:
            job, target = self._newest
            rig.core.inner.offer(0, job, target, clean=clean)
            rig.wire.flush()

    def _renew(self) -> None:
        """Let the newest job have the terms of now, under a new id, if they changed."""
        if self._newest is None:
            return
        job, target = self._newest
        if (job.version_mask, self._jobs[job.id][1]) != (self.mask, self.extranonce1):
            renewed = replace(job, id=self._lineage.next_id(), version_mask=self.mask)
            self._jobs[renewed.id] = (renewed, self.extranonce1)
            self._newest = (renewed, target)

    def _on_share(self, rig: _Rig, event: ShareSubmitted) -> None:
        job, extranonce1 = self._jobs.get(event.job_id, (None, self.extranonce1))
        share = Share(
            job_id=event.job_id,
            extranonce=event.extranonce,
            ntime=event.ntime,
            nonce=event.nonce,
            version=event.version,
        ).widen(Slice(prefix=extranonce1), job_id=event.job_id)
        if event.refused is not None:
            reason = event.refused
        elif job is None or event.target is None:
            reason = Reason.UNKNOWN_JOB
        elif job.generation != self._tip:
            reason = Reason.STALE
        elif (share.version ^ job.version) & ~self.mask:
            reason = Reason.BAD_VERSION
        else:
            reason = check(job, share, target=event.target, now=job.ntime).reason
        verdict = self.judge(Verdict(reason=reason))
        if verdict is None:
            rig.withheld.append(event.ticket)
        else:
            rig.core.inner.reply(event.ticket, verdict)
        heard = Heard(worker=event.worker, share=share, verdict=verdict, truth=reason)
        self.heard.set((*self.heard.get(), heard))
