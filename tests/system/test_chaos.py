"""Bad networks on both legs of the proxy: the installed program between real rigs and pools.

What passes is cut into single bytes, gathered, late, stalled, reset and closed on one side.
Shares must be accepted all the same, each request answered once or its connection ended, and
the books must balance.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from headframe.chain.share import Reason
from headframe.chain.target import MAX_TARGET, Target
from tests.fakes.faultlink import FaultLink, Line
from tests.fakes.pool import FakePool
from tests.fakes.ports import free_port
from tests.fakes.programs import Program, headframe, until
from tests.fakes.rig import RawRig, Rig, connected
from tests.fakes.scrapes import Scrapes

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

HALF = 4.6566e-10
"""The difficulty that every second hash meets."""
QUARTER = Target(MAX_TARGET >> 2)
PATIENCE_SECONDS = 60
LATE = {Reason.STALE, Reason.UNKNOWN_JOB}
"""What may become of shares that were under way when the upstream changed."""


@dataclass
class Site:
    """A proxy, a link in front of it, and the links to its pools."""

    program: Program
    rigs: FaultLink
    port: int

    async def ensure_sound(self) -> None:
        """The books balance, each second's check found so too, and nothing failed."""
        scrapes = Scrapes()
        scrapes.add((await self.program.get("/metrics"))[1])

        def figure(name: str) -> int:
            return int(scrapes.get(f"headframe_proxy_{name}"))

        assert figure("ledger_faults_total") == 0
        for unit, end in (("shares", ""), ("work", "_hashes")):

            def account(name: str, unit: str = unit, end: str = end) -> int:
                return figure(f"{unit}_{name}{end}_total")

            assert account("offered") == account("accepted") + account("refused") > 0
            gone = account("acknowledged") + account("lost") + account("refused_upstream")
            assert account("forwarded") == gone + figure(f"{unit}_pending{end}")
        kept, sent = figure("shares_kept_total"), figure("shares_forwarded_total")
        assert figure("shares_accepted_total") == kept + sent
        log = self.program.log()
        assert "Traceback" not in log, log[-4000:]
        assert "connection_failed" not in log, log[-4000:]


def settings(port: int, *pools: int) -> str:
    """The file of a proxy whose rigs and pools deal in shares that need no luck."""
    upstreams = "".join(
        f'[[upstreams]]\nurl = "stratum+tcp://127.0.0.1:{each}"\nuser = "site"\n' for each in pools
    )
    vardiff = "".join(f"{name} = {HALF}\n" for name in ("start", "least", "largest"))
    return (
        f"{upstreams}[pools]\nstable_seconds = 0.5\n"
        f"[[listeners]]\nport = {port}\nhandshake_seconds = 5\n[vardiff]\n{vardiff}"
    )


@asynccontextmanager
async def serving(folder: Path, *pools: int) -> AsyncIterator[Site]:
    port = free_port()
    file = folder / "proxy.toml"
    file.write_text(settings(port, *pools))
    async with (
        headframe("proxy", "--config", str(file), folder=folder) as program,
        FaultLink(port, seed=6) as link,
    ):
        yield Site(program, link, port)


def said(data: bytearray) -> list[dict[str, object]]:
    """Read the whole lines of what passed."""
    return [json.loads(line) for line in bytes(data).split(b"\n")[:-1]]


def ensure_answered_once(line: Line, *, all_of_them: bool = True) -> None:
    """Each request got one answer, in order; of a connection that was cut, the first ones."""
    asked = [each["id"] for each in said(line.to_server)]
    answered = [each["id"] for each in said(line.to_client) if "method" not in each]
    assert answered == (asked if all_of_them else asked[: len(answered)])


async def mine(rig: Rig, count: int) -> None:
    """Send shares one upon the other, and have all of them accepted."""
    job = await rig.job()
    tickets = [rig.submit(rig.find(job)) for _ in range(count)]
    for ticket in tickets:
        assert (await rig.verdict(ticket)).reason is Reason.ACCEPTED


