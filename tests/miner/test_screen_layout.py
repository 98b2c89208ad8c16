import io
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from miner.screen_events import Event
from miner.screen_layout import draw
from tests.fakes.minerstatus import miner_status

OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"
STATUS = miner_status()
LONG = "backup.example.net:443: connection refused: " + "很長的名字 and a long story " * 20


def event(name: str, about: str = "", level: str = "info") -> Event:
    return Event(at="19:45:27", level=level, name=name, about=about)


EVENTS = [
    event("miner_started", "devices=cpu:0 (shani), gpu:0 (opencl)"),
    event("source_chosen", "source=pool.example.org:3333 idle_seconds=0.0"),
    event("source_lost", f"source=backup.example.net:443 error={LONG}", "warning"),
    event("block_accepted", "height=840111"),
]


def screen(width: int, height: int, status=STATUS, events=EVENTS) -> list[str]:
    lines = draw(status, events, width, height)
    assert len(lines) == height
    assert all(line.cell_len <= width for line in lines), "wider than the terminal"
    return [line.plain for line in lines]


def row(lines: list[str], start: str) -> str:
    return next(line for line in lines if line.strip().startswith(start))


def test_at_80_columns_all_that_people_ask_for_is_there() -> None:
    lines = screen(80, 24)
    assert lines[0].startswith("Headframe 1.2.3   height 840123")
    assert lines[0].endswith("up 2 d 3 h")
    assert row(lines, "Hashrate").endswith("5 s 121 MH/s   1 min 123 MH/s   15 min 119 MH/s")
    shares = " ".join(lines[2:4])
    for words in ("1204 accepted", "3 rejected, 0.25 % (stale 2, low_difficulty 1)", "5 lost"):
        assert words in shares
    assert "4 not sent (stale 4)" in shares
    assert row(lines, "Work").endswith("difficulty 0.5   best share 12346   blocks 2 (1 accepted)")
    assert row(lines, "Pools").split() == (
        ["Pools", "state", "accepted", "rejected", "difficulty", "job", "height"]
    )
    assert row(lines, "▸").split() == (
        ["▸", "pool.example.org:3333", "active", "1200", "3", "0.5", "12", "s", "840123"]
    )
    assert row(lines, "backup.example.net:443 ").split()[1:] == ["down", "4", "0", "-", "-", "-"]
    assert "connection refused" in row(lines, "backup.example.net:443: ")
    rates = "61.0 MH/s  60.2 MH/s  59.0 MH/s"
    assert row(lines, "gpu:0") == f"  gpu:0  opencl  hashing  {rates}      3  61  321"
    assert row(lines, "840111").split()[1] == "accepted"
    assert any("block_accepted height=840111" in line for line in lines)
    assert "Ctrl-C" in lines[-1]


@pytest.mark.parametrize(("width", "height"), [(60, 20), (80, 24), (200, 60)])
def test_the_newest_event_stands_at_the_bottom(width: int, height: int) -> None:
    lines = [line for line in screen(width, height)[:-1] if line]
    assert lines[-1] == "19:45:27  block_accepted height=840111"


def test_a_narrow_terminal_loses_columns_but_no_section() -> None:
    lines = screen(60, 20)
    assert row(lines, "Pools").split() == ["Pools", "state", "accepted", "rejected"]
    assert "active" in row(lines, "▸ pool.example.org:3333")
    for title in ("Hashrate", "Shares", "Work", "Devices", "Blocks", "Events"):
        assert row(lines, title)


def test_a_wide_terminal_uses_its_room() -> None:
    lines = screen(200, 60)
    heading = row(lines, "Pools")
    assert heading.split()[-4:] == ["lost", "answer", "last", "error"]
    assert "38 ms" in row(lines, "▸")
    assert row(lines, "backup").endswith("connection refused: is a pool listening there?")
    assert STATUS["blocks"]["list"][1]["hash"] in row(lines, "840100")
    assert "and a long story and" not in row(lines, "19:45:27  warning: source_lost")
    told = next(i for i, line in enumerate(lines) if "warning: source_lost" in line)
    assert lines[told + 1].startswith(" " * 10 + "很"), "it goes on under its name"
    assert lines[told + 2].endswith("…")


def test_where_events_have_little_room_a_warning_still_tells_its_reason() -> None:
    lines = screen(80, 24)[-4:-1]
    assert lines[0].startswith("19:45:27  warning: source_lost source=backup.example.net:443")
    assert lines[1].startswith("          error=backup.example.net:443: connection refused")
    assert lines[2] == "19:45:27  block_accepted height=840111"


def test_times_of_blocks_are_local() -> None:
    found = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1_700_000_500))
    assert found in row(screen(100, 40), "840111")


