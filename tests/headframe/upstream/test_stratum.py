"""`StratumSource` against a pool on loopback."""

import asyncio
import itertools
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest
import trustme
from structlog.testing import capture_logs

from headframe.chain.coinbase import Output, build
from headframe.chain.job import Job, Lineage, SourceId, SplitCoinbase
from headframe.chain.share import Reason, Share, Verdict, proof_of
from headframe.chain.target import (
    DIFFICULTY_1,
    MAX_TARGET,
    Target,
    nbits_from_target,
    target_from_difficulty,
)
from headframe.runtime.clock import wall_seconds
from headframe.stratum.sv1.client import ClientOptions
from headframe.upstream.base import (
    BadUpstreamError,
    RefusedError,
    SourceState,
    UnreachableError,
    UpstreamError,
)
from headframe.upstream.candidates import Candidates
from headframe.upstream.endpoint import Endpoint
from headframe.upstream.journal import Journal
from headframe.upstream.redirect import Reconnect
from headframe.upstream.stratum import MAINNET_DIFFICULTY, StratumOptions, StratumSource
from headframe.upstream.watch import Limits
from tests.contracts.source import (
    Answers,
    SourceContract,
    SourceRig,
    find_share,
    next_job,
    running,
)
from tests.fakes.foundblocks import Told
from tests.fakes.pool import FakePool

MAINNET_BITS = nbits_from_target(target_from_difficulty(MAINNET_DIFFICULTY * 2))


@pytest.fixture
async def pool() -> AsyncIterator[FakePool]:
    async with FakePool() as pool:
        pool.new_block()
        yield pool


def source_for(
    pool: FakePool, candidates: Candidates | None = None, **changes: object
) -> StratumSource:
    options = StratumOptions(
        endpoint=Endpoint(scheme="stratum+tcp", host="127.0.0.1", port=pool.port),
        tls=None,
        client=ClientOptions(user="alice.1", password="secret"),
    )
    lineage = Lineage(SourceId("the pool"), itertools.count(500))
    return StratumSource(
        replace(options, **changes),  # type: ignore[arg-type]
        lineage=lineage,
        candidates=candidates,
    )


async def failure_of(source: StratumSource) -> UpstreamError:
    """Run until the source gives up; return why."""
    async with asyncio.timeout(20):
        with pytest.raises(UpstreamError) as caught:
            await source.run()
    return caught.value


class TestContract(SourceContract):
    @pytest.fixture
    async def rig(self, pool: FakePool) -> SourceRig:
        async def advance() -> None:
            pool.new_block()

        async def break_off() -> None:
            await pool.go_away()
            await pool.come_back()

        return SourceRig(source_for(pool), advance, break_off)


async def test_shares_go_under_the_workers_name_or_our_own(pool: FakePool) -> None:
    pool.lets_in = lambda user: user != "rig8"
    source = source_for(pool)
    async with running(source):
        job = await next_job(source)
        known, unknown, own = Answers(), Answers(), Answers()
        source.submit(find_share(job), "rig7", known.done)
        source.submit(find_share(job, start=50), "rig8", unknown.done)
        source.submit(find_share(job, start=100), None, own.done)
        assert (await known.one()).reason is Reason.ACCEPTED
        assert (await unknown.one()).reason is Reason.UNAUTHORIZED
        assert (await own.one()).reason is Reason.ACCEPTED
    # Each name is told to the pool before its first share.
    assert pool.users == [("alice.1", "secret"), ("rig7", "secret"), ("rig8", "secret")]
    assert pool.agents[0].startswith("headframe/")
    heard = {each.worker: each.truth for each in pool.heard.get()}
    accepted, refused = Reason.ACCEPTED, Reason.UNAUTHORIZED
    assert heard == {"alice.1": accepted, "rig7": accepted, "rig8": refused}


async def test_a_refused_share_comes_back_with_the_pools_reason(pool: FakePool) -> None:
    pool.judge = lambda verdict: Verdict(reason=Reason.DUPLICATE)
    source = source_for(pool)
    async with running(source):
        answers = Answers()
        source.submit(find_share(await next_job(source)), None, answers.done)
        assert (await answers.one()).reason is Reason.DUPLICATE


