import datetime
import io
import json
import logging
import os
import warnings
from pathlib import Path

import pytest
import structlog

from headframe.runtime.errors import ConfigError
from headframe.runtime.loglimit import PER_MINUTE
from headframe.runtime.logs import (
    _tell_left_out,
    get_logger,
    is_secret,
    printable,
    redact,
    redact_url,
    setup,
    text_of,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def fail(text: str) -> None:
    raise ValueError(text)


def test_json_lines_hold_event_level_logger_time_and_keys():
    out = io.StringIO()
    setup(stream=out)
    get_logger("proxy.hub").bind(pool="a").info("share_rejected", reason="stale", height=7)
    line = json.loads(out.getvalue())
    stamp = datetime.datetime.fromisoformat(line.pop("timestamp"))
    assert stamp.utcoffset() == datetime.timedelta(0)
    assert line == {
        "event": "share_rejected",
        "level": "info",
        "logger": "proxy.hub",
        "pool": "a",
        "reason": "stale",
        "height": 7,
    }


def test_values_that_json_does_not_know_are_written_as_text():
    out = io.StringIO()
    setup(stream=out)
    get_logger("x").info("seen", error=ValueError("no"))
    assert json.loads(out.getvalue())["error"] == "no"


def test_a_terminal_gets_text_and_anything_else_json():
    terminal, pipe = Terminal(), io.StringIO()
    setup(stream=terminal)
    get_logger("x").info("block_found", height=5)
    setup(stream=pipe)
    get_logger("x").info("block_found", height=5)
    assert "block_found" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
    assert json.loads(pipe.getvalue())["height"] == 5


def test_the_format_can_be_forced():
    terminal, pipe = Terminal(), io.StringIO()
    setup(stream=terminal, format="json")
    get_logger("x").info("one")
    setup(stream=pipe, format="text")
    get_logger("x").info("two", height=5)
    assert json.loads(terminal.getvalue())["event"] == "one"
    assert "height=5" in pipe.getvalue()
    assert "\x1b" not in pipe.getvalue()


def test_no_color_is_honoured(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    setup(stream=terminal)
    get_logger("x").info("plain")
    assert "\x1b" not in terminal.getvalue()


def test_lines_below_the_level_are_dropped():
    out = io.StringIO()
    setup(stream=out, level="warning")
    get_logger("x").info("quiet")
    get_logger("x").warning("loud")
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["loud"]


def test_standard_output_is_the_default(capsys):
    setup(format="json")
    get_logger("x").info("here")
    assert json.loads(capsys.readouterr().out)["event"] == "here"


@pytest.mark.parametrize("text_format", ["json", "text"])
def test_secrets_never_reach_a_line(text_format):
    out = io.StringIO()
    setup(stream=out, format=text_format)
    get_logger("x").info(
        "dialled http://rpc:hunter2@node:18443",
        url="stratum+tcp://me:hunter2@pool:3333/x",
        password="hunter2",
        settings={"api_token": "hunter2", "list": [{"rpc_Secret": "hunter2"}], "port": 1},
        cookie="hunter2",
    )
    try:
        fail("http://me:hunter2@pool/ refused")
    except ValueError:
        get_logger("x").exception("failed")
    assert "hunter2" not in out.getvalue()
    assert "stratum+tcp://***@pool:3333/x" in out.getvalue()
    assert "Traceback" in out.getvalue()


def test_a_stranger_cannot_steer_the_terminal():
    terminal = Terminal()
    setup(stream=terminal, format="text")
    get_logger("x").info("joined", rig="\x1b]0;owned\x07\nfake line")
    assert "\x1b]0;" not in terminal.getvalue()
    assert "\\x1b]0;owned" in terminal.getvalue()
    assert terminal.getvalue().count("\n") == 1


def test_a_line_of_json_can_be_written_as_text():
    out, text = io.StringIO(), io.StringIO()
    setup(stream=out, format="json")
    get_logger("x").warning("joined", rig="\x1b]0;owned\x07", count=3, flag=None)
    fields = json.loads(out.getvalue())
    setup(stream=text, format="text")
    get_logger("x").warning("joined", rig="\x1b]0;owned\x07", count=3, flag=None)
    line = text_of(fields, colours=False)
    assert line.split("Z", 1)[1] == text.getvalue().rstrip("\n").split("Z", 1)[1]
    assert "\x1b" not in line
    assert "\x1b[" in text_of(fields, colours=True)
    assert fields["rig"] == "\x1b]0;owned\x07", "what was given is as it was"


def test_only_control_characters_are_made_visible():
    assert printable("Grüße [x] 漢字") == "Grüße [x] 漢字"
    assert printable("a\tb\x1b[1m\u202e") == "a\\tb\\x1b[1m\\u202e"


def test_warnings_of_libraries_come_out_the_same_way_and_their_chatter_does_not():
    out = io.StringIO()
    setup(stream=out)
    setup(stream=out)
    logging.getLogger("aiohttp.access").info("chatter")
    logging.getLogger("aiohttp.server").warning("bad %s", "request")
    try:
        fail("inside")
    except ValueError:
        logging.getLogger("asyncio").exception("broken")
    first, second = map(json.loads, out.getvalue().splitlines())
    assert (first["event"], first["level"], first["logger"]) == (
        "bad request",
        "warning",
        "aiohttp.server",
    )
    assert second["level"] == "error"
    assert "ValueError: inside" in second["exception"]


def test_python_warnings_are_log_lines():
    out = io.StringIO()
    setup(stream=out)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old habit", UserWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert "old habit" in json.loads(out.getvalue())["event"]


@pytest.mark.parametrize("bad", [{"level": "loud"}, {"format": "xml"}])
def test_unknown_levels_and_formats_are_refused_with_those_there_are(bad):
    with pytest.raises(ConfigError, match="expected one of"):
        setup(**bad)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("http://u:p@h/x", "http://***@h/x"),
        ("stratum+tcp://u@h:1 and http://a:b@c", "stratum+tcp://***@h:1 and http://***@c"),
        ("http://u:p/q@r@h", "http://***@h"),
        ("http://h:1/x", "http://h:1/x"),
        ("someone@example.org", "someone@example.org"),
    ],
)
def test_userinfo_is_taken_out_of_urls(text, clean):
    assert redact_url(text) == clean