@dataclass
class Digger:
    """A rig that works on the newest job until it is told to stop.

    Attributes:
        verdicts: of its shares.
    """

    rig: Rig
    verdicts: Counter[Reason] = field(default_factory=Counter)
    stopped: bool = False

    async def dig(self) -> None:
        while not self.stopped:
            verdict = await self.rig.say(self.rig.find(await self.rig.job()))
            self.verdicts[verdict.reason] += 1

    async def more(self, count: int = 5) -> None:
        """Wait until so many more were accepted."""
        wanted = self.verdicts[Reason.ACCEPTED] + count
        await until(lambda: self.verdicts[Reason.ACCEPTED] >= wanted, "more good shares")


@pytest.mark.parametrize(
    "fault",
    [
        {"piece_bytes": 1},
        {"merge_seconds": 0.2},
        {"delay_seconds": 0.03, "piece_bytes": 200},
        {"delay_seconds": 0.01, "piece_bytes": 99, "merge_seconds": 0.1},
    ],
    ids=["bytewise", "merged", "late", "all"],
)
async def test_shares_come_through_a_bad_line_to_the_rigs(fault: dict[str, float], tmp_path: Path):
    async with FakePool(size=8) as pool:
        pool.new_block(target=QUARTER)
        async with serving(tmp_path, pool.port) as site:
            for way in (site.rigs.to_server, site.rigs.to_client):
                for name, value in fault.items():
                    setattr(way, name, value)
            async with connected(site.rigs.port, "a.1", "a.2", "a.3") as rigs:
                for rig in rigs:
                    await mine(rig, 8)
                olds = [await rig.job() for rig in rigs]
                pool.new_block(target=QUARTER)
                for rig, old in zip(rigs, olds, strict=True):
                    await rig.job(after=old)
                    await mine(rig, 4)
                for line in site.rigs.lines:
                    ensure_answered_once(line)
            await site.ensure_sound()
        assert pool.wrong == []
        shares = [each.share for each in pool.heard.get()]
        assert len(set(shares)) == len(shares) > 0


async def test_rigs_that_stall_are_reset_or_half_close_harm_nobody(tmp_path: Path):
    async with FakePool(size=8) as pool:
        pool.new_block(target=QUARTER)
        async with (
            serving(tmp_path, pool.port) as site,
            connected(site.port, "good.1") as [good],
        ):
            async with connected(site.rigs.port, "bad.1", "bad.2") as rigs:
                await mine(rigs[0], 3)
                await stalled(site, rigs[0])
                await mine(good, 3)
                site.rigs.to_client.stall()  # answers are under way when the line is cut
                for rig in rigs:
                    job = await rig.job()
                    for _ in range(20):
                        rig.submit(rig.find(job))
                site.rigs.reset()
                site.rigs.calm()
                for rig in rigs:
                    await rig.closed()
                for line in site.rigs.lines:
                    ensure_answered_once(line, all_of_them=False)
            await half_closed(site)
            async with connected(site.rigs.port, "bad.1") as [back]:
                await mine(back, 3)
            await mine(good, 3)
            assert not good.lost
            await until(lambda: joined(site, 1), "the others to be gone", site.program)
            await site.ensure_sound()


async def stalled(site: Site, rig: Rig) -> None:
    """Let nothing through while shares are sent; all are answered afterwards."""
    for way in (site.rigs.to_server, site.rigs.to_client):
        way.stall()
        job = await rig.job()
        tickets = [rig.submit(rig.find(job)) for _ in range(20)]
        way.calm()
        assert [(await rig.verdict(each)).reason for each in tickets] == [Reason.ACCEPTED] * 20
    for line in site.rigs.lines:
        ensure_answered_once(line)


