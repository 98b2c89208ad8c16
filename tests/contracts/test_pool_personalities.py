"""What comes of pools that misbehave: how many shares are lost, refused or sent wrongly.

Two pools, the first with a personality, the second as it should be, and a miner on both.
"""

import asyncio
import datetime
import itertools
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from headframe.chain.job import Lineage, SourceId
from headframe.chain.share import Reason
from headframe.chain.target import Target
from headframe.runtime.retry import Backoff
from headframe.runtime.tls import client_context
from headframe.stratum.sv1.client import ClientOptions
from headframe.stratum.sv1.offers import difficulty_line
from headframe.upstream.endpoint import Endpoint
from headframe.upstream.stratum import StratumOptions, StratumSource
from headframe.upstream.watch import Limits
from tests.contracts.source import running
from tests.fakes.groups import failover
from tests.fakes.personalities import HARD, PERSONALITIES, Bench, Hasher, Personality
from tests.fakes.pool import FakePool

NARROW = 0x00C00000
OTHER_EXTRANONCE = b"\x11\x22\x33\x44"


def pool_source(
    name: str,
    pool: FakePool,
    ids: Iterator[int],
    limits: Limits,
    tls: ssl.SSLContext | None = None,
) -> StratumSource:
    options = StratumOptions(
        endpoint=Endpoint(
            scheme="stratum+ssl" if tls else "stratum+tcp", host="127.0.0.1", port=pool.port
        ),
        tls=tls,
        client=ClientOptions(user="u"),
        limits=limits,
    )
    return StratumSource(options, lineage=Lineage(SourceId(name), ids))


@asynccontextmanager
async def bench_of(
    personality: Personality,
    main: FakePool,
    tls: ssl.SSLContext | None = None,
    pause_seconds: float = 1.0,
) -> AsyncIterator[Bench]:
    """Run a miner on a pool of this character, with a good one behind it."""
    personality.arrange(main)
    async with main, FakePool(extranonce1=b"\x99" * 4) as backup:
        main.new_block()
        backup.new_block()
        ids = itertools.count(1)
        source = failover(
            [
                pool_source("main", main, ids, personality.limits, tls),
                pool_source("backup", backup, ids, Limits()),
            ],
            stable_seconds=600,
            backoff=lambda: Backoff(pause_seconds, pause_seconds),
        )
        bench = Bench(main, backup, source, Hasher(source))
        async with running(source), asyncio.TaskGroup() as group:
            following = group.create_task(bench.hasher.follow())
            yield bench
            following.cancel()


async def end_well(bench: Bench, personality: Personality) -> None:
    """Check that work goes on where it should, and what became of all shares."""
    await bench.job_from(personality.ends_on)
    await bench.hasher.wait_all()
    before = bench.hasher.verdicts.get()[Reason.ACCEPTED]
    pool = bench.main if personality.ends_on == "main" else bench.backup
    pool.new_job()
    await bench.hasher.wait(Reason.ACCEPTED, before + 1)
    await bench.hasher.wait_all()
    counts = bench.hasher.verdicts.get()
    kept, lost = counts[Reason.STALE], counts[Reason.LOST]
    refused = counts.total() - counts[Reason.ACCEPTED] - kept - lost
    found = (lost, refused, kept, len(bench.main.wrong))
    limits = (personality.lost, personality.refused, personality.kept, personality.wrong)
    if personality.at_most:
        assert all(each <= limit for each, limit in zip(found, limits, strict=True)), found
    else:
        assert found == limits
    assert bench.backup.wrong == []
    job = bench.source.jobs.get()
    assert job is not None
    assert job.source == personality.ends_on


@pytest.mark.parametrize("name", PERSONALITIES)
async def test_work_goes_on_and_no_share_is_sent_wrongly(name: str) -> None:
    personality = PERSONALITIES[name]
    async with bench_of(personality, FakePool()) as bench:
        await personality.play(bench)
        await end_well(bench, personality)