def test_redaction_goes_into_nested_values_and_keeps_the_rest():
    value = {"a": [{"token": "x"}, ("http://u:p@h", 5)], "password": "", "n": None}
    assert redact(value) == {
        "a": [{"token": "***"}, ["http://***@h", 5]],
        "password": "",
        "n": None,
    }


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("password", True),
        ("rpc_password", True),
        ("Authorization", True),
        ("cookie", True),
        ("password_file", False),
        ("cookie_path", False),
        ("port", False),
    ],
)
def test_secret_keys_are_known_by_name(key, secret):
    assert is_secret(key) is secret


def test_a_reader_that_has_gone_loses_lines_and_stops_nothing():
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8") as pipe:
        setup(stream=pipe)
        get_logger("x").info("heard")
        assert json.loads(os.read(reader, 4096))["event"] == "heard"
        os.close(reader)
        get_logger("x").info("lost")
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)  # what is held has somewhere to go
    get_logger("x").info("lost, too: the stream is closed")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has /dev/full")
def test_a_full_disk_loses_lines_and_stops_nothing():
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        setup(stream=full)
        for _ in range(1000):  # more than any buffer holds
            get_logger("x").info("lost", why="x" * 100)
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


def test_an_event_that_repeats_itself_is_told_so_often_and_then_counted():
    out = io.StringIO()
    setup(stream=out)
    for number in range(PER_MINUTE + 5):
        get_logger("proxy.session").warning("rig_dropped", rig=number)
    get_logger("proxy.session").warning("other")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["rig_dropped"] * PER_MINUTE + ["other"]


def test_a_count_is_a_line_of_the_same_logger_and_level():
    out = io.StringIO()
    setup(stream=out)
    _tell_left_out("proxy.session", "warning", "rig_dropped", 5)
    line = json.loads(out.getvalue())
    del line["timestamp"]
    assert line == {
        "event": "rig_dropped",
        "level": "warning",
        "logger": "proxy.session",
        "suppressed": 5,
    }


@pytest.mark.parametrize("level", ["info", "warning"])
def test_what_is_left_out_under_one_set_up_is_not_under_the_next(level):
    log = get_logger("proxy.seating")
    for _ in range(2):
        out = io.StringIO()
        setup(stream=out)
        for number in range(PER_MINUTE + 5):
            getattr(log, level)("rig_joined", rig=number)
        assert len(out.getvalue().splitlines()) == PER_MINUTE


def test_who_captures_lines_gets_all_of_them():
    setup(stream=io.StringIO())
    log = get_logger("proxy.seating")
    for number in range(PER_MINUTE + 5):
        log.info("rig_joined", rig=number)
    with structlog.testing.capture_logs() as lines:
        log.info("rig_joined", rig="late")
    assert [each["rig"] for each in lines] == ["late"]
