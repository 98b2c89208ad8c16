"""What a program's `main` stands in: event loop, signals, exit codes, one-line errors."""

import asyncio
import os
import signal
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TextIO

from headframe.runtime.errors import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_UNAVAILABLE,
    EXIT_USAGE,
    HeadframeError,
)
from headframe.runtime.logs import redact_url

__all__ = [
    "EXIT_FAILED",
    "EXIT_INTERRUPTED",
    "EXIT_OK",
    "EXIT_UNAVAILABLE",
    "EXIT_USAGE",
    "report",
    "run",
]

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(
    main: Callable[[], Awaitable[int]],
    *,
    known: tuple[type[Exception], ...] = (),
    stream: TextIO | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    force: Callable[[int], object] = os._exit,
) -> int:
    """Run a program to its end; return what its process should exit with.

    The first SIGINT or SIGTERM cancels `main`, which has as long as it needs to clean up;
    a second one ends the process at once. After SIGINT the exit code is
    `EXIT_INTERRUPTED`; an orderly end after SIGTERM is `EXIT_OK`, as service managers
    expect.

    Args:
        main: the program; returns its exit code. Its errors are reported by `report`.
        known: errors that, beside `HeadframeError`, are told in one line.
        stream: where errors are told; standard error by default.
        loop_factory: makes the event loop; by default uvloop's, where it is installed.
        force: what a second signal calls.
    """
    stopped_by: list[int] = []
    try:
        with asyncio.Runner(loop_factory=loop_factory or _fast_loop()) as runner:
            code = runner.run(_until_stopped(main, stopped_by, force))
    except asyncio.CancelledError:
        code = EXIT_OK if stopped_by else EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001  # the root of the process: told, and its exit code
        return report(error, known=known, stream=stream)
    finally:
        _let_go_of(sys.stdout)
    interrupted = stopped_by[:1] == [signal.SIGINT]
    return EXIT_INTERRUPTED if interrupted and code == EXIT_OK else code


def report(
    error: BaseException, *, known: tuple[type[Exception], ...] = (), stream: TextIO | None = None
) -> int:
    """Tell an error to people; return the exit code that belongs to it.

    A `HeadframeError`, or one of `known`, is its one line. Of a group of errors each
    different line is told. Anything else is a bug of ours, and told with its traceback.

    Args:
        error: what ended the program.
        known: errors that, beside `HeadframeError`, are told in one line.
        stream: where to; standard error by default.
    """
    out = sys.stderr if stream is None else stream
    leaves = list(_leaves(error))
    if not all(isinstance(leaf, (HeadframeError, *known)) for leaf in leaves):
        out.write(redact_url("".join(traceback.format_exception(error))))
        out.write("error: this is a bug: please report it with the lines above\n")
        return EXIT_FAILED
    for line in dict.fromkeys(" ".join(str(leaf).split()) for leaf in leaves):
        out.write(f"error: {redact_url(line)}\n")
    first = leaves[0]
    return first.exit_code if isinstance(first, HeadframeError) else EXIT_FAILED


def _let_go_of(stream: TextIO) -> None:
    """Write out what a stream holds; drop it if that fails, or Python's own try at the end does.

    That one would turn the exit code into 120, and tell of it in words of the interpreter.
    """
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Unwrap what task groups bundle."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


async def _until_stopped(
    main: Callable[[], Awaitable[int]], stopped_by: list[int], force: Callable[[int], object]
) -> int:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def stop(number: int) -> None:
        if stopped_by:
            force(128 + number)
        stopped_by.append(number)
        if task is not None:
            loop.call_soon_threadsafe(task.cancel)

    with _signals_to(stop):
        return await main()


@contextmanager
def _signals_to(stop: Callable[[int], None]) -> Iterator[None]:
    """Call `stop` for each stop signal, even while the loop is busy."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python delivers signals to the main thread only: there is nothing to catch here
        return

    def handler(number: int, _frame: FrameType | None) -> None:
        stop(number)

    before = {each: signal.signal(each, handler) for each in STOP_SIGNALS}
    try:
        yield
    finally:
        for each, old in before.items():
            signal.signal(each, old if old is not None else signal.SIG_DFL)


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # no uvloop for this platform: asyncio's own loop does the same, slower
        return None
    return uvloop.new_event_loop
