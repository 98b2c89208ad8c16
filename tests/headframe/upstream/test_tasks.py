"""Running several things at once."""

import asyncio
import contextlib

import pytest

from headframe.upstream.base import UnreachableError
from headframe.upstream.tasks import run_together


async def test_the_first_failure_ends_all_and_comes_out_as_it_is() -> None:
    ended = asyncio.Event()

    async def for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def fail() -> None:
        raise UnreachableError("gone")

    with pytest.raises(UnreachableError, match="gone"):
        await run_together(for_ever(), fail())
    assert ended.is_set()


async def test_it_returns_when_all_have_returned() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        done.append(number)

    await run_together(work(1), work(2))
    assert done == [1, 2]


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancellation_is_not_lost_in_a_failure_of_the_same_moment(turns: int) -> None:
    now = asyncio.Event()

    async def fail() -> None:
        await now.wait()
        raise UnreachableError("gone")

    async def retry() -> None:
        for _ in range(2):
            with contextlib.suppress(UnreachableError):
                await run_together(fail(), asyncio.sleep(3600))
            now.clear()

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        task = group.create_task(retry())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        now.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
    assert task.cancelled()