async def test_a_withheld_answer_is_lost_when_the_connection_goes(pool: FakePool) -> None:
    pool.judge = lambda verdict: None
    source = source_for(pool)
    answers = Answers()
    job: Job | None = None

    async def break_it() -> None:
        nonlocal job
        job = await next_job(source)
        source.submit(find_share(job), None, answers.done)
        await pool.wait_heard(1)
        assert answers.verdicts == []
        await pool.drop()

    async with asyncio.TaskGroup() as group:
        group.create_task(break_it())
        error = await failure_of(source)
    assert isinstance(error, UnreachableError)
    assert "the pool closed the connection" in str(error)
    assert [verdict.reason for verdict in answers.verdicts] == [Reason.LOST]
    assert job is not None
    status = source.status.get()
    assert status.state is SourceState.DOWN
    assert status.detail == str(error)
    assert status.generation > job.generation  # its jobs are dead, and readers can tell
    assert source.jobs.get() is None


async def test_an_end_in_the_middle_of_the_farewell_leaves_no_job_behind(pool: FakePool) -> None:
    """Else a source that was let go while it hung up would seem to have work for ever."""
    source = source_for(pool)
    task = asyncio.get_running_loop().create_task(source.run())  # ended below
    job = await next_job(source)
    task.cancel()
    await asyncio.sleep(0)  # it hangs up now
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.jobs.get() is None
    assert source.status.get().generation > job.generation


async def test_a_late_share_of_an_earlier_connection_never_reaches_the_pool(
    pool: FakePool,
) -> None:
    source = source_for(pool)
    async with running(source):
        old = await next_job(source)
    async with running(source):
        new = await next_job(source, old)
        late, fresh = Answers(), Answers()
        source.submit(find_share(old), None, late.done)
        source.submit(find_share(new), None, fresh.done)
        assert (await fresh.one()).reason is Reason.ACCEPTED
    assert [verdict.reason for verdict in late.verdicts] == [Reason.STALE]
    assert len(pool.heard.get()) == 1


async def test_difficulty_extranonce_and_height_come_with_the_job(pool: FakePool) -> None:
    source = source_for(pool)
    hard = Target(MAX_TARGET >> 6)
    began = time.monotonic()
    async with running(source):
        first = await next_job(source)
        assert source.status.get().height == 101
        synced = Answers()  # extranonce.subscribe is behind us when this is answered
        source.submit(find_share(first), None, synced.done)
        await synced.one()
        pool.move_rigs(b"\x01\x02\x03\x04")
        pool.new_job(target=hard)
        second = await next_job(source, first)
        answers = Answers()
        source.submit(find_share(second), None, answers.done)
        assert (await answers.one()).reason is Reason.ACCEPTED
    status = source.status.get()
    assert status.user == "alice.1"
    assert status.difficulty == pytest.approx(float(Fraction(DIFFICULTY_1, hard)), rel=1e-4)
    assert status.job_at is not None
    assert began <= status.job_at <= time.monotonic()
    assert status.clock_skew_seconds == pytest.approx(second.ntime - wall_seconds(), abs=60)
    assert second.received_at == status.job_at
    assert status.answer_seconds is not None
    assert 0 <= status.answer_seconds < 10
    assert status.answers is not None
    assert status.answers.count == 2
    assert status.answers.sum >= status.answer_seconds
    assert second.target >= hard
    assert second.target < hard + (hard >> 15)  # six digits of difficulty
    assert second.generation == first.generation
    assert second.epoch > first.epoch
    assert pool.heard.get()[1].share.extranonce.startswith(b"\x01\x02\x03\x04")


async def test_a_pool_that_does_not_authorise_is_a_refusal_with_its_words(
    pool: FakePool,
) -> None:
    pool.lets_in = lambda user: False
    error = await failure_of(source_for(pool))
    assert isinstance(error, RefusedError)
    assert str(error).startswith("the pool refused mining.authorize for 'alice.1'")


async def test_nobody_there_is_said_in_one_line(pool: FakePool) -> None:
    await pool.go_away()
    error = await failure_of(source_for(pool))
    assert isinstance(error, UnreachableError)
    assert str(error) == (
        f"the pool: 127.0.0.1:{pool.port} refused the connection: check the port, and that the "
        "server runs"
    )


async def test_a_mute_pool_is_given_up_after_the_handshake_time(pool: FakePool) -> None:
    pool.mute = True
    error = await failure_of(source_for(pool, limits=Limits(handshake_seconds=0.05)))
    assert isinstance(error, UnreachableError)
    assert "did not let us in within 0.05 s" in str(error)


