"""The node's core behind the event loop."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headframe.node.core import NodeCore
from headframe.node.errors import Code, KernelError, RpcError
from headframe.node.service import NodeService
from tests.fakes.nodeparts import Key, need_kernel

pytestmark = pytest.mark.kernel

SCRIPT = Key().script
NOW = 1_750_000_000


def mine(core: NodeCore) -> bytes:
    found, _ = core.mine(SCRIPT, 1000)
    assert found is not None
    return found


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[NodeService]:
    need_kernel()
    async with NodeService(tmp_path, wall=lambda: NOW) as opened:
        yield opened


async def test_everything_runs_on_one_thread_that_is_not_ours(node: NodeService) -> None:
    names = {await node.run(lambda _: threading.current_thread().name) for _ in range(3)}
    assert len(names) == 1
    assert names != {threading.current_thread().name}


async def test_the_tip_is_known_when_the_call_returns(node: NodeService) -> None:
    block_hash = await node.run(mine)
    assert (node.tip.hash, node.tip.height, node.tip.time) == (block_hash, 1, NOW)


async def test_who_waits_is_woken_by_a_new_block(node: NodeService) -> None:
    old = node.tip.hash
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        waiting = group.create_task(node.wait_tip(lambda tip: tip.hash != old, 60))
        block_hash = await node.run(mine)
    assert waiting.result().hash == block_hash


async def test_waiting_ends_with_what_there_is(node: NodeService) -> None:
    tip = await node.wait_tip(lambda _: False, 0.01)
    assert tip == node.tip


async def test_who_waits_is_told_of_the_end(node: NodeService) -> None:
    async def wait() -> RpcError:
        with pytest.raises(RpcError) as caught:
            await node.wait_tip(lambda _: False, 60)
        return caught.value

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        waiting = group.create_task(wait())
        await asyncio.sleep(0)
        node.release_waiters()
    assert (waiting.result().code, waiting.result().message) == (
        Code.NOT_CONNECTED,
        "Shutting down",
    )
    with pytest.raises(RpcError, match="Shutting down"):
        await node.run(mine)


async def test_before_and_after_its_context_there_is_no_chain(tmp_path: Path) -> None:
    need_kernel()
    service = NodeService(tmp_path)
    with pytest.raises(RpcError, match="Shutting down"):
        _ = service.tip
    async with service:
        await service.run(mine)
    with pytest.raises(RpcError, match="Shutting down"):
        await service.run(mine)
    async with NodeService(tmp_path) as again:
        assert again.tip.height == 1


async def test_a_folder_in_use_is_refused(node: NodeService) -> None:
    with pytest.raises(KernelError, match="another process"):
        async with NodeService(node.folder):
            pass


async def test_a_start_that_is_cancelled_leaves_the_folder_free(tmp_path: Path) -> None:
    need_kernel()

    async def start() -> None:
        async with NodeService(tmp_path):
            await asyncio.Event().wait()

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        task = group.create_task(start())
        await asyncio.sleep(0)  # it has begun to open, and no more
        task.cancel()
    async with NodeService(tmp_path) as again:
        assert again.tip.height == 0
    assert not (tmp_path / "dirty").exists()


async def test_time_comes_from_the_clocks_it_was_given(tmp_path: Path) -> None:
    ticks = iter([100.0, 107.9])
    service = NodeService(tmp_path, wall=lambda: 5, clock=lambda: next(ticks))
    assert (service.uptime_seconds, service.wall_seconds()) == (7, 5)