async def half_closed(site: Site) -> None:
    """A rig that asks and then says that it has said all is answered before the end."""
    async with RawRig.to(site.rigs.port) as raw:
        await raw.join("half.1")
        for request_id in ("x", 7.5, 2**60, "y"):
            raw.send(request_id, "mining.submit", "half.1", "nonsense", "00", "0", "0")
        raw.writer.write_eof()
        async with asyncio.timeout(PATIENCE_SECONDS):
            rest = await raw.reader.read()
        answers = [json.loads(line) for line in rest.splitlines()]
        assert [each["id"] for each in answers if "method" not in each] == ["x", 7.5, 2**60, "y"]
        ensure_answered_once(site.rigs.lines[-1])


async def joined(site: Site, count: int) -> bool:
    return bool((await site.program.status())["rigs_total"] == count)


@pytest.mark.slow
async def test_rigs_stay_while_the_line_to_the_first_pool_suffers(tmp_path: Path):
    async with (
        FakePool(extranonce1=b"\x01\x02", size=8) as one,
        FakePool(extranonce1=b"\x03\x04", size=8) as two,
        FaultLink(one.port, seed=7) as link,
    ):
        one.new_block(target=QUARTER)
        two.new_block(target=QUARTER)
        async with (
            serving(tmp_path, link.port, two.port) as site,
            connected(site.rigs.port, "a.1", "a.2") as rigs,
        ):
            diggers = [Digger(rig) for rig in rigs]
            async with asyncio.TaskGroup() as group:
                for digger in diggers:
                    group.create_task(digger.dig())
                await distorted(link, one, diggers)
                await cut(link, one, two, diggers, site)
                for digger in diggers:
                    digger.stopped = True
            assert not any(rig.lost for rig in rigs)
            for line in site.rigs.lines:
                ensure_answered_once(line)
            await until(lambda: nothing_pending(site), "the last answers", site.program)
            await site.ensure_sound()
        for digger in diggers:
            assert set(digger.verdicts) <= {Reason.ACCEPTED, *LATE}, digger.verdicts
        for pool in (one, two):
            assert {each.truth for each in pool.wrong} <= {Reason.STALE}  # a late line's
            shares = [each.share for each in pool.heard.get()]
            assert len(set(shares)) == len(shares), "no share twice"


async def nothing_pending(site: Site) -> bool:
    return bool((await site.program.status())["pool"]["pending"] == 0)


async def distorted(link: FaultLink, pool: FakePool, diggers: list[Digger]) -> None:
    """Bytes, gathered or late; then nothing for a while: the pool is kept all the time."""
    for piece, merge, delay in ((1, 0.0, 0.0), (0, 0.4, 0.0), (300, 0.0, 0.05)):
        for way in (link.to_server, link.to_client):
            way.piece_bytes, way.merge_seconds, way.delay_seconds = piece, merge, delay
        await grows(pool, diggers)
        pool.new_block(target=QUARTER)
        await grows(pool, diggers)
    link.to_server.stall()
    link.to_client.stall()
    for digger in diggers:
        await digger.more()
    link.calm()
    await grows(pool, diggers)
    assert pool.connections.get() == 1


async def cut(
    link: FaultLink, one: FakePool, two: FakePool, diggers: list[Digger], site: Site
) -> None:
    """Reset, then half closed each way: rigs mine for the second pool, and then go back."""
    before = len(one.wrong)
    for fault in (link.reset, link.end_server, link.end_client):
        link.to_port = free_port()  # it cannot come back at once
        fault()
        await grows(two, diggers)
        link.to_port = one.port
        await grows(one, diggers)
        await site.ensure_sound()
    assert len(one.wrong) == before, "a share was sent that the pool could not take"


async def grows(pool: FakePool, diggers: list[Digger]) -> None:
    """Shares of all reach a pool."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        await pool.wait_heard(len(pool.heard.get()) + 3)
    for digger in diggers:
        await digger.more(3)
