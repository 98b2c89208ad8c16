"""`Roster`: what a change of the configuration does to the upstreams, over real pools."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from headframe.chain.hashes import sha256d
from headframe.chain.job import SourceId
from headframe.chain.share import Reason
from headframe.runtime.errors import ConfigError
from headframe.runtime.logs import is_secret, redact
from headframe.upstream.journal import FoundBlock, Journal
from headframe.upstream.options import (
    BlocksSettings,
    PoolsSettings,
    StrategyName,
    UpstreamSettings,
)
from headframe.upstream.roster import Roster
from tests.contracts.source import Answers, find_share, next_job, running
from tests.fakes.handsource import until_source
from tests.fakes.pool import FakePool
from tests.fakes.wallet import Wallet

POOLS = PoolsSettings(stable_seconds=600)


@pytest.fixture
async def one() -> AsyncIterator[FakePool]:
    async with FakePool() as pool:
        pool.new_block()
        yield pool


@pytest.fixture
async def two() -> AsyncIterator[FakePool]:
    async with FakePool() as pool:
        pool.new_block()
        yield pool


def at(pool: FakePool, **more: Any) -> UpstreamSettings:
    url = f"stratum+tcp://127.0.0.1:{pool.port}"
    return UpstreamSettings(**{"url": url, "user": "u", **more})


def name_of(pool: FakePool) -> str:
    return f"127.0.0.1:{pool.port}"


def roster(tmp_path: Path, *settings: UpstreamSettings, pools: PoolsSettings = POOLS) -> Roster:
    return Roster(
        settings, pools, ids=itertools.count(1), journal=tmp_path / "blocks", home=tmp_path
    )


def change(
    roster: Roster, *settings: UpstreamSettings, pools: PoolsSettings = POOLS
) -> tuple[str, ...]:
    return roster.apply(roster.plan(settings, pools))


async def test_an_upstream_whose_settings_stay_keeps_its_connection(
    tmp_path: Path, one: FakePool, two: FakePool
) -> None:
    upstreams = roster(tmp_path, at(one))
    async with running(upstreams.group):
        job = await next_job(upstreams.group)
        assert change(upstreams, at(one), at(two)) == (f"{name_of(two)} added",)
        assert change(upstreams, at(one, weight=3), at(two, weight=2)) == (
            "how upstreams are used together",
        )
        assert change(upstreams, at(one)) == (f"{name_of(two)} removed",)
        assert change(upstreams, at(one)) == ()
        assert upstreams.group.jobs.get() == job
        answers = Answers()
        upstreams.group.submit(find_share(job), None, answers.done)
        assert (await answers.one()).reason is Reason.ACCEPTED
        assert one.connections.get() == 1


async def test_pools_that_changed_places_are_used_in_the_new_order(
    tmp_path: Path, one: FakePool, two: FakePool
) -> None:
    upstreams = roster(tmp_path, at(one), at(two))
    async with running(upstreams.group):
        job = await until_source(upstreams.group, name_of(one))
        assert change(upstreams, at(two), at(one)) == (f"order: {name_of(two)}, {name_of(one)}",)
        await until_source(upstreams.group, name_of(two))
        answers = Answers()
        upstreams.group.submit(find_share(job), None, answers.done)
        assert (await answers.one()).reason is Reason.ACCEPTED, "the old pool hears late shares"
        assert one.connections.get() == 1


async def test_other_credentials_make_a_new_connection_and_the_old_one_answers_its_shares(
    tmp_path: Path, one: FakePool
) -> None:
    one.judge = lambda verdict: None  # withhold
    upstreams = roster(tmp_path, at(one))
    async with running(upstreams.group):
        job = await next_job(upstreams.group)
        answers = Answers()
        upstreams.group.submit(find_share(job), None, answers.done)
        await one.wait_heard(1)
        assert change(upstreams, at(one, user="other")) == (f"{name_of(one)} connects anew",)
        newer = await next_job(upstreams.group, job)
        assert newer.generation > job.generation, "serials of one name never fall"
        assert newer.epoch > job.epoch
        assert not answers.verdicts, "it is neither lost nor answered yet"
        assert [user for user, _ in one.users] == ["u", "other"]
    reason = (await answers.one()).reason
    assert reason in {Reason.LOST, Reason.PENDING}, "a block is kept"


async def test_a_secret_that_changed_in_its_file_counts_as_a_change(
    tmp_path: Path, one: FakePool
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("before")
    settings = at(one, password_file=str(secret))
    upstreams = roster(tmp_path, settings)
    async with running(upstreams.group):
        job = await next_job(upstreams.group)
        assert change(upstreams, settings) == ()
        secret.write_text("after")
        assert change(upstreams, settings) == (f"{name_of(one)} connects anew",)
        await next_job(upstreams.group, job)
    assert one.users == [("u", "before"), ("u", "after")]


async def test_a_plan_that_cannot_work_changes_nothing(tmp_path: Path, one: FakePool) -> None:
    secret = tmp_path / "secret"
    secret.write_text("before")
    settings = at(one, password_file=str(secret))
    upstreams = roster(tmp_path, settings)
    async with running(upstreams.group):
        await next_job(upstreams.group)
        with pytest.raises(ConfigError, match="no scheme 'startum'"):
            upstreams.plan([settings, at(one, url="startum://h:1")], POOLS)
        with pytest.raises(ConfigError, match="two upstreams are called"):
            upstreams.plan([settings, at(one)], POOLS)
        with pytest.raises(ConfigError, match="no upstream is configured"):
            upstreams.plan([], POOLS)
        quota = PoolsSettings(strategy=StrategyName.QUOTA)
        with pytest.raises(ConfigError, match="no upstream has a `weight`"):
            upstreams.plan([msgspec.structs.replace(settings, weight=0)], quota)
        secret.unlink()
        with pytest.raises(ConfigError, match="cannot be read"):
            upstreams.plan([settings], POOLS)
        assert one.connections.get() == 1


async def test_a_strategy_that_stays_keeps_its_accounts(
    tmp_path: Path, one: FakePool, two: FakePool
) -> None:
    quota = PoolsSettings(strategy=StrategyName.QUOTA)
    settings = [at(one), at(two)]
    upstreams = roster(tmp_path, *settings, pools=quota)
    first = upstreams.plan(settings, quota).strategy
    changed = [at(one, user="other"), at(two)]
    assert upstreams.plan(changed, quota).strategy is first
    assert upstreams.plan([at(one, weight=2), at(two)], quota).strategy is not first
    rotate = PoolsSettings(strategy=StrategyName.ROTATE)
    assert upstreams.plan(settings, rotate).strategy is not first


async def test_blocks_of_an_upstream_that_was_removed_are_told(
    tmp_path: Path, one: FakePool
) -> None:
    path = tmp_path / "blocks"
    block = FoundBlock(source=SourceId("home"), height=1, hash=sha256d(b"x"), raw=b"x")
    assert Journal(path, wall=lambda: 0).found(block)
    node = UpstreamSettings(
        url="bitcoind+http://127.0.0.1:18443",
        name="home",
        address="bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",  # BIP 173
    )
    with capture_logs() as logs:
        upstreams = roster(tmp_path, at(one), node)
    assert not logs
    with capture_logs() as logs:
        assert change(upstreams, at(one)) == ("home removed",)
    assert [(log["event"], log["source"]) for log in logs] == [("blocks_of_unknown_source", "home")]


async def test_a_pool_that_is_removed_and_configured_again_is_a_new_connection(
    tmp_path: Path, one: FakePool, two: FakePool
) -> None:
    upstreams = roster(tmp_path, at(one))
    async with running(upstreams.group):
        job = await until_source(upstreams.group, name_of(one))
        change(upstreams, at(two))
        await until_source(upstreams.group, name_of(two))
        change(upstreams, at(one))
        back = await until_source(upstreams.group, name_of(one))
        assert back.generation > job.generation
        async with asyncio.timeout(20):
            await one.wait_connections(2)


def test_it_tells_the_settings_in_force(tmp_path: Path) -> None:
    first, second = (UpstreamSettings(url=f"stratum+tcp://{name}:1", user="u") for name in "ab")
    upstreams = roster(tmp_path, first)
    plan = upstreams.plan([second, first], PoolsSettings(standby=True))
    assert (upstreams.settings, upstreams.pools) == ((first,), POOLS)
    upstreams.apply(plan)
    assert upstreams.settings == (second, first)
    assert upstreams.pools.standby


def with_blocks(tmp_path: Path, settings: UpstreamSettings, **blocks: Any) -> Roster:
    return Roster(
        (settings,),
        POOLS,
        ids=itertools.count(1),
        journal=tmp_path / "journal",
        blocks=BlocksSettings(**blocks),
        home=tmp_path,
    )


NODE_SETTINGS = UpstreamSettings(
    url="bitcoind+http://127.0.0.1:18443", address=Wallet.numbered(5).address, name="solo"
)
POOL_SETTINGS = UpstreamSettings(url="stratum+tcp://127.0.0.1:1", user="u")


def test_blocks_go_to_the_nodes_that_are_mined_on_and_to_the_extra_ones(tmp_path: Path) -> None:
    extra = ("bitcoind+http://u:p@127.0.0.2", "bitcoind+http://[::1]:48332")
    upstreams = with_blocks(tmp_path, NODE_SETTINGS, submit_to=extra)
    urls = [client.url for client in upstreams.desk.dispatch.clients]
    assert urls == ["http://127.0.0.1:18443", "http://127.0.0.2:18443", "http://[::1]:48332"]
    upstreams.apply(upstreams.plan([POOL_SETTINGS], POOLS))
    assert [client.url for client in upstreams.desk.dispatch.clients] == urls[1:]


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ({"submit_to": ("stratum+tcp://h:1",)}, "no scheme 'stratum[+]tcp'"),
        ({"submit_to": ("bitcoind+http://h:9999",)}, "needs the node's `cookie` file"),
        ({"hook": "nonsense"}, "hook is no URL"),
        ({"hook_file": "/no/such"}, "secret file /no/such cannot be read"),
    ],
)
def test_what_can_never_be_done_for_blocks_is_said_at_once(
    tmp_path: Path, blocks: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        with_blocks(tmp_path, NODE_SETTINGS, **blocks)


def test_the_hooks_url_is_a_secret_wherever_settings_are_shown() -> None:
    assert is_secret("hook")
    assert not is_secret("hook_file")
    shown = redact({"hook": "https://h/s3cret", "submit_to": ["bitcoind+http://u:p@h:1"]})
    assert shown == {"hook": "***", "submit_to": ["bitcoind+http://***@h:1"]}
