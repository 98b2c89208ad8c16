import asyncio
from pathlib import Path

import pytest

from headframe.runtime.errors import ConfigError
from proxy.chronicle import Chronicle
from proxy.history_read import Query, read
from proxy.history_settings import HistorySettings, ShareLogSettings
from proxy.routes import Rule
from proxy.sharelog import ShareLog
from proxy.sharelog_files import Rotation
from proxy.store import Store
from tests.fakes.proxying import ManualClock
from tests.fakes.rig import connected
from tests.fakes.routes import farming
from tests.fakes.sharelogging import audit_of, lines_of

TO_B = Rule(route="b", login="b.*")


async def test_each_routes_books_go_on_where_they_ended(tmp_path: Path):
    path = tmp_path / "history.sqlite"
    for expected in (1, 2):
        async with farming("a") as farm:
            chronicle = Chronicle(farm.routing, Store(path))
            chronicle.begin()
            farm.change("a", "b", rules=[TO_B])
            farm.publish("b")
            async with connected(farm.port(), "b.1") as [rig]:
                await rig.say(rig.find(await rig.job()))
            await chronicle.end()
            ledger = farm.routing.known["b"].hub.ledger
            assert ledger.total.accepted.shares == expected
            assert ledger.workers["b.1"].accepted.shares == expected
            assert farm.routing.known["a"].hub.ledger.total.accepted.shares == 0


async def test_books_are_told_to_the_share_log_at_the_start_each_minute_and_at_the_end(
    tmp_path: Path,
):
    path = tmp_path / "shares.jsonl"
    for _ in range(2):
        async with farming("a") as farm:
            clock = ManualClock()
            farm.routing.clock = clock.clock
            chronicle = Chronicle(
                farm.routing, Store(tmp_path / "h.sqlite"), ShareLog(path), flush_seconds=10
            )
            chronicle.begin()
            assert len(chronicle.stats) == 2
            farm.publish("a")
            async with connected(farm.port(), "w") as [rig]:
                await rig.say(rig.find(await rig.job()))
            for _ in range(3):
                clock.now += 61
                await chronicle.tick()
            await chronicle.end()
    lines = lines_of(path)
    books = [(line["kind"], line["why"]) for line in lines if line["kind"] in {"totals", "worker"}]
    minutes = [("totals", "minute")] * 3
    assert books == [
        ("totals", "start"),
        *minutes,
        ("totals", "end"),
        ("worker", "end"),
        ("totals", "start"),
        ("worker", "start"),
        *minutes,
        ("totals", "end"),
        ("worker", "end"),
    ]
    assert lines[-2]["books"]["accepted"][0] == 2, "the second run counts on"
    found = audit_of(*lines)
    assert found.shown == found.notes == []


async def test_a_new_file_begins_with_all_books_and_idle_workers_have_a_last_line(tmp_path: Path):
    path = tmp_path / "shares.jsonl"
    async with farming("a") as farm:
        clock = ManualClock()
        farm.routing.clock = clock.clock
        log = ShareLog(path, Rotation(largest_bytes=1, compress=False))
        chronicle = Chronicle(farm.routing, Store(tmp_path / "h.sqlite"), log)
        chronicle.begin()
        farm.publish("a")
        async with connected(farm.port(), "w") as [rig]:
            await rig.say(rig.find(await rig.job()))
        async with asyncio.timeout(20):
            while log.waiting:
                await asyncio.sleep(0.01)
            clock.now += 61
            await chronicle.tick()
            while not log.rotations:
                await asyncio.sleep(0.01)
        await chronicle.tick()
        for _ in range(2):
            clock.now += 4000
            await chronicle.tick()
        await chronicle.end()
        assert farm.routing.known["a"].hub.ledger.workers == {}
    whole = [line for each in sorted(tmp_path.glob("shares*.jsonl")) for line in lines_of(each)]
    whys = [line["why"] for line in whole if line["kind"] == "worker"]
    assert whys[0] == "rotation"
    assert "idle" in whys
    assert audit_of(*whole).shown == []


async def test_another_share_log_begins_and_the_one_before_ends_with_all_books(tmp_path: Path):
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    async with farming("a") as farm:
        clock = ManualClock()
        farm.routing.clock = clock.clock
        chronicle = Chronicle(farm.routing, Store(tmp_path / "h.sqlite"), ShareLog(first))
        chronicle.begin()
        stats = chronicle.stats
        farm.publish("a")
        async with connected(farm.port(), "w") as [rig]:
            job = await rig.job()
            share = rig.find(job)
            await rig.say(share)
            change = chronicle.prepare(ShareLogSettings(path=str(second)))
            assert chronicle.commit(change, HistorySettings()) == ["share log"]
            await rig.say(share)  # the same once more: a duplicate, of which this log knows nothing
            await rig.say(rig.find(job))
            await chronicle.tick()
            unchanged = chronicle.prepare(ShareLogSettings(path=str(second), keep=3))
            assert chronicle.commit(unchanged, HistorySettings()) == []
            await rig.say(rig.find(job))
            off = chronicle.prepare(ShareLogSettings())
            assert chronicle.commit(off, HistorySettings()) == ["share log"]
            await rig.say(share)
            assert chronicle.commit(chronicle.prepare(ShareLogSettings()), HistorySettings()) == []
        await chronicle.end()
        assert chronicle.stats == stats
    counts = {}
    for path in (first, second):
        lines = lines_of(path)
        counts[path.stem] = [line["verdict"] for line in lines if line["kind"] == "share"]
        found = audit_of(*lines)
        assert found.shown == found.notes == []
        assert found.not_covered == 0
    assert counts == {"first": ["accepted"], "second": ["duplicate", "accepted", "accepted"]}


async def test_a_log_that_cannot_be_written_changes_nothing(tmp_path: Path):
    async with farming("a") as farm:
        chronicle = Chronicle(farm.routing, Store(tmp_path / "h.sqlite"))
        chronicle.begin()
        (tmp_path / "file").touch()
        with pytest.raises(ConfigError, match="cannot be written"):
            chronicle.prepare(ShareLogSettings(path=str(tmp_path / "file" / "log")))
        dropped = tmp_path / "dropped.jsonl"
        chronicle.prepare(ShareLogSettings(path=str(dropped))).drop()
        chronicle.prepare(ShareLogSettings()).drop()
        assert chronicle.share_log is None
        assert [line["kind"] for line in lines_of(dropped)] == ["run", "run"]
        await chronicle.end()


async def test_history_is_kept_by_other_rules(tmp_path: Path):
    async with farming("a") as farm:
        clock = ManualClock()
        farm.routing.clock = clock.clock
        store = Store(tmp_path / "h.sqlite", wall=clock.wall)
        chronicle = Chronicle(farm.routing, store, flush_seconds=60)
        chronicle.begin()
        history = HistorySettings(flush_seconds=5, minutes_hours=7)
        chronicle.commit(chronicle.prepare(ShareLogSettings()), history)
        farm.publish("a")
        async with connected(farm.port(), "w") as [rig]:
            await rig.say(rig.find(await rig.job()))
            clock.now += 6
            await chronicle.tick()
        assert chronicle.store._retention == history.retention()
        path = chronicle.store.path
        query = Query(since=0, until=2**40, step="minute")
        async with asyncio.timeout(20):
            while not list(read(path, query)):  # though a minute is not over
                await asyncio.sleep(0.01)
        await chronicle.end()
