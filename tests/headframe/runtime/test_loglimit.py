from typing import Any

import pytest
import structlog

from headframe.runtime.loglimit import EventLimit


class Log:
    """A limit with a clock in the test's hands, and what came of it."""

    def __init__(self, per_minute: int = 3) -> None:
        self.now = 100.0
        self.told: list[tuple[str, str, str, int]] = []
        self.limit = EventLimit(
            lambda *told: self.told.append(told), per_minute=per_minute, clock=lambda: self.now
        )

    def put(self, event: str, logger: str = "a", level: str = "warning", **keys: Any) -> bool:
        line = {"event": event, "logger": logger, "level": level, **keys}
        try:
            assert self.limit(None, level, dict(line)) == line, "what passes is not changed"
        except structlog.DropEvent:
            return False
        return True


def test_so_many_lines_of_an_event_pass_in_a_minute() -> None:
    log = Log()
    assert [log.put("rig_dropped", rig=number) for number in range(5)] == [True] * 3 + [False] * 2
    assert not log.told


def test_events_and_loggers_are_counted_apart() -> None:
    log = Log(per_minute=1)
    assert log.put("one")
    assert log.put("two")
    assert log.put("one", logger="b")
    assert not log.put("one")


def test_how_many_were_left_out_is_told_when_the_minute_is_over() -> None:
    log = Log(per_minute=1)
    for _ in range(4):
        log.put("one", level="error")
    log.now += 59
    assert not log.put("one", level="error")
    log.now += 2
    assert log.put("other")
    assert log.told == [("a", "error", "one", 4)]
    assert log.put("one")
    log.now += 61
    assert log.put("other")
    assert len(log.told) == 1, "said once"


def test_the_event_itself_brings_the_count_too() -> None:
    log = Log(per_minute=1)
    log.put("one")
    log.put("one")
    log.now += 61
    assert log.put("one")
    assert log.told == [("a", "warning", "one", 1)]


def test_details_blocks_and_the_counts_themselves_always_pass() -> None:
    log = Log(per_minute=1)
    assert all(log.put("share", level="debug") for _ in range(100))
    assert log.put("one")
    assert log.put("one", suppressed=7)
    assert all(log.put("block_found", height=number) for number in range(100))


def test_texts_without_end_do_not_fill_the_memory() -> None:
    log = Log()
    assert all(log.put(f"text {number}") for number in range(5000))
    assert len(log.limit._windows) <= 1001


@pytest.mark.parametrize("keys", [{}, {"event": None}])
def test_an_odd_event_is_no_reason_to_fail(keys: dict[str, Any]) -> None:
    assert EventLimit(lambda *told: None)(None, "info", dict(keys)) == keys


def test_a_line_that_would_be_left_out_need_not_be_made() -> None:
    log = Log(per_minute=2)
    asked = []
    for _ in range(5):
        asked.append(log.limit.leaves_out("a", "one"))
        if not asked[-1]:
            log.put("one")
    assert asked == [False, False, True, True, True]
    log.now += 61
    assert not log.limit.leaves_out("a", "one"), "the line itself brings the count"
    assert log.put("one")
    assert log.told == [("a", "warning", "one", 3)]


def test_what_was_left_out_unmade_is_told_by_another_event_too() -> None:
    log = Log(per_minute=1)
    log.put("one")
    assert log.limit.leaves_out("a", "one")
    log.now += 61
    log.put("other")
    assert log.told == [("a", "warning", "one", 1)]
