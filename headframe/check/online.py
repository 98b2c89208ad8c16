"""Asks pools and nodes for a first job, as the programs would, and says how that went."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from headframe.chain.job import Job
from headframe.chain.target import difficulty_from_target
from headframe.check.upstreams import endpoint_of, source_of
from headframe.runtime.errors import HeadframeError
from headframe.upstream.base import JobSource
from headframe.upstream.options import UpstreamSettings

__all__ = ["Answer", "ask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How one upstream did.

    Attributes:
        url: where it is, without credentials.
        seconds: how long it took.
        text: one line: what it offers, or what is wrong.
        job: its first; `None` when there was none.
    """

    url: str
    seconds: float
    text: str
    job: Job | None


async def ask(one: UpstreamSettings, *, limit_seconds: float, clock: Callable[[], float]) -> Answer:
    """Connect to an upstream, wait for its first job, and leave.

    A pool must let us in and send work. A node must be on a chain that may be mined, have
    caught up, pay the address, and give a template that makes a job.

    Args:
        one: its settings, which were found to be good.
        limit_seconds: how long that may take.
        clock: monotonic seconds.
    """
    began = clock()
    source = source_of(one)
    job, text = None, ""
    try:
        async with asyncio.timeout(limit_seconds):
            job = await _first_job(source)
        text = _offer(job, source)
    except TimeoutError:
        text = (
            f"no job within {limit_seconds:g} s: it does not answer, does not let us in, or has "
            "no work"
        )
    except HeadframeError as error:
        text = str(error)
    url = endpoint_of(one).url
    return Answer(url=url, seconds=clock() - began, text=text, job=job)


async def _first_job(source: JobSource) -> Job:
    """Run a source until it has a job.

    Raises:
        HeadframeError: it gave up before.
    """
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(source.run())
            job = source.jobs.get()
            while job is None:
                job = await source.jobs.wait_newer(source.jobs.serial)
            running.cancel()
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return job


def _offer(job: Job, source: JobSource) -> str:
    status = source.status.get()
    parts = [f"{status.network}" if status.network else ""]
    parts.append(f"height {status.height}" if status.height is not None else "")
    parts.append(f"extranonce {job.extranonce_size} bytes")
    parts.append(f"version mask {job.version_mask:08x}")
    parts.append(f"share difficulty {float(difficulty_from_target(job.target)):.4g}")
    return ", ".join(part for part in parts if part)