async def test_a_silent_connection_is_dead(pool: FakePool) -> None:
    source = source_for(pool, limits=Limits(silence_seconds=0.3))
    error = await failure_of(source)
    assert isinstance(error, UnreachableError)
    assert "has sent nothing for 0.3 s" in str(error)


async def test_garbage_ends_the_connection_in_one_line(pool: FakePool) -> None:
    source = source_for(pool)

    async def talk() -> None:
        await next_job(source)
        pool.say(b"x" * (2 << 20) + b"\n")

    async with asyncio.TaskGroup() as group:
        group.create_task(talk())
        error = await failure_of(source)
    assert isinstance(error, BadUpstreamError | UnreachableError)
    assert "\n" not in str(error)


async def test_a_web_server_is_not_taken_for_a_pool() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        endpoint = Endpoint(scheme="stratum+tcp", host="127.0.0.1", port=port)
        options = StratumOptions(endpoint=endpoint, tls=None, client=ClientOptions(user="u"))
        lineage = Lineage(SourceId("web"), itertools.count(1))
        error = await failure_of(StratumSource(options, lineage=lineage))
    assert isinstance(error, BadUpstreamError)
    assert "HTTP" in str(error)


async def test_mainnet_is_refused_unless_allowed(pool: FakePool) -> None:
    pool.new_block(nbits=MAINNET_BITS)
    error = await failure_of(source_for(pool))
    assert isinstance(error, BadUpstreamError)
    assert "mainnet" in str(error)
    assert "allow_mainnet" in str(error)

    source = source_for(pool, allow_mainnet=True)
    async with running(source):
        assert (await next_job(source)).nbits == MAINNET_BITS


def paying(pool: FakePool, *outputs: tuple[int, bytes]) -> SplitCoinbase:
    """Make a coinbase with these amounts and scripts, for the pool's next job."""
    size = len(pool.extranonce1) + pool.size
    coinbase = build(
        height=101,
        outputs=[Output(value=value, script=script) for value, script in outputs],
        extranonce_size=size,
        tag=b"",
    )
    return SplitCoinbase(
        prefix=coinbase.prefix, suffix=coinbase.suffix, path=(), extranonce_size=size
    )


async def test_a_pool_whose_blocks_pay_somebody_else_is_told_of_once(pool: FakePool) -> None:
    # BIP 173's example: the script of tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx
    ours = bytes.fromhex("0014751e76e8199196d454941c45d1b3a323f1433bd6")
    theirs = bytes.fromhex("0014" + "11" * 20)
    source = source_for(pool, expects=("tb1qours", ours))
    jobs = [
        (((50, theirs), (7, ours)), True),
        (((50, theirs), (0, ours)), False),  # it is named, and gets nothing
        (((50, theirs),), False),
        (((50, theirs[:2] + ours),), False),  # its bytes within another script
        (((50, ours),), True),
    ]
    with capture_logs() as lines:
        async with running(source):
            before = await next_job(source)
            assert source.status.get().pays_expected is False
            for outputs, pays in jobs:
                pool.new_job(commitment=paying(pool, *outputs))
                before = await next_job(source, before)
                assert source.status.get().pays_expected is pays
    told = [(each["event"], each["address"]) for each in lines if "payout" in each["event"]]
    assert told == [("payout_missing", "tb1qours"), ("payout_back", "tb1qours")] * 2


async def test_any_payout_will_do_where_none_is_expected(pool: FakePool) -> None:
    source = source_for(pool)
    async with running(source):
        await next_job(source)
        assert source.status.get().pays_expected is None


async def test_a_pools_faults_are_counted(pool: FakePool) -> None:
    pool.new_block()
    source = source_for(pool)
    async with running(source), asyncio.timeout(20):
        await next_job(source)
        pool.say(b'{"id":null,"method":"mining.notify","params":[]}\n')
        while source.status.get().faults < 1:
            await source.status.wait_newer(source.status.serial)
        assert source.status.get().state is SourceState.ACTIVE


async def test_bits_that_cannot_be_are_a_fault_of_the_pools(pool: FakePool) -> None:
    source = source_for(pool)

    async def talk() -> None:
        await next_job(source)
        notify = (
            '{"id":null,"method":"mining.notify","params":["1","%s","01","02",[],'
            '"20000000","00000000","65000000",true]}\n' % ("00" * 32)
        )
        pool.say(notify.encode())
        pool.say(notify.encode().replace(b'"1"', b'"2"') * 70)

    async with asyncio.TaskGroup() as group:
        group.create_task(talk())
        error = await failure_of(source)
    assert isinstance(error, BadUpstreamError)


