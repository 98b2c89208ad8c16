import fcntl
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from termios import TIOCSCTTY, tcsetwinsize

import pytest

from miner.screen_terminal import CLEAR, ENTER, LEAVE, Terminal, painted
from tests.fakes.emulator import Emulator


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    for fd in (read, write):
        try:
            os.close(fd)
        except OSError:
            continue


def test_what_is_written_arrives_in_order(pipe: tuple[int, int]) -> None:
    read, write = pipe
    terminal = Terminal(write)
    terminal.write(b"one ")
    terminal.write(b"two")
    terminal.close(20)
    assert os.read(read, 100) == b"one two"
    assert terminal.idle


def test_nobody_waits_for_a_terminal_that_is_stopped(pipe: tuple[int, int]) -> None:
    read, write = pipe
    terminal = Terminal(write)
    terminal.write(b"x" * (1 << 20))  # more than a pipe holds
    assert not terminal.wait(0.01)
    assert not terminal.idle
    terminal.close(0.01)
    got = 0
    while got < 1 << 20:
        got += len(os.read(read, 1 << 16))
    assert terminal.wait(20)
    assert terminal.idle


def test_a_terminal_that_takes_less_than_it_is_given_gets_the_rest(pipe: tuple[int, int]) -> None:
    read, write = pipe
    os.set_blocking(write, False)
    terminal = Terminal(write)
    terminal.write(b"y" * (1 << 18))
    got = b""
    while len(got) < 1 << 18:
        got += os.read(read, 1 << 16)
    terminal.close(20)
    assert got == b"y" * (1 << 18)


def test_a_terminal_that_has_gone_is_endured(pipe: tuple[int, int]) -> None:
    read, write = pipe
    os.close(read)
    terminal = Terminal(write)
    terminal.write(b"nobody reads this")
    assert terminal.wait(20)
    terminal.write(b"nor this")
    terminal.close(20)
    assert terminal.idle


def test_its_size_is_the_terminals(pipe: tuple[int, int]) -> None:
    master, slave = pty.openpty()
    try:
        terminal = Terminal(slave)
        tcsetwinsize(slave, (40, 132))
        assert terminal.size() == (132, 40)
        tcsetwinsize(slave, (0, 0))
        assert terminal.size() == (80, 24), "some serial lines do not know"
        assert terminal.ours(), "nobody's terminal is nobody else's"
        terminal.close(20)
    finally:
        os.close(master)
        os.close(slave)
    other = Terminal(pipe[1])
    assert other.size() == (80, 24)
    other.close(20)


IN_THE_BACKGROUND = """
import os
from miner.screen_terminal import Terminal
if os.fork():
    os.wait()
    print("shell", Terminal(0).ours())
else:
    os.setpgid(0, 0)
    print("job", Terminal(0).ours(), flush=True)
    os._exit(0)
"""


def test_it_is_not_ours_while_we_run_in_the_background() -> None:
    master, slave = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", IN_THE_BACKGROUND],
            stdin=slave,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, TIOCSCTTY, 0),
        )
    finally:
        os.close(master)
        os.close(slave)
    assert done.stdout.splitlines() == ["job False", "shell True"]


def test_a_picture_is_the_whole_screen_and_leaves_the_ordinary_one_alone() -> None:
    emulator = Emulator(6, 3)
    emulator.feed("$ mine\r\n" + painted(["one   ", "two   ", "three "], before=ENTER))
    assert emulator.shown() == ["one", "two", "three"]
    assert emulator.modes == {"1049"}
    emulator.feed(painted(["a     ", "b     ", "c     "], before=CLEAR))
    assert emulator.shown() == ["a", "b", "c"]
    emulator.feed(LEAVE)
    assert emulator.shown() == ["$ mine", "", ""]
    assert emulator.modes == {"25", "7"}
