from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headframe.check.online import Answer, ask
from headframe.runtime.clock import monotonic
from headframe.upstream.options import UpstreamSettings
from tests.fakes.nodeparts import need_kernel, running_node
from tests.fakes.pool import FakePool
from tests.fakes.rpcnode import RpcNode

LIMIT_SECONDS = 60
REGTEST_ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"


@pytest.fixture
async def pool() -> AsyncIterator[FakePool]:
    async with FakePool() as running:
        running.new_block()
        yield running


async def answer_of(url: str, *, limit: float = LIMIT_SECONDS, **settings: str) -> Answer:
    one = UpstreamSettings(url=url, **settings)  # type: ignore[arg-type]
    answer = await ask(one, limit_seconds=limit, clock=monotonic)
    assert "\n" not in answer.text
    assert answer.seconds >= 0
    return answer


async def test_a_pool_that_gives_work_says_what_it_offers(pool: FakePool) -> None:
    answer = await answer_of(f"stratum+tcp://u:hunter2@127.0.0.1:{pool.port}", user="me")
    assert answer.job is not None
    assert answer.url == f"stratum+tcp://127.0.0.1:{pool.port}"
    assert "extranonce 4 bytes, version mask 1fffe000" in answer.text
    assert "height 101" in answer.text
    assert pool.users == [("me", "hunter2")]
    assert not pool.heard.get()


async def test_a_pool_that_refuses_us_is_quoted(pool: FakePool) -> None:
    pool.lets_in = lambda user: False
    answer = await answer_of(f"stratum+tcp://127.0.0.1:{pool.port}", user="me")
    assert answer.job is None
    assert "refused" in answer.text


async def test_a_pool_that_says_nothing_is_given_up_after_the_limit(pool: FakePool) -> None:
    pool.mute = True
    answer = await answer_of(f"stratum+tcp://127.0.0.1:{pool.port}", user="me", limit=0.2)
    assert answer.job is None
    assert answer.text.startswith("no job within 0.2 s: it does not answer")


async def test_a_pool_that_is_away_is_told_in_its_words(pool: FakePool) -> None:
    await pool.go_away()
    answer = await answer_of(f"stratum+tcp://127.0.0.1:{pool.port}", user="me")
    assert answer.job is None
    assert "refused the connection" in answer.text


@pytest.mark.kernel
async def test_a_node_that_gives_work_says_on_what_chain(tmp_path: Path) -> None:
    need_kernel()
    with running_node(tmp_path) as node:
        answer = await answer_of(
            f"bitcoind+http://127.0.0.1:{node.port}",
            address=REGTEST_ADDRESS,
            cookie=str(node.cookie),
        )
    assert answer.job is not None
    assert answer.text.startswith("regtest, height 1,")


async def test_a_node_that_still_synchronises_does_not_work() -> None:
    info = {
        "chain": "testnet4", "blocks": 5, "headers": 900, "bestblockhash": "00" * 32,
        "initialblockdownload": True,
    }  # fmt: skip
    async with RpcNode({"getblockchaininfo": info}) as node:
        answer = await answer_of(
            f"bitcoind+{node.url}", address=REGTEST_ADDRESS, user="u", password="p"
        )
    assert answer.job is None
    assert "still synchronising" in answer.text
