"""Running several things at once where the first failure ends all."""

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["run_together"]


async def run_together(*works: Coroutine[Any, Any, None]) -> None:
    """Run coroutines until the first fails, and raise what it raised, not a group.

    Returns when all have returned. A failure that comes together with the caller's own
    cancellation gives way to it: a task group raises the failure then, and whoever retries
    after failures would go on for ever in a task that was told to end.
    """
    task = asyncio.current_task()
    cancels = task.cancelling() if task is not None else 0
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
            # Waiting here, not in the group's exit: there Python 3.11 counts its own
            # cancellation of this task as one from outside.
            await asyncio.wait(tasks)
    except BaseExceptionGroup as failures:
        if task is not None and task.cancelling() > cancels:
            raise asyncio.CancelledError from failures
        raise failures.exceptions[0] from None
