"""Characters for `FakePool`, and a miner that keeps count of what becomes of its shares.

A personality is what a pool does that no pool should, and what must come of it: which
pool is worked for in the end, how many shares are lost, refused, or sent wrongly.
"""

import asyncio
import itertools
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from headframe.chain.job import Job
from headframe.chain.share import Reason, Share, Verdict, proof_of
from headframe.chain.target import MAX_TARGET, Target
from headframe.runtime.latest import Latest
from headframe.upstream.base import JobSource
from headframe.upstream.watch import Limits
from tests.fakes.pool import FakePool

__all__ = ["HARD", "PERSONALITIES", "Bench", "Hasher", "Personality"]

PATIENCE_SECONDS = 20


class Hasher:
    """Sends a share for each job that it sees, with rolled versions, and counts the answers.

    Attributes:
        made: shares given to the source.
        verdicts: how many came back with which reason; set anew with each.
    """

    def __init__(self, source: JobSource) -> None:
        self.source = source
        self.made = 0
        self.verdicts: Latest[Counter[Reason]] = Latest(Counter())
        self._numbers = itertools.count(1)

    async def follow(self) -> None:
        """Answer each job, until cancelled."""
        async for job in self.source.jobs:
            if job is not None:
                self.answer(job)

    def answer(self, job: Job) -> None:
        """Find a share for a job, new each time, and submit it."""
        for number in self._numbers:
            share = Share(
                job_id=job.id,
                extranonce=number.to_bytes(job.extranonce_size, "big"),
                ntime=job.ntime,
                nonce=number,
                version=job.version | (job.version_mask if number % 2 else 0),
            )
            if proof_of(job, share) <= job.target:
                break
        self.made += 1
        self.source.submit(share, None, self._done)

    def _done(self, verdict: Verdict) -> None:
        self.verdicts.set(self.verdicts.get() + Counter([verdict.reason]))

    @property
    def open(self) -> int:
        """Shares that were not answered yet."""
        return self.made - self.verdicts.get().total()

    async def wait(self, reason: Reason, count: int) -> None:
        """Wait until so many shares came to this end."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.verdicts.get()[reason] < count:
                await self.verdicts.wait_newer(self.verdicts.serial)

    async def wait_all(self) -> None:
        """Wait until each share has its answer."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.open:
                await self.verdicts.wait_newer(self.verdicts.serial)


