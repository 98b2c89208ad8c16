"""Running several things at once where the first failure ends all."""

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["run_together"]


async def run_together(*works: Coroutine[Any, Any, None]) -> None:
    """Run coroutines until the first fails, and raise what it raised, not a group.

    Returns when all have returned.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