@pytest.mark.parametrize("certificate", ["another host", "another authority", "expired"])
async def test_a_pool_with_a_wrong_certificate_hears_nothing(
    certificate: str, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    wrong = {
        "another host": lambda: authority.issue_cert("127.0.0.2"),
        "another authority": lambda: trustme.CA().issue_cert("127.0.0.1"),
        "expired": lambda: authority.issue_cert(
            "127.0.0.1", not_before=long_ago, not_after=long_ago + datetime.timedelta(days=1)
        ),
    }[certificate]()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    wrong.configure_cert(server)
    main = FakePool(tls=server)
    personality = Personality(about=f"has the certificate of {certificate}")
    trusting = client_context(ca_file=str(tmp_path / "ca.pem"))
    async with bench_of(personality, main, trusting) as bench:
        await end_well(bench, personality)
        assert main.users == []
        assert main.agents == []


MOMENTS = ("made", "joined", "seated", "asked", "let in", "shown", "later")


def change_terms(pool: FakePool, kind: str, moment: str) -> bytes:
    """Change the pool's mind; return how it says so.

    What it says before the answer to subscribe is overruled by that answer and by what
    follows, so there only the words are said.
    """
    early = moment == "made" or (moment == "joined" and kind == "extranonce")
    match kind:
        case "mask":
            pool.mask = pool.mask if early else NARROW
            return b'{"id":null,"method":"mining.set_version_mask","params":["%08x"]}\n' % NARROW
        case "extranonce":
            pool.extranonce1 = pool.extranonce1 if early else OTHER_EXTRANONCE
            words = OTHER_EXTRANONCE.hex().encode()
            return b'{"id":null,"method":"mining.set_extranonce","params":["%s",4]}\n' % words
        case _:
            return difficulty_line(HARD)[0] + b"\n"


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(
    "changes",
    [("mask",), ("extranonce",), ("difficulty",), ("mask", "extranonce", "difficulty")],
    ids=" and ".join,
)
async def test_terms_may_change_at_every_moment(changes: tuple[str, ...], moment: str) -> None:
    main = FakePool()
    said = False

    def speak(now: str) -> bytes:
        nonlocal said
        if said or now != moment:
            return b""
        said = True
        return b"".join(change_terms(main, kind, moment) for kind in changes)

    main.moment = speak
    personality = Personality(about="changes its mind", ends_on="main")
    async with bench_of(personality, main) as bench:
        job = await bench.settled()
        if moment == "later":
            main.say(speak("later"))
            if "mask" in changes:
                job = await bench.job_from("main", job)  # it is shown anew, with the new mask
        for _ in range(4):  # what runs still counts by the terms that it was shown with
            bench.hasher.answer(job)
        await bench.hasher.wait_all()
        target = HARD if "difficulty" in changes else Target(job.target)
        main.new_job(target=target)
        job = await bench.job_from("main", job)
        assert job.target == difficulty_line(target)[1]
        if "mask" in changes and moment != "made":
            assert job.version_mask == NARROW
        for _ in range(4):
            bench.hasher.answer(job)
        await end_well(bench, personality)


async def test_many_connections_leave_nothing_behind() -> None:
    main = FakePool()
    personality = Personality(about="drops us all the time", ends_on="main")
    async with bench_of(personality, main, pause_seconds=0.01) as bench:
        await bench.settled()
        await main.go_away()
        await bench.job_from("backup")
        await main.come_back()
        levels = []
        for connections in range(3, 63):
            async with asyncio.timeout(20):
                await bench.main.wait_connections(connections - 1)
                await bench.main.drop()
            if connections in {20, 62}:
                await bench.hasher.wait_all()
                levels.append((len(asyncio.all_tasks()), _open_files()))
        (tasks, files), (tasks_later, files_later) = levels
        assert tasks_later <= tasks + 3
        assert files_later <= files + 6
        assert bench.hasher.verdicts.get()[Reason.LOST] == 0


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