def test_a_low_terminal_shows_what_is_wanted_most() -> None:
    lines = screen(80, 10)
    assert [line.split()[0] for line in lines if line][:5] == (
        ["Headframe", "Hashrate", "Shares", "Work", "Pools"]
    )
    assert row(screen(40, 5), "Shares").endswith("1204 accepted   3 rejected")
    assert screen(40, 1)[0].startswith("Headframe 1.2.3")
    assert screen(10, 2)[0].startswith("Headframe")


def test_where_there_are_too_many_it_says_how_many_more() -> None:
    pool = STATUS["pools"][0]
    pools = [pool | {"source": f"pool{i}:3333", "in_use": False} for i in range(30)]
    lines = screen(80, 24, miner_status(pools=pools))
    shown = sum(line.strip().startswith("pool") for line in lines)
    assert row(lines, "…") == f"  … {30 - shown} more lines"
    assert row(lines, "cpu:0"), "the others have their place, too"
    assert row(lines, "19:45:27")


def test_what_is_not_there_takes_no_room() -> None:
    device = STATUS["devices"][0]
    lines = screen(
        80,
        24,
        miner_status(
            blocks={"found": 0, "accepted": 0, "list": []}, devices=[device], best_difficulty=0.0
        ),
        [],
    )
    assert not [line for line in lines if line.startswith(("Blocks", "Events"))]
    assert row(lines, "Devices").split() == (
        ["Devices", "kernel", "state", "5", "s", "1", "min", "15", "min", "wrong"]
    )
    assert row(lines, "Work").endswith("difficulty 0.5   blocks 0")


def test_a_fresh_miner_has_nothing_to_tell_yet() -> None:
    pool = STATUS["pools"][1] | {"state": "connecting", "detail": ""}
    fresh = miner_status(
        uptime_seconds=0.0,
        pools=[pool],
        upstream=STATUS["upstream"] | {"height": None, "state": "connecting"},
        shares={
            "submitted": 0,
            "accepted": 0,
            "rejected": 0,
            "by_reason": {},
            "lost": 0,
            "dropped": {"stale": 0},
        },
        devices=[],
        difficulty=0.0,
        best_difficulty=0.0,
        blocks={"found": 0, "accepted": 0, "list": []},
    )
    lines = screen(80, 24, fresh, [])
    assert row(lines, "Shares") == "Shares    0 accepted   0 rejected"
    assert "connecting" in row(lines, "backup")


def test_the_page_is_named() -> None:
    lines = screen(80, 24, STATUS | {"page": "http://127.0.0.1:9333"})
    assert lines[-1].startswith("http://127.0.0.1:9333   Ctrl-C ends")


def test_what_a_pool_calls_itself_cannot_steer_the_terminal() -> None:
    pool = STATUS["pools"][0] | {"source": "a\x1b[2Jb", "detail": "c\x07"}
    assert r"a\x1b[2Jb" in row(screen(100, 24, miner_status(pools=[pool])), "▸")
    assert any(r"c\x07" in line for line in screen(100, 24, miner_status(pools=[pool])))


def ansi(console: Console) -> str:
    with console.capture() as captured:
        for line in draw(STATUS, EVENTS, 80, 24):
            console.print(line)
    return captured.get()


def test_the_operators_page_shows_the_screen_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    try:
        events = [
            event("pool_ready", "source=pool.example.org:3333 version_mask=1fffe000"),
            event("source_chosen", "source=pool.example.org:3333 idle_seconds=0.0"),
            event("share_rejected", "count=1 reason=stale words=Stale", "warning"),
        ]
        lines = screen(80, 24, STATUS | {"page": "http://127.0.0.1:9333/"}, events)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert "```text\n" + "\n".join(lines) + "\n```" in OPERATIONS.read_text(), "\n".join(lines)


def test_colours_say_nothing_that_words_do_not() -> None:
    def console(*, no_color: bool) -> Console:
        return Console(
            file=io.StringIO(),
            force_terminal=True,
            color_system="standard",
            no_color=no_color,
            width=80,
            highlight=False,
        )

    assert "\x1b[3" in ansi(console(no_color=False))
    plain = ansi(console(no_color=True))
    assert "\x1b[3" not in plain
    assert "\x1b[1;3" not in plain


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 220), st.integers(1, 70), st.integers(0, 8), st.integers(0, 20))
def test_it_fits_whatever_the_size(width: int, height: int, pools: int, devices: int) -> None:
    pool = STATUS["pools"][1] | {"detail": LONG, "source": "名字" * 20}
    status = miner_status(pools=[pool] * pools, devices=STATUS["devices"][:1] * devices)
    screen(width, height, status)
