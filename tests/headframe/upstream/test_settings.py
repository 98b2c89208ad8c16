"""From settings to a source."""

import asyncio
import itertools
import ssl
import stat
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme
from structlog.testing import capture_logs

from headframe.chain.hashes import hash_to_hex, sha256d
from headframe.chain.job import SourceId
from headframe.chain.share import Reason
from headframe.chain.target import target_from_difficulty
from headframe.runtime import settings as runtime_settings
from headframe.runtime.errors import EXIT_UNAVAILABLE, EXIT_USAGE, ConfigError
from headframe.upstream.base import JobSource, SourceState, UpstreamError
from headframe.upstream.journal import FoundBlock, Journal
from headframe.upstream.options import StrategyName
from headframe.upstream.payees import PayTo
from headframe.upstream.roster import Roster, make_source
from headframe.upstream.settings import SCHEMES, PoolsSettings, UpstreamSettings
from tests.contracts.source import Answers, find_share, next_job, running, until_resolved
from tests.fakes.bitcoind import running_bitcoind
from tests.fakes.nodeparts import EmbeddedNode, need_kernel
from tests.fakes.pool import FakePool
from tests.fakes.ports import free_port
from tests.fakes.tunnels import FakeTunnel

# BIP 173's examples.
REGTEST_ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
TESTNET_ADDRESS = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"
MAINNET_ADDRESS = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
NODE = "bitcoind+http://127.0.0.1:18443"


def made(tmp_path: Path, *settings: UpstreamSettings) -> JobSource:
    return make_source(
        settings, ids=itertools.count(1), journal=tmp_path / "blocks.jsonl", home=tmp_path
    )


