import itertools
import random
from collections.abc import Container
from dataclasses import dataclass, field

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.job import SourceId
from headframe.chain.share import Reason, Verdict
from headframe.chain.target import MAX_TARGET, Target
from headframe.runtime.wire import Batch
from headframe.stratum.core import Seat
from headframe.stratum.events import ShareSubmitted, Ticket
from proxy.choir import Choir
from proxy.hub import Clock, Hub, HubSettings
from proxy.jobbook import Entry
from proxy.space import Space, SpaceSettings
from tests.fakes.mining import JobMaker, ManualSource, PythonHasher
from tests.fakes.proxying import ManualClock

SEAT = Seat(channel=0, lane=b"", slice=b"\x00\x01", size=4, mask=0x1FFFE000)


@dataclass(eq=False)
class Guest:
    """Meets `proxy.hub.Guest`; keeps what it was told."""

    shown: list[Entry] = field(default_factory=list)
    settled: int = 0
    reseated: int = 0
    given_up: list[Container[SourceId]] = field(default_factory=list)
    ticks: int = 0
    why: str = ""
    is_known: bool = True
    choir: Choir | None = None
    heard: list[bytes] = field(default_factory=list)
    parted: int = 0

    def hear(self, line: bytes, batch: Batch) -> None:
        del batch
        self.heard.append(line)

    def part(self) -> None:
        self.choir = None
        self.parted += 1

    def settle(self, now: float) -> None:
        del now
        self.settled += 1

    def reseat(self, now: float) -> None:
        del now
        self.reseated += 1

    def show(self, entry: Entry, now: float, batch: Batch | None = None) -> None:
        del now, batch
        self.shown.append(entry)

    def tick(self, now: float) -> None:
        del now
        self.ticks += 1

    def give_up(self, sources: Container[SourceId]) -> None:
        self.given_up.append(sources)

    def close(self, why: str) -> None:
        self.why = why


class Stage:
    """A hub that does not run by itself, and its surroundings."""

    def __init__(
        self, settings: HubSettings | None = None, space: SpaceSettings | None = None
    ) -> None:
        self.source = ManualSource()
        self.time = ManualClock()
        self.maker = JobMaker()
        self.hub = Hub(
            self.source,
            settings or HubSettings(),
            ids=itertools.count(1),
            hasher=PythonHasher(),
            clock=self.time.clock,
            space=Space(space),
        )
        self.guest = Guest()
        self.hub.join(self.guest)

    async def show(self, **changes: object) -> Entry:
        job = self.maker.make(**changes)  # type: ignore[arg-type] # a test's own business
        self.source.publish(job)
        entry = self.hub.take(job)
        assert entry is not None
        await self.hub.show_all(entry)
        return entry

    async def after(self, seconds: float) -> None:
        self.time.now += seconds
        await self.hub.tick()


def share_of(entry: Entry, nonce: int = 0, **changes: object) -> ShareSubmitted:
    fields = {
        "channel": 0,
        "ticket": Ticket(1),
        "worker": "w",
        "job_id": entry.job.id,
        "extranonce": bytes(4),
        "ntime": entry.job.ntime,
        "nonce": nonce,
        "version": entry.job.version,
        "target": Target(MAX_TARGET),
    }
    return ShareSubmitted(**(fields | changes))  # type: ignore[arg-type] # a test's own business


async def test_silence_is_broken_by_a_refresh_for_all():
    stage = Stage(HubSettings(refresh_seconds=30))
    await stage.show()
    await stage.after(29)
    assert len(stage.guest.shown) == 1
    await stage.after(1)
    first, second = stage.guest.shown
    assert second.job.id != first.job.id
    assert second.job.ntime == first.job.ntime + 30
    assert second.upstream is first.upstream


async def test_a_new_job_is_as_good_as_a_refresh():
    stage = Stage(HubSettings(refresh_seconds=30))
    await stage.show()
    await stage.after(20)
    await stage.show(coinbase=b"2")
    await stage.after(20)
    assert len(stage.guest.shown) == 2


async def test_who_is_in_a_hurry_gets_a_refresh_alone():
    stage = Stage()
    other = Guest()
    stage.hub.join(other)
    await stage.show()
    stage.hub.hurry(other)
    await stage.after(1)
    await stage.after(1)
    assert (len(stage.guest.shown), len(other.shown)) == (1, 2)


async def test_nobody_is_in_a_hurry_without_a_job():
    stage = Stage()
    stage.hub.hurry(stage.guest)
    await stage.after(1)
    assert stage.guest.shown == []


async def test_a_job_whose_time_is_used_up_is_not_refreshed():
    stage = Stage()
    await stage.show(ntime_max=1_700_000_000)
    await stage.after(31)
    assert len(stage.guest.shown) == 1


async def test_sessions_look_at_their_clocks_every_five_ticks():
    stage = Stage()
    for _ in range(10):
        await stage.after(1)
    assert stage.guest.ticks == 2


async def test_without_work_guests_go_after_the_grace():
    stage = Stage(HubSettings(grace_seconds=10))
    await stage.after(9)
    assert stage.guest.why == ""
    await stage.after(1)
    assert stage.guest.why == "no_upstream"