@dataclass(frozen=True)
class Bench:
    """What a personality plays on: two pools, the source over both, and a miner."""

    main: FakePool
    backup: FakePool
    source: JobSource
    hasher: Hasher

    async def job_from(self, name: str, after: Job | None = None) -> Job:
        """Wait for a job of that pool, newer than the given one."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for job in self.source.jobs:
                known = None if after is None else after.id
                if job is not None and job.source == name and job.id != known:
                    return job
        raise AssertionError("unreachable: the cell never ends")

    async def settled(self) -> Job:
        """Wait until the first share on the main pool was accepted; return its job."""
        job = await self.job_from("main")
        await self.hasher.wait(Reason.ACCEPTED, 1)
        return job


async def _nothing(_bench: Bench) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Personality:
    """What a pool does, and what must come of it.

    Attributes:
        about: what it does.
        arrange: makes the pool so, before anybody connects.
        play: what happens then.
        limits: the miner's patience with it.
        ends_on: the pool that is worked for in the end.
        lost: shares without a verdict.
        refused: shares that the pool refused.
        kept: shares that were kept back, since they could no longer be said.
        wrong: shares that should not have been sent.
        at_most: these counts are limits, since shares may be under way.
    """

    about: str
    arrange: Callable[[FakePool], None] = field(default=lambda pool: None)
    play: Callable[[Bench], Awaitable[None]] = _nothing
    limits: Limits = field(default_factory=Limits)
    ends_on: str = "backup"
    lost: int = 0
    refused: int = 0
    kept: int = 0
    wrong: int = 0
    at_most: bool = False


def _mute(pool: FakePool) -> None:
    pool.mute = True


async def _goes_mute(bench: Bench) -> None:
    job = await bench.settled()
    bench.main.fall_silent()
    bench.hasher.answer(job)


async def _owes_answers(bench: Bench) -> None:
    bench.main.judge = lambda verdict: None
    await bench.job_from("main")
    await bench.main.wait_heard(1)


async def _is_slow(bench: Bench) -> None:
    bench.main.judge = lambda verdict: None
    job = await bench.job_from("main")
    await bench.main.wait_heard(1)
    for count in (2, 3):
        bench.main.new_job()
        job = await bench.job_from("main", job)
        await bench.main.wait_heard(count)
    bench.main.judge = lambda verdict: verdict
    assert bench.main.answer_withheld(Verdict(reason=Reason.ACCEPTED)) == 3


async def _gives_no_jobs(bench: Bench) -> None:
    await bench.settled()
    for _ in range(60):  # it is alive, but that does not help
        bench.main.say(b'{"id":null,"method":"client.show_message","params":["hello"]}\n')
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.sleep(0.01)


async def _asks_for_less_than_it_takes(bench: Bench) -> None:
    bench.main.judge = lambda verdict: Verdict(reason=Reason.LOW_DIFFICULTY)
    job = await bench.job_from("main")
    for count in range(1, 5):
        await bench.hasher.wait(Reason.LOW_DIFFICULTY, count)
        bench.hasher.answer(job)


async def _floods_with_jobs(bench: Bench, count: int = 200) -> None:
    await bench.settled()
    for _ in range(count):
        last = bench.main.new_job()
    job = await bench.job_from("main")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while job.ntime != last.ntime:
            job = await bench.job_from("main", job)


async def _forgets_its_own_jobs(bench: Bench) -> None:
    await _floods_with_jobs(bench, 2000)


async def _storms_with_clean_jobs(bench: Bench) -> None:
    await bench.settled()
    for _ in range(300):
        last = bench.main.new_block()
    job = await bench.job_from("main")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while job.prev_hash != last.prev_hash:
            job = await bench.job_from("main", job)


async def _floods_with_rubbish(bench: Bench) -> None:
    await bench.settled()
    bench.main.say(b'{"id":null,"method":"mining.notify","params":[1,2,3]}\n' * 100)


async def _says_a_line_without_end(bench: Bench) -> None:
    await bench.settled()
    bench.main.say(b"x" * (3 << 19))


async def _resets_mid_line(bench: Bench) -> None:
    job = await bench.settled()
    bench.main.judge = lambda verdict: None
    bench.hasher.answer(job)
    await bench.main.wait_heard(2)
    bench.main.judge = lambda verdict: verdict
    bench.main.say(b'{"id":null,"method":"mining.notify","params":["77","00')
    await bench.main.drop()


async def _comes_and_goes(bench: Bench) -> None:
    await bench.settled()
    for connections in (2, 3):
        await bench.main.drop()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await bench.main.wait_connections(connections)


def _one_name_for_all(pool: FakePool) -> None:
    """Let every job be called "same" on the wire; in a share it means the newest."""
    newest = b""

    def out(data: bytes) -> bytes:
        nonlocal newest
        for found in re.findall(rb'"mining.notify","params":\["([0-9a-f]+)"', data):
            newest = found
        return re.sub(rb'("mining.notify","params":\[)"[0-9a-f]+"', rb'\1"same"', data)

    pool.twist_out = out
    pool.twist_in = lambda data: data.replace(b'"same"', b'"' + newest + b'"')


async def _uses_a_name_again(bench: Bench) -> None:
    old = await bench.settled()
    bench.main.new_job()
    await bench.job_from("main", old)
    bench.hasher.answer(old)  # what was "same" when this was found is no longer
    await bench.hasher.wait(Reason.STALE, 1)


def _reconnect(host: str, port: int) -> bytes:
    return b'{"id":null,"method":"client.reconnect","params":["%s",%d,0]}\n' % (
        host.encode(),
        port,
    )


async def _redirects_to_strangers(bench: Bench) -> None:
    job = await bench.settled()
    bench.main.say(_reconnect("evil.test", 1) * 5)
    bench.main.new_job()
    await bench.job_from("main", job)


async def _redirects_to_itself(bench: Bench) -> None:
    await bench.settled()
    bench.main.say(_reconnect("127.0.0.1", bench.main.port))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await bench.main.wait_connections(2)


def _redirects_always(pool: FakePool) -> None:
    pool.moment = lambda name: _reconnect("", 0) if name == "shown" else b""


async def _takes_the_mask_away(bench: Bench) -> None:
    old = await bench.settled()
    bench.main.mask = 0
    bench.main.say(b'{"id":null,"method":"mining.set_version_mask","params":["00000000"]}\n')
    new = await bench.job_from("main", old)
    assert new.version_mask == 0
    made = bench.hasher.made
    bench.hasher.answer(old)
    bench.hasher.answer(old)  # one of the two has rolled bits that can no longer be said
    assert bench.hasher.made == made + 2


_SHORT = Limits(handshake_seconds=0.4, silence_seconds=0.4, answer_seconds=0.4)
_FUSSY = Limits(rejects=5, rejects_seconds=0)

PERSONALITIES = {
    "mute": Personality(about="says nothing at all", arrange=_mute, limits=_SHORT),
    "half-open": Personality(
        about="stops talking, keeps the connection",
        play=_goes_mute,
        limits=Limits(silence_seconds=0.4),
        lost=1,
    ),
    "indebted": Personality(
        about="never answers a share",
        play=_owes_answers,
        limits=Limits(answer_seconds=0.4),
        lost=1,
    ),
    "slow": Personality(about="answers late, but answers", play=_is_slow, ends_on="main"),
    "jobless": Personality(
        about="talks, but sends no jobs", play=_gives_no_jobs, limits=Limits(job_seconds=0.3)
    ),
    "liar": Personality(
        about="takes only what is harder than it asked for",
        play=_asks_for_less_than_it_takes,
        limits=_FUSSY,
        refused=5,
    ),
    "flood": Personality(about="sends 200 jobs", play=_floods_with_jobs, ends_on="main"),
    "deluge": Personality(
        about="sends more jobs than either side remembers",
        play=_forgets_its_own_jobs,
        ends_on="main",
        kept=10,
        refused=10,
        wrong=10,
        at_most=True,
    ),
    "storm": Personality(
        about="sends 300 clean jobs",
        play=_storms_with_clean_jobs,
        ends_on="main",
        kept=5,
        refused=5,
        wrong=5,
        at_most=True,
    ),
    "rubbish": Personality(about="sends broken lines", play=_floods_with_rubbish),
    "endless": Personality(about="sends a line without end", play=_says_a_line_without_end),
    "reset": Personality(about="resets within a line", play=_resets_mid_line, lost=1),
    "flapping": Personality(about="comes and goes", play=_comes_and_goes),
    "namesake": Personality(
        about="uses one id for all jobs",
        arrange=_one_name_for_all,
        play=_uses_a_name_again,
        ends_on="main",
        kept=1,
    ),
    "strangers": Personality(
        about="sends us to another host", play=_redirects_to_strangers, ends_on="main"
    ),
    "moving": Personality(
        about="sends us to another port", play=_redirects_to_itself, ends_on="main"
    ),
    "restless": Personality(about="sends us away for ever", arrange=_redirects_always),
    "forbidding": Personality(
        about="forbids version rolling in mid-session",
        play=_takes_the_mask_away,
        ends_on="main",
        kept=1,
    ),
}
"""All characters, by name."""

HARD = Target(MAX_TARGET >> 3)
"""One hash in eight meets it."""
