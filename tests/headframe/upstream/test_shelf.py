"""Templates whose transactions are on disk before a block of theirs is found."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from structlog.testing import capture_logs

from headframe.chain.coinbase import Output
from headframe.chain.hashes import sha256d
from headframe.chain.job import Job, Lineage, SourceId
from headframe.chain.share import Share
from headframe.chain.template import Template, assemble_block, make_job, parse_template
from headframe.upstream.bodies import KEPT, Bodies
from headframe.upstream.shelf import Shelf
from tests.fakes.foundblocks import until
from tests.fakes.vectors import load

VECTOR = next(v for v in load("gbt_blocks")["vectors"] if v["id"] == "h113-11tx-rolled")
SMALL = parse_template(VECTOR["template"])
LARGE = replace(SMALL, transactions=SMALL.transactions * 40, commitment=b"of more")
"""Of the size of a real one: its root is wrong, but nobody looks at that here."""


def job_of(template: Template) -> tuple[Job, Share]:
    job = make_job(
        template,
        lineage=Lineage(SourceId("node"), itertools.count(1)),
        outputs=[Output(value=template.value, script=b"\x51")],
        extranonce_size=8,
        tag=b"",
        version_mask=0,
        block_target=None,
    )
    share = Share(job_id=job.id, extranonce=bytes(8), ntime=job.ntime, nonce=7, version=job.version)
    return job, share


@asynccontextmanager
async def shelf_in(folder: Path) -> AsyncIterator[tuple[Shelf, Bodies]]:
    bodies = Bodies(folder, wall=lambda: 0)
    shelf = Shelf(bodies)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(shelf.run())
        yield shelf, bodies
        task.cancel()


def is_kept(shelf: Shelf, template: Template) -> bool:
    return bool(shelf.block_of(template, *job_of(template)).body)


async def test_a_block_names_the_file_that_has_its_end(tmp_path: Path) -> None:
    job, share = job_of(LARGE)
    async with shelf_in(tmp_path) as (shelf, bodies):
        before = shelf.block_of(LARGE, job, share)
        assert (before.body, before.body_bytes) == ("", 0)
        shelf.put(LARGE)
        await until(lambda: is_kept(shelf, LARGE))
        block = shelf.block_of(LARGE, job, share)
    assert block.raw == before.raw == assemble_block(LARGE, job, share)
    assert block.hash == sha256d(block.raw[:80])
    assert (block.source, block.height) == ("node", LARGE.height)
    end = bodies.read(block.body)
    assert len(end) == block.body_bytes
    assert block.raw.endswith(end)
    assert (
        end == b"".join(bytes.fromhex(tx["data"]) for tx in VECTOR["template"]["transactions"]) * 40
    )


async def test_small_templates_are_not_worth_a_file(tmp_path: Path) -> None:
    async with shelf_in(tmp_path) as (shelf, _):
        shelf.put(SMALL)
        await asyncio.sleep(0)
        shelf.put(LARGE)
        await until(lambda: is_kept(shelf, LARGE))
        shelf.put(replace(LARGE, curtime=LARGE.curtime + 30))  # the same transactions
        await asyncio.sleep(0)
        assert not is_kept(shelf, SMALL)
    assert len([*tmp_path.iterdir()]) == 1


async def test_the_oldest_templates_make_room(tmp_path: Path) -> None:
    templates = [
        replace(LARGE, commitment=bytes([number]), transactions=LARGE.transactions[number:])
        for number in range(KEPT + 1)
    ]
    async with shelf_in(tmp_path) as (shelf, _):
        for template in templates:
            shelf.put(template)
            await until(lambda template=template: is_kept(shelf, template))  # type: ignore[misc]
        assert [is_kept(shelf, template) for template in templates] == [False] + [True] * KEPT


async def test_a_disk_in_trouble_is_told_once_and_the_block_is_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with capture_logs() as logs:
        async with shelf_in(tmp_path / "file") as (shelf, _):
            shelf.put(LARGE)
            await until(lambda: len(logs) == 1)
            shelf.put(replace(LARGE, curtime=LARGE.curtime + 30))
            await until(lambda: len(logs) == 2)
            assert not is_kept(shelf, LARGE)
    assert [entry["log_level"] for entry in logs] == ["warning", "debug"]
    assert "a little longer" in logs[0]["consequence"]
