import asyncio
import io
import os
import signal
import subprocess
import sys
import threading

import pytest
import uvloop

from headframe.runtime.errors import ConfigError, DialError, PortInUseError
from headframe.runtime.process import report, run

LOOPS = [asyncio.SelectorEventLoop, uvloop.new_event_loop, None]


async def forever() -> int:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


@pytest.mark.parametrize("factory", LOOPS)
def test_the_code_of_main_is_the_code_of_the_process(factory):
    async def main() -> int:
        return 7

    assert run(main, loop_factory=factory) == 7


def test_uvloop_is_used_where_it_is_installed():
    async def main() -> int:
        return int(isinstance(asyncio.get_running_loop(), uvloop.Loop))

    assert run(main) == 1


@pytest.mark.parametrize("factory", LOOPS)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_cancels_main_which_may_clean_up(factory, number, code):
    cleaned: list[str] = []

    async def main() -> int:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        try:
            return await forever()
        finally:
            cleaned.append("yes")

    before = signal.getsignal(number)
    assert run(main, loop_factory=factory) == code
    assert cleaned == ["yes"]
    assert signal.getsignal(number) is before


def test_sigint_is_told_even_when_main_ends_in_good_order():
    async def main() -> int:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
        try:
            return await forever()
        except asyncio.CancelledError:
            return 0

    assert run(main) == 130


@pytest.mark.parametrize("factory", LOOPS)
def test_a_second_signal_ends_a_process_that_is_stuck_in_cleaning_up(factory):
    forced: list[int] = []
    stuck = threading.Event()

    def force(code: int) -> None:
        forced.append(code)
        stuck.set()

    async def main() -> int:
        loop = asyncio.get_running_loop()
        loop.call_soon(os.kill, os.getpid(), signal.SIGINT)
        try:
            return await forever()
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            while not stuck.is_set():
                await asyncio.sleep(0)

    run(main, force=force, loop_factory=factory)
    assert forced == [130]


def test_known_errors_are_one_line_and_have_their_code():
    async def main() -> int:
        raise ConfigError("proxy.toml: web.port = 0: expected a whole number at least 1")

    out = io.StringIO()
    assert run(main, stream=out) == 2
    assert out.getvalue() == (
        "error: proxy.toml: web.port = 0: expected a whole number at least 1\n"
    )


def test_errors_out_of_task_groups_are_unwrapped():
    async def fail(error: Exception) -> None:
        raise error

    async def main() -> int:
        async with asyncio.TaskGroup() as outer:
            outer.create_task(forever())
            async with asyncio.TaskGroup() as inner:
                inner.create_task(fail(PortInUseError("127.0.0.1:3333 is in use")))
                inner.create_task(fail(PortInUseError("127.0.0.1:3333 is in use")))
        return 0

    out = io.StringIO()
    assert run(main, stream=out) == 2
    assert out.getvalue() == "error: 127.0.0.1:3333 is in use\n"


def test_different_errors_of_a_group_are_all_told():
    group = ExceptionGroup("two", [DialError("a refused"), ConfigError("b\nis wrong")])
    out = io.StringIO()
    assert report(group, stream=out) == 69
    assert out.getvalue() == "error: a refused\nerror: b is wrong\n"


def test_a_caller_may_know_more_errors():
    out = io.StringIO()
    assert report(KeyError("kernel"), known=(KeyError,), stream=out) == 1
    assert out.getvalue() == "error: 'kernel'\n"


def test_a_bug_is_told_with_its_traceback(capsys):
    async def main() -> int:
        raise ZeroDivisionError("oops at http://user:hunter2@host")

    assert run(main) == 1
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "ZeroDivisionError" in told
    assert "hunter2" not in told
    assert "this is a bug" in told


def test_one_unknown_error_in_a_group_is_enough_for_a_traceback():
    out = io.StringIO()
    assert report(ExceptionGroup("x", [ConfigError("fine"), ValueError("bug")]), stream=out) == 1
    assert "ValueError: bug" in out.getvalue()


def test_main_that_cancels_itself_has_failed():
    async def main() -> int:
        raise asyncio.CancelledError

    assert run(main) == 1


def test_a_keyboard_interrupt_raised_by_main_is_an_interruption():
    async def main() -> int:
        raise KeyboardInterrupt

    assert run(main) == 130


def test_it_runs_outside_the_main_thread_too():
    async def main() -> int:
        return 5

    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(run(main)))
    thread.start()
    thread.join()
    assert codes == [5]


def test_output_that_cannot_be_written_does_not_change_the_exit_code():
    program = (
        "from headframe.runtime.process import run\n"
        "async def main():\n"
        "    print('something')\n"
        "    return 7\n"
        "raise SystemExit(run(main))\n"
    )
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (7, b"")