def refusal(tmp_path: Path, **settings: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        made(tmp_path, UpstreamSettings(**settings))
    assert caught.value.exit_code == EXIT_USAGE
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_makes_a_source_that_is_not_running_yet(tmp_path: Path, scheme: str) -> None:
    one = UpstreamSettings(
        url=f"{scheme}://user:secret@127.0.0.1:18443", address=REGTEST_ADDRESS, name="mine"
    )
    status = made(tmp_path, one).status.get()
    assert status.source == "mine"
    assert status.url == f"{scheme}://127.0.0.1:18443"
    assert status.state is SourceState.DOWN
    assert SCHEMES[scheme].about


def test_default_ports_and_names(tmp_path: Path) -> None:
    pool = made(tmp_path, UpstreamSettings(url="stratum+tcp://pool.test", user="u")).status.get()
    assert (pool.source, pool.url) == ("pool.test:3333", "stratum+tcp://pool.test:3333")
    node = made(
        tmp_path, UpstreamSettings(url="bitcoind+http://localhost", address=REGTEST_ADDRESS)
    ).status.get()
    assert node.url == "bitcoind+http://localhost:18443"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "stratum+tpc://h", "user": "u"}, "did you mean stratum+tcp?"),
        ({"url": "stratum+tcp://h"}, "needs a `user`"),
        ({"url": NODE}, "needs an `address`"),
        ({"url": NODE, "address": "bcrt1qw508d6qejx"}, "bcrt1qw508d6qejx"),
        ({"url": NODE, "address": "nonsense"}, "nonsense"),
        ({"url": NODE, "address": MAINNET_ADDRESS}, "mainnet address"),
        (
            {"url": "bitcoind+http://h:9999", "address": REGTEST_ADDRESS},
            "needs the node's `cookie` file, or its `user` and `password`: port 9999",
        ),
        ({"url": "stratum+tcp://h", "user": "u", "proxy": "ftp://h:1"}, "proxy 'ftp://h:1'"),
        ({"url": "stratum+tcp://h", "user": "u", "ca_file": "/f"}, "but no TLS"),
        ({"url": "stratum+tcp://h", "user": "u", "payout": PayTo.LOGIN}, "and is a pool"),
        ({"url": "stratum+tcp://h", "user": "u", "fingerprint": "ab" * 32}, "but no TLS"),
        ({"url": "stratum+ssl://h", "user": "u", "fingerprint": "ab"}, "no SHA-256"),
        ({"url": "stratum+ssl://h", "user": "u", "ca_file": "/no/such"}, "/no/such"),
        ({"url": "stratum+tcp://h", "user": "u", "suggest_target": "ff"}, "64 hex digits"),
        ({"url": NODE, "address": REGTEST_ADDRESS, "proxy": "http://h"}, "for pools alone"),
        (
            {"url": NODE, "address": REGTEST_ADDRESS, "payouts": (f"{REGTEST_ADDRESS}=",)},
            "should be an address and its share in basis points",
        ),
        (
            {"url": NODE, "address": REGTEST_ADDRESS, "payouts": (f"{MAINNET_ADDRESS}=1",)},
            "mainnet address",
        ),
        (
            {"url": NODE, "address": REGTEST_ADDRESS, "zmq": "127.0.0.1:28332"},
            "zmq '127.0.0.1:28332' is no address to listen to: write tcp://host:port",
        ),
        ({"url": NODE, "address": REGTEST_ADDRESS, "expect_payout": "x"}, "for pools alone"),
        ({"url": "stratum+tcp://h", "user": "u", "expect_payout": "nonsense"}, "nonsense"),
        (
            {"url": "stratum+tcp://h", "user": "u", "password": "x", "password_file": "/f"},
            "/f",
        ),
    ],
)
def test_settings_that_can_never_work_are_refused_in_one_line(
    tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    assert words in refusal(tmp_path, **settings)


def test_a_pool_may_be_expected_to_pay_an_address_of_any_chain(tmp_path: Path) -> None:
    for address in (REGTEST_ADDRESS, TESTNET_ADDRESS):
        made(tmp_path, UpstreamSettings(url="stratum+tcp://h", user="u", expect_payout=address))


def test_addresses_that_some_chain_may_pay_wait_for_the_node(tmp_path: Path) -> None:
    for address in (REGTEST_ADDRESS, TESTNET_ADDRESS):
        made(tmp_path, UpstreamSettings(url=NODE, address=address))
    made(tmp_path, UpstreamSettings(url=NODE, address=MAINNET_ADDRESS, allow_mainnet=True))


def test_no_upstream_and_two_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no upstream is configured"):
        made(tmp_path)
    one = UpstreamSettings(url="stratum+tcp://h:1", user="u")
    with pytest.raises(ConfigError, match="two upstreams are called 'h:1'"):
        made(tmp_path, one, one)


def test_passwords_are_not_in_what_people_see(tmp_path: Path) -> None:
    url = "stratum+tcp://me:hunter2@127.0.0.1:1"
    status = made(tmp_path, UpstreamSettings(url=url)).status.get()
    assert "hunter2" not in repr(status)
    assert "hunter2" not in refusal(tmp_path, url="stratum+tcp://me:hunter2@:1")


def test_blocks_of_a_source_that_is_gone_are_not_forgotten_silently(tmp_path: Path) -> None:
    raw = bytes(100)
    Journal(tmp_path / "blocks.jsonl", wall=lambda: 0).found(
        FoundBlock(source=SourceId("old"), height=1, hash=sha256d(raw[:80]), raw=raw)
    )
    with capture_logs() as logs:
        made(tmp_path, UpstreamSettings(url="stratum+tcp://h", user="u"))
    (warning,) = logs
    assert (warning["event"], warning["source"], warning["count"]) == (
        "blocks_of_unknown_source",
        "old",
        1,
    )


def test_every_setting_has_a_description_and_survives_a_file(tmp_path: Path) -> None:
    for field in msgspec.inspect.type_info(UpstreamSettings).fields:  # type: ignore[attr-defined]
        assert isinstance(field.type, msgspec.inspect.Metadata) or _described(field.encode_name)
    file = tmp_path / "u.toml"
    file.write_text('url = "stratum+tcp://h"\nuser = "a.b"\npace_seconds = 2.5\n')
    loaded = runtime_settings.load(UpstreamSettings, path=file)
    assert loaded == UpstreamSettings(url="stratum+tcp://h", user="a.b", pace_seconds=2.5)
    assert "`version_mask`" in runtime_settings.reference(UpstreamSettings)
    with pytest.raises(ConfigError, match="extranonce_size"):
        runtime_settings.load(UpstreamSettings, path=file, overrides=["extranonce_size=2"])


def _described(name: str) -> bool:
    return name in runtime_settings.reference(UpstreamSettings)


async def test_user_and_password_come_from_settings_file_or_url(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from the file\n")
    secret.chmod(stat.S_IRUSR)
    async with FakePool() as pool:
        pool.new_block()
        place = f"127.0.0.1:{pool.port}"
        for one in (
            UpstreamSettings(url=f"stratum+tcp://{place}", user="a", password="b"),
            UpstreamSettings(url=f"stratum+tcp://{place}", user="a", password_file=str(secret)),
            UpstreamSettings(url=f"stratum+tcp://u%2F1:p@{place}"),
            UpstreamSettings(url=f"stratum+tcp://{place}", user="a"),
        ):
            source = made(tmp_path, one)
            async with running(source):
                await next_job(source)
    assert pool.users == [("a", "b"), ("a", "from the file"), ("u/1", "p"), ("a", "x")]


async def test_what_is_wished_for_reaches_the_pool_through_the_proxy(tmp_path: Path) -> None:
    async with FakePool() as pool:
        pool.new_block()
        async with FakeTunnel("socks5", to_port=pool.port) as tunnel:
            one = UpstreamSettings(
                url="stratum+tcp://pool.onion:3333",
                user="a",
                proxy=f"socks5://127.0.0.1:{tunnel.port}",
                suggest_difficulty=0.5,
                version_mask=0,
                ntime_roll_seconds=60,
            )
            source = made(tmp_path, one)
            async with running(source):
                job = await next_job(source)
                wish = await pool.wait_wish()
    assert tunnel.asked == ["pool.onion:3333"]
    assert job.version_mask == 0
    assert job.ntime_max - job.ntime == 60
    assert wish == target_from_difficulty(0.5)


async def test_a_pool_over_tls_whose_certificate_is_pinned(tmp_path: Path) -> None:
    certificate = trustme.CA().issue_cert("some.where.else")
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(server_side)
    der = ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())
    fingerprint = sha256(der).hexdigest()
    async with FakePool(tls=server_side) as pool:
        pool.new_block()
        url = f"stratum+ssl://127.0.0.1:{pool.port}"
        good = made(tmp_path, UpstreamSettings(url=url, user="u", fingerprint=fingerprint))
        async with running(good):
            await next_job(good)
        for other in ("ab" * 32, ""):
            source = made(tmp_path, UpstreamSettings(url=url, user="u", fingerprint=other))
            with capture_logs() as logs:
                async with running(source):
                    while not [log for log in logs if log["event"] == "source_lost"]:
                        await source.status.wait_newer(source.status.serial)
            assert "certificate that is not trusted" in str(logs)
    assert [user for user, _ in pool.users] == ["u"]  # nobody else was told who we are


@pytest.mark.parametrize("strategy", ["quota", "rotate"])
async def test_pools_may_be_used_in_turns(tmp_path: Path, strategy: str) -> None:
    async with FakePool() as one, FakePool() as other:
        one.new_block()
        other.new_block()
        settings = [
            UpstreamSettings(url=f"stratum+tcp://127.0.0.1:{pool.port}", user="u")
            for pool in (one, other)
        ]
        source = make_source(
            settings,
            ids=itertools.count(1),
            journal=tmp_path / "blocks.jsonl",
            pools=PoolsSettings(strategy=StrategyName(strategy), turn_seconds=1),
        )
        async with running(source):
            first = await next_job(source)
            second = await next_job(source, first)
            while second.source == first.source:
                second = await next_job(source, second)


async def test_a_standby_is_connected_beforehand(tmp_path: Path) -> None:
    async with FakePool() as one, FakePool() as other:
        one.new_block()
        settings = [
            UpstreamSettings(url=f"stratum+tcp://127.0.0.1:{pool.port}", user="u")
            for pool in (one, other)
        ]
        source = make_source(
            settings,
            ids=itertools.count(1),
            journal=tmp_path / "blocks.jsonl",
            pools=PoolsSettings(standby=True),
        )
        async with running(source):
            await next_job(source)
            async with asyncio.timeout(20):
                await other.wait_connections(1)


def test_a_quota_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no upstream has a `weight`"):
        make_source(
            [UpstreamSettings(url="stratum+tcp://h", user="u", weight=0)],
            ids=itertools.count(1),
            journal=tmp_path / "blocks.jsonl",
            pools=PoolsSettings(strategy=StrategyName.QUOTA),
        )


@pytest.mark.node
async def test_the_cookie_is_found_where_bitcoind_puts_it(tmp_path: Path) -> None:
    with running_bitcoind(tmp_path / "node") as node:
        by_hand = UpstreamSettings(
            url=f"bitcoind+http://127.0.0.1:{node.port}",
            cookie=str(node.cookie),
            address=REGTEST_ADDRESS,
            pace_seconds=0,
        )
        source = made(tmp_path, by_hand)
        async with running(source):
            answers = Answers()
            source.submit(find_share(await next_job(source)), None, answers.done)
            assert (await answers.one()).reason is Reason.ACCEPTED
    # Nobody answers at this port, but the message names the file that would be used.
    source = made(tmp_path, UpstreamSettings(url=NODE, address=REGTEST_ADDRESS))
    with capture_logs() as logs:
        async with running(source):
            while not logs:
                await source.status.wait_newer(source.status.serial)
    assert str(tmp_path / ".bitcoin" / "regtest" / ".cookie") in str(logs)


@pytest.mark.kernel
async def test_a_node_that_is_killed_and_comes_back_loses_no_block(tmp_path: Path) -> None:
    need_kernel()
    node = EmbeddedNode(tmp_path / "node").start()
    port = node.port
    one = UpstreamSettings(
        url=f"bitcoind+http://127.0.0.1:{port}",
        cookie=str(node.cookie),
        address=REGTEST_ADDRESS,
        pace_seconds=0,
        name="solo",
    )
    source = made(tmp_path, one)
    try:
        async with running(source):
            first = await next_job(source)
            answers = Answers()
            source.submit(find_share(first), None, answers.done)
            assert (await answers.one()).reason is Reason.ACCEPTED
            second = await next_job(source, first)

            await asyncio.to_thread(node.kill)
            await until_state(source, SourceState.DEGRADED)
            assert source.jobs.get() == second  # held: a block may yet be found
            late = Answers()
            source.submit(find_share(second), None, late.done)
            assert (await late.one()).reason is Reason.PENDING

            await asyncio.to_thread(node.start, "--rpc-port", str(port))  # with a new cookie
            third = second
            while third.prev_hash == second.prev_hash:
                third = await next_job(source, third)
            assert source.status.get().state is SourceState.ACTIVE
            assert await asyncio.to_thread(node.call, "getblockcount") == 2
            await until_resolved(tmp_path / "blocks.jsonl")
    finally:
        node.stop()


async def until_state(source: JobSource, state: SourceState) -> None:
    async with asyncio.timeout(30):
        async for status in source.status:
            if status.state is state:
                return


@pytest.mark.node
async def test_a_node_that_lags_behind_the_next_one_is_used_when_it_has_caught_up(
    tmp_path: Path,
) -> None:
    with (
        running_bitcoind(
            tmp_path / "a", extra=[f"-zmqpubhashblock=tcp://127.0.0.1:{free_port()}"]
        ) as a,
        running_bitcoind(tmp_path / "b") as b,
    ):
        blocks = await a.acall("generatetoaddress", 3, REGTEST_ADDRESS)
        for each in blocks:
            await b.acall("submitblock", await a.acall("getblock", each, 0))
        ahead = await b.acall("generatetoaddress", 2, REGTEST_ADDRESS)
        roster = Roster(
            [
                UpstreamSettings(
                    url=f"bitcoind+{node.url}",
                    name=name,
                    cookie=str(node.cookie),
                    address=REGTEST_ADDRESS,
                    pace_seconds=0,
                )
                for name, node in (("a", a), ("b", b))
            ],
            PoolsSettings(stable_seconds=0.1),
            ids=itertools.count(1),
            journal=tmp_path / "j",
        )
        with capture_logs() as logs:
            async with running(roster.group):
                job = await next_job(roster.group)
                assert (job.source, hash_to_hex(job.prev_hash)) == ("b", ahead[-1])
                for each in ahead:
                    await a.acall("submitblock", await b.acall("getblock", each, 0))
                while job.source != "a":
                    job = await next_job(roster.group, job)
                assert hash_to_hex(job.prev_hash) == ahead[-1]
                (own,) = await b.acall("generatetoaddress", 1, REGTEST_ADDRESS)
                await a.acall("submitblock", await b.acall("getblock", own, 0))
                assert roster.circle.nudge() >= 1
                while hash_to_hex(job.prev_hash) != own:
                    job = await next_job(roster.group, job)
        lost = [each for each in logs if each["event"] == "source_lost"]
        assert "a is behind: its best block has height 3, b has 5" in lost[0]["error"]


def test_an_upstream_that_cannot_be_used_has_an_exit_code() -> None:
    assert UpstreamError("gone").exit_code == EXIT_UNAVAILABLE
