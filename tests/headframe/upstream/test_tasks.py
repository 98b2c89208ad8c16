"""Running several things at once."""

import asyncio

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
