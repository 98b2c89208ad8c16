"""A source and its companions: they run together, and end together."""

import asyncio

import pytest

from headframe.chain.share import Reason
from headframe.upstream.attended import AttendedSource
from headframe.upstream.base import UnreachableError
from tests.contracts.source import Answers, find_share, next_job, running
from tests.fakes.handsource import HandSource
from tests.fakes.source import EASY


class Companion:
    def __init__(self) -> None:
        self.running = 0

    async def run(self) -> None:
        self.running += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.running -= 1


async def test_companions_run_as_long_as_the_source() -> None:
    inner, one, two = HandSource("inner"), Companion(), Companion()
    source = AttendedSource(inner, [one.run, two.run])
    assert source.status is inner.status
    for times in (1, 2):
        async with running(source):
            await inner.wait_runs(times)
            await asyncio.sleep(0)
            inner.publish(target=EASY)
            job = await next_job(source)
            assert one.running == two.running == 1
            answers = Answers()
            share = find_share(job)
            source.submit(share, "rig", answers.done)
            assert (await answers.one()).reason is Reason.ACCEPTED
            assert inner.heard[-1] == (share, "rig")
        assert one.running == two.running == 0
        assert not inner.running


async def test_the_sources_failure_ends_all() -> None:
    inner, one = HandSource("inner"), Companion()
    inner.trouble = UnreachableError("gone")
    with pytest.raises(UnreachableError, match="gone"):
        await AttendedSource(inner, [one.run]).run()
    assert one.running == 0
