"""Ports for programs that tests start, which nobody else takes before the program does."""

import itertools
import os
import socket
from typing import Final

__all__ = ["free_port"]

_FIRST: Final = 12_000
_COUNT: Final = 2_000
_WORKERS: Final = 10
_turns: Final = itertools.count(os.getpid() * 61)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on at this moment.

    It lies below those that Linux picks by itself (from 32768), for what binds to port 0 or
    connects: one of those may be gone by the time at which the program has started, or while
    it is down for a while. Each of ten workers has ports of its own.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    for turn in itertools.islice(_turns, _COUNT):
        port = _FIRST + worker * _COUNT + turn % _COUNT
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