async def test_a_redirect_on_the_same_host_is_followed(pool: FakePool) -> None:
    source = source_for(pool)
    async with FakePool(extranonce1=b"\x09\x09\x09\x09") as other:
        other.new_block()
        async with running(source):
            first = await next_job(source)
            line = '{"id":null,"method":"client.reconnect","params":["127.0.0.1",%d,0]}\n'
            pool.say((line % other.port).encode())
            second = await next_job(source, first)
            answers = Answers()
            source.submit(find_share(second), None, answers.done)
            assert (await answers.one()).reason is Reason.ACCEPTED
        assert len(other.heard.get()) == 1
    assert second.generation > first.generation
    assert source.status.get().connects == 2


async def test_a_redirect_to_another_host_is_ignored(pool: FakePool) -> None:
    source = source_for(pool)
    async with running(source):
        first = await next_job(source)
        pool.say(b'{"id":null,"method":"client.reconnect","params":["evil.test",3333,0]}\n')
        pool.say(b'{"id":null,"method":"client.show_message","params":["hello"]}\n')
        pool.new_block()
        await next_job(source, first)
    assert pool.connections.get() == 1


async def test_redirects_are_switched_off_or_followed_anywhere_as_configured(
    pool: FakePool,
) -> None:
    async with FakePool(extranonce1=b"\x09\x09\x09\x09") as other:
        other.new_block()
        line = '{"id":null,"method":"client.reconnect","params":["localhost",%d,0]}\n'
        stays = source_for(pool, reconnect=Reconnect.OFF)
        async with running(stays):
            first = await next_job(stays)
            pool.say(b'{"id":null,"method":"client.reconnect","params":[]}\n')
            pool.new_block()
            await next_job(stays, first)
        assert (stays.status.get().connects, stays.status.get().redirects) == (1, 0)
        goes = source_for(pool, reconnect=Reconnect.ANY)
        with capture_logs() as logs:
            async with running(goes):
                first = await next_job(goes)
                pool.say((line % other.port).encode())
                await next_job(goes, first)
                assert goes.status.get().url == f"stratum+tcp://localhost:{other.port}"
        assert (goes.status.get().connects, goes.status.get().redirects) == (2, 1)
        assert len(other.users) == 1
    (said,) = [log for log in logs if log["event"] == "pool_redirects"]
    assert said["to"] == f"localhost:{other.port}"


async def test_a_redirect_from_tls_never_leads_to_a_plain_connection() -> None:
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with FakePool(tls=server_side) as pool, FakePool() as plain:
        pool.new_block()
        plain.new_block()
        hasty = Limits(dial_seconds=1)
        source = source_for(pool, tls=trusting, reconnect=Reconnect.ANY, limits=hasty)

        async def send_away() -> None:
            await next_job(source)
            line = '{"id":null,"method":"client.reconnect","params":["127.0.0.1",%d,0]}\n'
            pool.say((line % plain.port).encode())

        async with asyncio.TaskGroup() as group:
            group.create_task(send_away())
            error = await failure_of(source)
        assert isinstance(error, UnreachableError)  # it waits for a line, we for its certificate
        assert source.status.get().redirects == 1
        assert plain.agents == []
        assert plain.users == []


async def test_a_session_is_resumed_on_the_next_connection(pool: FakePool) -> None:
    source = source_for(pool)
    for _ in range(2):
        async with running(source):
            await next_job(source)
    first, second = pool.sessions
    assert first == ""
    assert second == source._session != ""


async def test_a_pool_that_only_redirects_is_given_up(pool: FakePool) -> None:
    source = source_for(pool)

    async def send_away() -> None:
        for count in range(1, 6):
            await pool.wait_connections(count)
            async with asyncio.timeout(20):
                while len(pool.users) < count:
                    await asyncio.sleep(0)
            pool.say(b'{"id":null,"method":"client.reconnect","params":[]}\n')

    async with asyncio.TaskGroup() as group:
        group.create_task(send_away())
        error = await failure_of(source)
    assert "5 times in a row" in str(error)


