"""The whole miner on loopback: real cores, real kernels, a pool made of our server core."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from structlog.testing import capture_logs

from headframe.chain.job import Job
from headframe.chain.share import Reason, Verdict
from headframe.chain.target import MAX_TARGET, Target
from headframe.runtime.errors import ConfigError, PortInUseError
from headframe.upstream.settings import UpstreamSettings
from miner.app import JOURNAL, Miner, NoUpstreamError, make_miner, state_dir
from miner.config import DEFAULT_WEB_PORT, ApiSettings, MinerConfig, StopSettings, WebSettings
from miner.devices.base import Solution
from tests.fakes.cgminer import ask_json
from tests.fakes.device import FakeDevice, solve
from tests.fakes.pool import FakePool
from tests.fakes.source import EASY, FakeSource, make_job

TINY = Target(MAX_TARGET >> 16)
"""One hash in 65536: many shares a second for a kernel in C, some for the reference."""
NO_PAGE = WebSettings(enabled=False)
NO_API = ApiSettings(enabled=False)
YES = Verdict(reason=Reason.ACCEPTED)


class Quiet:
    """A display that shows nothing, and tells when it was asked."""

    def shown(self) -> AbstractContextManager[object]:
        return nullcontext()

    async def run(self, status: Any) -> None:
        assert status()["program"] == "miner"
        await asyncio.get_running_loop().create_future()


@asynccontextmanager
async def mining(miner: Miner) -> AsyncIterator[None]:
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(miner.run(Quiet()))
        yield
        task.cancel()


async def end_of(miner: Miner) -> int:
    async with asyncio.timeout(60):
        return await miner.run(Quiet())


@pytest.fixture
async def pool() -> AsyncIterator[FakePool]:
    async with FakePool() as pool:
        pool.new_block(target=TINY)
        yield pool


def config_for(pool: FakePool, folder: Path, **changes: Any) -> MinerConfig:
    url = f"stratum+tcp://127.0.0.1:{pool.port}"
    upstream = UpstreamSettings(url=url, user="me.rig", hold_seconds=0)
    settings = {"threads": 2, "web": NO_PAGE, "api": NO_API, **changes}
    return MinerConfig(upstreams=(upstream,), state_dir=folder, **settings)


async def test_all_cores_mine_shares_that_the_pool_accepts(pool: FakePool, tmp_path: Path) -> None:
    miner = make_miner(config_for(pool, tmp_path, stop=StopSettings(shares=10)))
    assert await end_of(miner) == 0
    heard = pool.heard.get()
    assert len(heard) >= 10
    assert {each.verdict for each in heard} == {YES}
    assert {each.worker for each in heard} == {"me.rig"}
    assert len({each.share for each in heard}) == len(heard), "no share twice"
    assert miner.stats.shares_accepted >= 10
    assert miner.stats.nonces_wrong == miner.stats.rejected == 0


async def test_a_pool_that_dies_and_comes_back_is_mined_on(pool: FakePool, tmp_path: Path) -> None:
    miner = make_miner(config_for(pool, tmp_path, threads=1))
    with capture_logs() as lines:
        async with mining(miner):
            await pool.wait_heard(3)
            await pool.go_away()
            gone = len(pool.heard.get())
            await pool.come_back()
            pool.new_block(target=TINY)
            await pool.wait_heard(gone + 3)
    after = pool.heard.get()[gone:]
    assert {each.verdict for each in after} == {YES}
    assert pool.connections.get() >= 2
    events = [line["event"] for line in lines]
    assert events.count("pool_ready") == 2
    assert events.count("source_lost") == 1, "said once"


async def test_a_new_block_at_the_pool_costs_no_stale_share_to_speak_of(
    pool: FakePool, tmp_path: Path
) -> None:
    miner = make_miner(config_for(pool, tmp_path, threads=1))
    async with mining(miner):
        for _ in range(5):
            job = pool.new_block(target=TINY)
            async for heard in pool.heard:
                if any(each.share.job_id == job.id for each in heard):
                    break
    refused = miner.stats.shares_rejected
    assert {key for key, count in refused.items() if count} <= {Reason.STALE}
    assert sum(miner.stats.jobs.values()) >= 5


async def test_what_the_pool_refuses_is_counted_by_reason(pool: FakePool, tmp_path: Path) -> None:
    pool.judge = lambda verdict: Verdict(reason=Reason.LOW_DIFFICULTY, detail="too easy")
    miner = make_miner(config_for(pool, tmp_path, threads=1))
    with capture_logs() as lines:
        async with mining(miner):
            await pool.wait_heard(5)
    assert miner.stats.shares_rejected[Reason.LOW_DIFFICULTY] >= 4
    (told,) = [line for line in lines if line["event"] == "share_rejected"]
    assert told["log_level"] == "warning"
    assert told["reason"] == "low_difficulty"


async def test_the_second_pool_is_used_while_the_first_is_away(
    pool: FakePool, tmp_path: Path
) -> None:
    async with FakePool() as first:
        gone = UpstreamSettings(url=f"stratum+tcp://127.0.0.1:{first.port}", user="a")
    config = config_for(pool, tmp_path, threads=1, stop=StopSettings(shares=1))
    upstreams = (gone, *config.upstreams)
    miner = make_miner(msgspec.structs.replace(config, upstreams=upstreams))
    assert await end_of(miner) == 0
    assert pool.users == [("me.rig", "x")]


async def test_once_ends_when_no_pool_can_be_reached(tmp_path: Path) -> None:
    async with FakePool() as pool:
        config = config_for(pool, tmp_path, threads=1, stop=StopSettings(once=True))
    miner = make_miner(config)
    with pytest.raises(ExceptionGroup) as caught:
        await end_of(miner)
    assert caught.group_contains(NoUpstreamError, match=f"127.0.0.1:{pool.port}")


async def test_at_the_end_shares_in_flight_are_waited_for() -> None:
    job = make_job()
    source, device = FakeSource(job), FakeDevice()
    miner = Miner(source, [device])
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(miner.run(Quiet()))
        await device.running.wait()
        device.found(solve(job))
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not source.ended.is_set()
        for done in source.pending:
            done(YES)
        source.pending.clear()
    assert source.ended.is_set()
    assert miner.stats.shares_accepted == 1
    assert miner.stats.shares_lost == 0


def block_of(job: Job, skip: int) -> Solution:
    solution = solve(replace(job, target=job.block_target), skip=skip)
    return replace(solution, work=replace(solution.work, job=job))


async def test_it_ends_after_so_many_blocks() -> None:
    job = make_job(target=EASY, block_target=Target(EASY >> 4))
    source, device = FakeSource(job, YES), FakeDevice()
    miner = Miner(source, [device], stop=StopSettings(blocks=2))
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(miner.run(Quiet()))
        await device.running.wait()
        device.found(block_of(job, 0))
        await asyncio.sleep(0)
        assert not task.done()
        device.found(block_of(job, 1))
        assert await task == 0


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def test_the_page_has_status_metrics_and_health() -> None:
    device = FakeDevice()
    miner = Miner(FakeSource(make_job()), [device], web=WebSettings(port=0))
    async with mining(miner):
        await device.running.wait()
        code, text = await get(f"{miner.web_url}api/v1/status")
        status: Mapping[str, Any] = msgspec.json.decode(text)
        assert (code, status["program"]) == (200, "miner")
        assert (await get(f"{miner.web_url}healthz"))[0] == 200
        page = (await get(f"{miner.web_url}metrics"))[1]
        assert 'headframe_miner_jobs_total{clean="true"} 1.0' in page


async def ask_to_reload(miner: Miner, token: str) -> tuple[int, Mapping[str, Any]]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{miner.web_url}api/v1/reload", headers=headers) as answer,
    ):
        return answer.status, msgspec.json.decode(await answer.read())


async def test_settings_are_reloaded_while_it_mines(pool: FakePool, tmp_path: Path) -> None:
    web = WebSettings(port=0, token="0123456789abcdef")
    config = config_for(pool, tmp_path, threads=1, web=web)
    file = [config]

    def read() -> MinerConfig:
        if not file:
            raise ConfigError("miner.toml:1: no setting 'x'")
        return file[-1]

    miner = make_miner(config, {}, read)
    async with mining(miner):
        await pool.wait_heard(3)
        file.append(msgspec.structs.replace(config, threads=2, stop=StopSettings(shares=10**9)))
        assert await ask_to_reload(miner, web.token) == (
            200,
            {"file": "", "changed": ["threads: 1 -> 2"], "needs_a_restart": ["stop.shares"]},
        )
        await pool.wait_heard(len(pool.heard.get()) + 3)
        file.clear()
        code, answer = await ask_to_reload(miner, web.token)
        assert (code, answer["error"]) == (422, "miner.toml:1: no setting 'x'")
        assert (await ask_to_reload(miner, "another token"))[0] == 401
        await pool.wait_heard(len(pool.heard.get()) + 3)
    heard = pool.heard.get()
    assert {each.verdict for each in heard} == {YES}
    assert len({each.share for each in heard}) == len(heard), "no share twice"
    assert pool.connections.get() == 1
    assert dict(miner.vitals.config_reloads) == {"done": 1, "refused": 1}


async def test_a_miner_that_reads_no_settings_offers_no_reload() -> None:
    web = WebSettings(port=0, token="0123456789abcdef")
    miner = Miner(FakeSource(make_job()), [FakeDevice()], web=web)
    async with mining(miner):
        while not miner.web_url:
            await asyncio.sleep(0)
        assert (await get(f"{miner.web_url}api/v1/reload"))[0] == 404


async def test_the_page_moves_when_its_usual_port_is_taken_and_not_when_it_was_chosen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = holder.getsockname()[1]
        miner = Miner(FakeSource(), [FakeDevice()], web=WebSettings(port=taken))
        with pytest.raises(PortInUseError, match=str(taken)):
            await miner.run(Quiet())
    first, second = (Miner(FakeSource(), [FakeDevice()], web=WebSettings()) for _ in range(2))
    async with mining(first), mining(second):
        async with asyncio.timeout(20):
            while not (first.web_url and second.web_url):
                await asyncio.sleep(0)
        assert first.web_url != second.web_url
        assert not second.web_url.endswith(f":{DEFAULT_WEB_PORT}/")


def test_a_miner_needs_something_to_mine_on() -> None:
    with pytest.raises(ConfigError, match=r"nothing to mine on.*--url stratum.tcp://host:3333"):
        make_miner(MinerConfig())


def test_state_is_kept_where_the_desktop_says() -> None:
    assert state_dir({"XDG_STATE_HOME": "/var/x"}) == Path("/var/x/headframe/miner")
    assert state_dir({}) == Path.home() / ".local" / "state" / "headframe" / "miner"
    assert JOURNAL == "blocks.jsonl"


async def test_a_tool_for_cgminer_may_end_the_miner(pool: FakePool, tmp_path: Path) -> None:
    api = ApiSettings(port=0, write=("127.0.0.1",))
    miner = make_miner(config_for(pool, tmp_path, api=api))
    with capture_logs() as logs:
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(miner.run(Quiet()))
            async for _ in pool.heard:
                if miner.stats.shares_accepted:
                    break
            port = int(miner.api_place.rpartition(":")[2])
            assert (await ask_json(port, "quit")) == {"STATUS": "BYE", "id": 1}
            assert await task == 0
    started = next(each for each in logs if each["event"] == "miner_started")
    assert started["api"] == miner.api_place
    assert "api_quit" in [each["event"] for each in logs]


async def test_to_end_what_has_not_begun_does_nothing() -> None:
    Miner(FakeSource(), [FakeDevice()]).end()
