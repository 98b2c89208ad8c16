"""The last events of a process, as its log told them."""

import io
import sys
import threading
from typing import Any

import msgspec
import pytest

from headframe.runtime.clock import wall_milliseconds
from headframe.runtime.events import RECENT, Event, EventLevel, EventPage, EventRing
from headframe.runtime.logs import get_logger, setup

FIRST = 1000
MANY: dict[str, Any] = dict.fromkeys(map(str, range(100)), 1)


@pytest.fixture
def ring() -> EventRing:
    return EventRing(3, first=lambda: FIRST)


def tell(ring: EventRing, name: str = "rig_joined", level: str = "info", **fields: Any) -> None:
    given: dict[str, Any] = {
        "event": name,
        "level": level,
        "logger": "proxy.hub",
        "timestamp": "2026",
        **fields,
    }
    assert ring(None, level, given) is given


def serials(page: EventPage) -> list[int]:
    return [event.serial for event in page.events]


def test_an_event_is_kept_with_its_fields_and_a_line_for_people(ring: EventRing):
    tell(ring, user="a.1", count=2, ratio=0.5, known=True, reason=None, names=["a", "b"])
    assert ring.page(None, limit=10).events == (
        Event(
            serial=FIRST,
            time="2026",
            level="info",
            event="rig_joined",
            logger="proxy.hub",
            text="user=a.1 count=2 ratio=0.5 known=True reason=None names=a, b",
            fields={
                "user": "a.1",
                "count": 2,
                "ratio": 0.5,
                "known": True,
                "reason": None,
                "names": "a, b",
            },
        ),
    )


def test_what_json_has_no_place_for_is_written_as_text(ring: EventRing):
    tell(ring, error=ValueError("no"), huge=2**60, nothing=float("nan"), more=float("inf"))
    [event] = ring.page(None, limit=10).events
    assert event.fields == {"error": "no", "huge": str(2**60), "nothing": "nan", "more": "inf"}
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event


def test_texts_of_strangers_are_cut_and_cannot_reach_a_terminal(ring: EventRing):
    tell(ring, user="x" * 10_000, agent="a\x1b[31m\udc80", **MANY)
    [event] = ring.page(None, limit=10).events
    assert event.fields["user"] == "x" * 299 + "…"
    assert event.fields["agent"] == "a\\x1b[31m\\udc80"
    assert len(event.fields) == 24
    msgspec.json.encode(event)


def test_a_traceback_is_for_the_log_alone(ring: EventRing):
    tell(ring, "page_failed", "error", exception="Traceback: hunter2")
    [event] = ring.page(None, limit=10).events
    assert event.fields == {"exception": "see the log"}


def test_debug_and_reports_that_all_is_well_are_not_kept(ring: EventRing):
    tell(ring, level="debug")
    tell(ring, "mining")
    assert ring.page(None, limit=10) == EventPage(events=(), newest=0, more=False, missed=False)


def test_levels_that_are_not_ours_are_errors(ring: EventRing):
    tell(ring, level="critical")
    assert ring.page(None, limit=10).events[0].level == "error"


@pytest.mark.parametrize(
    ("level", "names"),
    [("info", ["a", "b", "c"]), ("warning", ["b", "c"]), ("error", ["c"])],
)
def test_a_level_means_it_and_worse(ring: EventRing, level: EventLevel, names: list[str]):
    for name, each in (("a", "info"), ("b", "warning"), ("c", "error")):
        tell(ring, name, each)
    page = ring.page(0, limit=10, level=level)
    assert [event.event for event in page.events] == names


def test_blocks_without_number_push_out_no_warning(ring: EventRing):
    tell(ring, "source_lost", "warning")
    for _ in range(10):
        tell(ring, "block_found")
        tell(ring, "block_lost", "error")
    names = [event.event for event in ring.page(0, limit=10).events]
    assert names == ["source_lost", "block_lost", "block_found", "block_lost"]


def test_rigs_that_come_and_go_push_out_no_warning_and_no_block(ring: EventRing):
    tell(ring, "source_lost", "warning")
    tell(ring, "block_found")
    for _ in range(10):
        tell(ring)
    page = ring.page(0, limit=10)
    assert [event.event for event in page.events] == ["source_lost", "block_found"] + [
        "rig_joined"
    ] * 3
    assert serials(page) == [FIRST, FIRST + 1, FIRST + 9, FIRST + 10, FIRST + 11]
    assert page.missed
    assert page.newest == ring.newest == FIRST + 11


def test_events_are_read_on_from_where_one_was(ring: EventRing):
    for _ in range(3):
        tell(ring)
    first = ring.page(0, limit=2)
    assert (serials(first), first.more, first.missed) == ([FIRST, FIRST + 1], True, False)
    then = ring.page(FIRST + 1, limit=2)
    assert (serials(then), then.more, then.missed) == ([FIRST + 2], False, False)
    assert serials(ring.page(FIRST + 2, limit=2)) == []
    last = ring.page(None, limit=2)
    assert (serials(last), last.more) == ([FIRST + 1, FIRST + 2], True)


def test_whoever_was_away_for_long_is_told_so(ring: EventRing):
    for _ in range(4):
        tell(ring)
    assert ring.page(0, limit=9).missed
    assert not ring.page(FIRST, limit=9).missed


@pytest.mark.parametrize("after", [FIRST - 2, FIRST + 50])
def test_whoever_read_of_an_earlier_run_gets_all_of_this_one(ring: EventRing, after: int):
    tell(ring)
    page = ring.page(after, limit=9)
    assert (serials(page), page.missed) == ([FIRST], True)


def test_serials_rise_over_restarts():
    before = wall_milliseconds()
    ring = EventRing()
    tell(ring)
    assert before <= ring.newest <= wall_milliseconds()


def tell_many(ring: EventRing) -> None:
    for _ in range(500):
        tell(ring)


def test_many_threads_may_tell_at_once():
    ring = EventRing(100_000, first=lambda: 1)
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=tell_many, args=[ring]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switch)
    assert serials(ring.page(0, limit=10_000)) == list(range(1, 2001))


def test_the_log_is_remembered_without_its_secrets():
    setup(stream=io.StringIO())
    before = RECENT.newest
    log = get_logger("proxy.hub")
    log.warning("source_lost", url="http://user:hunter2@pool:1", password="hunter2")
    log.bind(settings={"token": "hunter2"}).info("config_reloaded")
    log.debug("new_job")
    page = RECENT.page(before, limit=10)
    assert [event.event for event in page.events] == ["source_lost", "config_reloaded"]
    assert page.events[0].fields == {"url": "http://***@pool:1", "password": "***"}
    assert b"hunter2" not in msgspec.json.encode(page)


def test_what_is_not_told_costs_nothing_and_is_not_kept():
    setup(stream=io.StringIO(), level="warning")
    before = RECENT.newest
    get_logger("x").info("rig_joined")
    assert RECENT.newest == before