async def test_a_narrower_mask_makes_a_new_job_at_once(pool: FakePool) -> None:
    source = source_for(pool)
    async with running(source):
        first = await next_job(source)
        pool.say(b'{"id":null,"method":"mining.set_version_mask","params":["00c00000"]}\n')
        second = await next_job(source, first)
    assert first.version_mask == 0x1FFFE000
    assert second.version_mask == 0x00C00000


async def test_work_over_tls_by_a_certificate_that_is_trusted() -> None:
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ends = datetime(2037, 5, 6, 7, 8, 9, tzinfo=UTC)
    authority.issue_cert("127.0.0.1", not_after=ends).configure_cert(server_side)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with FakePool(tls=server_side) as pool:
        pool.new_block()
        source = source_for(pool, tls=trusting)
        async with running(source):
            answers = Answers()
            source.submit(find_share(await next_job(source)), None, answers.done)
            assert (await answers.one()).reason is Reason.ACCEPTED
        assert source.status.get().certificate_until == ends.timestamp()
        error = await failure_of(source_for(pool, tls=ssl.create_default_context()))
    assert isinstance(error, UnreachableError)
    assert "certificate that is not trusted" in str(error)


HARD_BITS = 0x200FFFFF
"""Every sixteenth hash is a block, where each is a share."""


def keeper(path: Path) -> tuple[Candidates, Told]:
    told = Told()
    journal = Journal(path, wall=lambda: 0)
    return Candidates(SourceId("the pool"), journal, feed=told.feed, wall=lambda: 0), told


def find_block(job: Job, start: int = 0) -> Share:
    return find_share(replace(job, target=job.block_target), start=start)


def find_dull(job: Job) -> Share:
    return next(
        share
        for share in (find_share(job, start=start) for start in range(100))
        if proof_of(job, share) > job.block_target
    )


@pytest.mark.parametrize("moment", ["in flight", "while it is away", "when it is back"])
async def test_a_block_found_while_the_pool_goes_is_sent_when_it_is_back(
    moment: str, tmp_path: Path
) -> None:
    candidates, told = keeper(tmp_path / "j")
    async with FakePool() as pool:
        pool.new_block(nbits=HARD_BITS)
        source = source_for(pool, candidates)
        async with running(source):
            job = await next_job(source)
        block, dull = find_block(job), find_dull(job)
        answers, lost = Answers(), Answers()
        if moment == "in flight":
            pool.judge = lambda verdict: None
            async with running(source):
                job = await next_job(source, job)
                block = find_block(job)
                source.submit(block, "rig", answers.done)
                await pool.wait_heard(1)
        elif moment == "while it is away":
            source.submit(block, "rig", answers.done)
            source.submit(dull, "rig", lost.done)
            assert [verdict.reason for verdict in lost.verdicts] == [Reason.LOST]
        pool.judge = lambda verdict: verdict
        before = len(pool.heard.get())
        async with running(source):
            again = await next_job(source, job)
            assert again.id != job.id  # the same work by another name
            if moment == "when it is back":
                source.submit(block, "rig", answers.done)
                source.submit(dull, "rig", lost.done)
                assert [verdict.reason for verdict in lost.verdicts] == [Reason.STALE]
            assert [verdict.reason for verdict in answers.verdicts] == [Reason.PENDING]
            event = await told.wait("accepted", 101)
            assert len(pool.heard.get()) == before + 1
        heard = pool.heard.get()[-1]
    assert (heard.truth, heard.worker) == (Reason.ACCEPTED, "rig")
    assert heard.share.nonce == block.nonce
    assert event.block.hash == proof_of(job, block).to_bytes(32, "little")
    assert len(answers.verdicts) == 1


async def test_a_block_whose_pool_comes_back_with_other_work_is_told_as_lost(
    tmp_path: Path,
) -> None:
    candidates, told = keeper(tmp_path / "j")
    async with FakePool() as pool:
        pool.new_block(nbits=HARD_BITS)
        source = source_for(pool, candidates)
        async with running(source):
            job = await next_job(source)
        answers = Answers()
        with capture_logs() as logs:
            source.submit(find_block(job), "rig", answers.done)
            async with running(source):
                await next_job(source, job)
                pool.judge = lambda verdict: Verdict(reason=Reason.OTHER, detail="no")
            pool.new_block(nbits=HARD_BITS)
            source.submit(find_block(job, start=10_000), "rig", Answers().done)
            async with running(source):
                await told.wait("lost", 101)
    assert "block_candidate_lost" in [log["event"] for log in logs]
    assert (tmp_path / "j").read_text().count('"candidate"') == 2
