"""A real bitcoind on regtest, that tells when it announces a block."""

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.fakes.bitcoind import Bitcoind, find_bitcoind, running_bitcoind
from tests.fakes.ports import free_port

__all__ = ["Node", "running_node"]

ADDRESS: Final = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
PATIENCE_MS: Final = 10_000


class Node:
    """A node, and an ear at its feed of block hashes.

    Args:
        bitcoind: the node, running.
        feed: where it publishes.

    Attributes:
        bitcoind: the node.
    """

    def __init__(self, bitcoind: Bitcoind, feed: str) -> None:
        import zmq

        self.bitcoind = bitcoind
        self._socket: Any = zmq.Context.instance().socket(zmq.SUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVTIMEO, PATIENCE_MS)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"hashblock")
        self._socket.connect(feed)
        self._heard: queue.Queue[int] = queue.Queue()

    def upstream(self) -> str:
        """Return the settings of a proxy on it."""
        return (
            f'url = "bitcoind+http://127.0.0.1:{self.bitcoind.port}"\n'
            f'cookie = "{self.bitcoind.cookie}"\naddress = "{ADDRESS}"\npace_seconds = 0'
        )

    def announce(self, *, empty: bool = False) -> int:
        """Find a block; returns when its hash was announced, in monotonic nanoseconds.

        Args:
            empty: leave all transactions where they are.
        """
        listener = threading.Thread(target=self._listen)
        listener.start()
        if empty:
            self.bitcoind.call("generateblock", ADDRESS, [])
        else:
            self.bitcoind.call("generatetoaddress", 1, ADDRESS)
        listener.join()
        return self._heard.get_nowait()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _listen(self) -> None:
        self._socket.recv_multipart()
        self._heard.put(time.monotonic_ns())


@contextmanager
def running_node(folder: Path, *options: str) -> Iterator[Node]:
    """Run a node for the length of a `with` block.

    Args:
        folder: for its data.
        options: more of its own.

    Raises:
        OSError: there is no bitcoind.
    """
    try:
        find_bitcoind()
    except pytest.skip.Exception as error:
        raise OSError(str(error)) from None
    feed = f"tcp://127.0.0.1:{free_port()}"
    with running_bitcoind(folder, extra=[f"-zmqpubhashblock={feed}", *options]) as bitcoind:
        bitcoind.call("generatetoaddress", 101, ADDRESS)
        node = Node(bitcoind, feed)
        try:
            time.sleep(0.5)  # the feed says nothing of who listens
            yield node
        finally:
            node.close()