async def test_a_job_ends_the_wait():
    stage = Stage(HubSettings(grace_seconds=10))
    await stage.show()
    await stage.after(100)
    assert stage.guest.why == ""
    assert not stage.hub.idle


async def test_a_job_without_room_is_a_problem_until_one_has_room():
    stage = Stage()
    assert stage.hub.take(stage.maker.make(size=1)) is None
    assert "leaves 1 extranonce bytes" in stage.hub.problem
    assert stage.hub.take(stage.maker.make(size=1)) is None
    await stage.show()
    assert stage.hub.problem == ""


async def test_a_configured_range_that_does_not_fit_the_slices_is_told():
    stage = Stage(space=SpaceSettings(slice_first=0, slice_end=1000))
    assert stage.hub.take(stage.maker.make(size=3)) is None
    assert "do not lie in" in stage.hub.problem


async def test_books_that_do_not_balance_are_counted():
    stage = Stage()
    stage.hub.ledger.total.kept = 5
    for _ in range(60):
        await stage.after(0)
    assert stage.hub.stats.ledger_faults == 1


def test_the_clock_is_the_machines_own_by_default():
    clock = Clock()
    assert clock.monotonic() <= clock.monotonic()
    assert clock.wall() > 1_600_000_000


NETWORK = 2**252
"""What nbits would mean: every few shares one is a block, as on easy chains."""


class Walk:
    """Everything that jobs and rigs can do, in any order; the queue is emptied by hand."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.source = ManualSource("a")
        self.source.verdict = None
        self.time = ManualClock()
        ids = itertools.count(1_000_000)
        self.makers = [JobMaker("a", ids), JobMaker("b", ids)]
        self.hub = Hub(
            self.source,
            HubSettings(),
            ids=itertools.count(1),
            hasher=PythonHasher(),
            clock=self.time.clock,
        )
        self.row = self.hub.ledger.worker("rig")
        self.entries: list[Entry] = []
        self.sent: list[tuple[Seat, ShareSubmitted]] = []

    def step(self) -> None:
        roll = self.chance.random()
        self.time.now += self.chance.choice([0, 1, 30])
        if roll < 0.15 or not self.entries:
            self.new_job()
        elif roll < 0.25 and self.hub.book is not None:
            entry = self.hub.book.refresh(self.time.now)
            self.entries += [] if entry is None else [entry]
        elif roll < 0.45 and self.sent:  # a share again, perhaps under another id
            seat, share = self.chance.choice(self.sent)
            entry = self.chance.choice(self.entries[-4:])
            again = msgspec.structs.replace(share, job_id=entry.job.id)
            self.hub.judge(seat, again, self.row)
        else:
            self.new_share()
        self.hub.ledger.verify()

    def new_job(self) -> None:
        maker, target = self.chance.choice(self.makers), 2 ** self.chance.choice([250, 254, 255])
        news = self.chance.choice(["tip", "connection", "place", "nothing"])
        if news == "tip":
            maker.new_block()
        elif news == "connection":
            maker.lineage.end()
        elif news == "place":
            maker.lineage.switch()
        job = maker.make(
            target=target,
            block_target=min(target, NETWORK),
            mask=self.chance.choice([0x1FFFE000, 0x6000]),
            coinbase=self.chance.choice([b"1", b"2"]),
        )
        self.source.known[job.id] = job
        entry = self.hub.take(job)
        assert entry is not None
        self.entries.append(entry)

    def new_share(self) -> None:
        entry = self.chance.choice(self.entries[-5:])
        seat = msgspec.structs.replace(SEAT, mask=self.chance.choice([0x1FFFE000, 0]))
        share = ShareSubmitted(
            channel=0,
            ticket=Ticket(1),
            worker="rig",
            job_id=entry.job.id,
            extranonce=bytes(self.chance.choice([4, 4, 4, 1])),
            ntime=entry.job.ntime + self.chance.choice([0, 0, 1, -1, 9000]),
            nonce=self.chance.randrange(40),
            version=entry.job.version | self.chance.choice([0, 0x2000, 0x100000, 1]),
            target=self.chance.choice([Target(MAX_TARGET), Target(2**254), None]),
            mask=0x1FFFE000,
        )
        self.hub.judge(seat, share, self.row)
        self.sent.append((seat, share))


@given(st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
async def test_nothing_goes_up_twice_or_too_easy_and_the_books_balance(seed: int) -> None:
    """Law 6 of the design, and the ledger's, over jobs that die, return and are shown again."""
    walk = Walk(seed)
    for _ in range(60):
        walk.step()
    proofs = walk.source.proofs()
    makers = [walk.source.known[share.job_id].source for share, _, _ in walk.source.sent]
    # Two pools may give the same work: then each gets the share, once.
    assert len(set(zip(makers, proofs, strict=True))) == len(proofs)
    for proof, (share, _, done) in zip(proofs, walk.source.sent, strict=True):
        job = walk.source.known[share.job_id]
        assert proof <= max(job.target, job.block_target)
        done(Verdict(reason=walk.chance.choice([Reason.ACCEPTED, Reason.LOST, Reason.STALE])))
    walk.hub.ledger.verify()
    assert walk.hub.ledger.total.pool.pending.shares == 0
