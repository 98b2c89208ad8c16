import io
import logging
from datetime import datetime

import pytest

from headframe.runtime import logs
from miner.screen_events import EventStream


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def stream(said: list[str]) -> EventStream:
    stream = EventStream(said.append, colours=False)
    logs.setup(format="json", stream=stream)  # type: ignore[arg-type] # a text stream all the same
    return stream


def test_a_log_line_is_an_event_and_a_line_as_on_a_terminal(
    stream: EventStream, said: list[str]
) -> None:
    logs.get_logger("x").warning("source_lost", source="pool:3333", error="no answer", tries=3)
    (event,) = stream.events
    assert (event.level, event.name) == ("warning", "source_lost")
    assert event.about == "source=pool:3333 error=no answer tries=3"
    stamp = said[0].split()[0]
    assert event.at == datetime.fromisoformat(stamp).astimezone().strftime("%H:%M:%S")
    assert "source_lost" in said[0]
    assert "source=pool:3333" in said[0]


def test_a_pool_cannot_steer_the_terminal(stream: EventStream, said: list[str]) -> None:
    logs.get_logger("x").info("pool_message", words="\x1b[2Jgone\n\x07")
    assert stream.events[0].about == r"words=\x1b[2Jgone\n\x07"
    assert "\x1b" not in said[0]


def test_of_a_traceback_the_pane_has_the_last_line(stream: EventStream, said: list[str]) -> None:
    try:
        int("for once")
    except ValueError:
        logging.getLogger("lib").exception("broke")
    assert stream.events[0].about.startswith("ValueError: invalid literal")
    assert "Traceback" in said[0]


def test_only_the_newest_are_remembered_but_each_is_said(
    stream: EventStream, said: list[str]
) -> None:
    for i in range(250):
        logs.get_logger("x").info("block_odd", number=i)
    assert stream.events[-1].about == "number=249"
    assert len(stream.events) == 200
    assert len(said) == 250


def test_colours_are_for_terminals_that_want_them() -> None:
    said: list[str] = []
    stream = EventStream(said.append, colours=True)
    logs.setup(format="json", stream=stream)  # type: ignore[arg-type]
    logs.get_logger("x").info("new_job")
    assert "\x1b[" in said[0]
    assert isinstance(stream, io.TextIOBase)
