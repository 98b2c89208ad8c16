"""A real bitcoind, without peers, as a process of its own, for the tests that need one.

It is found at `$BITCOIND`, on `PATH`, or in the private copy that
`scripts/bitcoind-from-debian` keeps. Without one, tests that ask for it are skipped with
one line that says how to get it; under `CI=true` they fail instead.
"""

import asyncio
import base64
import http.client
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from tests.fakes.ports import free_port

__all__ = ["Bitcoind", "NodeRpcError", "find_bitcoind", "rpc_call", "running_bitcoind"]

_START_SECONDS = 60
_STOP_SECONDS = 30
_FOLDERS = {"main": ".", "test": "testnet3"}
"""Where the others have their name."""


class NodeRpcError(Exception):
    """The node answered with a JSON-RPC error, or with an HTTP status and no JSON."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def find_bitcoind() -> str:
    """Return the path of a bitcoind; skip the test (fail it in CI) when there is none."""
    home_cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    cache = os.environ.get("BITCOIND_CACHE") or f"{home_cache}/bitcoind-from-debian"
    for candidate in (
        os.environ.get("BITCOIND"),
        shutil.which("bitcoind"),
        f"{cache}/current/bin/bitcoind",
    ):
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    message = "no bitcoind: set BITCOIND to one, or run scripts/bitcoind-from-debian"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def rpc_call(port: int, userpass: str, method: str, params: Sequence[object] = ()) -> Any:
    """Call one method over JSON-RPC 1.0, the way bitcoin-cli does.

    Raises:
        NodeRpcError: an error in the answer, or no JSON at all (then the code is the HTTP status).
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        body = json.dumps({"method": method, "params": list(params), "id": "test"})
        token = base64.b64encode(userpass.encode()).decode()
        connection.request("POST", "/", body, {"Authorization": f"Basic {token}"})
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    try:
        answer = json.loads(text)
    except ValueError:
        raise NodeRpcError(response.status, response.reason) from None
    if answer["error"] is not None:
        raise NodeRpcError(answer["error"]["code"], answer["error"]["message"])
    return answer["result"]


class Bitcoind:
    """A bitcoind process without peers, with its data in a folder of the test's.

    Attributes:
        datadir: its data folder; the chain is in a subfolder, `regtest` for that one.
        chain: regtest, or another of bitcoind's names.
        port: where its RPC listens, on 127.0.0.1.
        process: the process; `process.pid` is bitcoind's own.
    """

    def __init__(
        self, program: str, datadir: Path, *, extra: Sequence[str] = (), chain: str = "regtest"
    ) -> None:
        self._program = program
        self.chain = chain
        self._extra = tuple(extra)
        self.datadir = datadir
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its JSON-RPC is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def cookie(self) -> Path:
        """The cookie file; new at each start."""
        return self.datadir / _FOLDERS.get(self.chain, self.chain) / ".cookie"

    def start(self, port: int = 0) -> Self:
        """Start it and wait until its RPC answers; again with another port if it exits.

        Args:
            port: for its RPC, as after a restart; a free one by default.
        """
        self.datadir.mkdir(parents=True, exist_ok=True)
        for _ in range(3):
            self.port = port or free_port()
            self.process = subprocess.Popen(
                [
                    self._program,
                    f"-chain={self.chain}",
                    *([] if self.chain == "regtest" else ["-connect=0"]),
                    f"-datadir={self.datadir}",
                    f"-rpcport={self.port}",
                    "-listen=0",
                    "-dnsseed=0",
                    "-fixedseeds=0",
                    "-printtoconsole=0",
                    "-fallbackfee=0.0001",
                    "-rpcthreads=32",
                    *self._extra,
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            if self._wait_ready():
                return self
        raise RuntimeError(f"{self._program} did not start; see debug.log in {self.datadir}")

    def _wait_ready(self) -> bool:
        assert self.process is not None
        for _ in range(_START_SECONDS * 20):
            try:
                self.call("getblockcount")
            except (OSError, NodeRpcError):
                pass
            else:
                return True
            try:
                self.process.wait(timeout=0.05)
            except subprocess.TimeoutExpired:
                continue
            return False
        self.stop()
        return False

    def stop(self) -> None:
        """End the process by its pid and wait for it."""
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def call(self, method: str, *params: object) -> Any:
        """Call one RPC method; raises `NodeRpcError` on an error."""
        return rpc_call(self.port, self.cookie.read_text().strip(), method, params)

    async def acall(self, method: str, *params: object) -> Any:
        """Call one RPC method without holding up the event loop."""
        return await asyncio.to_thread(self.call, method, *params)


@contextmanager
def running_bitcoind(
    datadir: Path, *, extra: Sequence[str] = (), chain: str = "regtest"
) -> Iterator[Bitcoind]:
    """Run a bitcoind for the length of a `with` block.

    Args:
        datadir: an empty folder of the test's.
        extra: more of its options, such as `-zmqpubhashblock=...`.
        chain: regtest, or another of bitcoind's names; it is never connected to anybody.
    """
    node = Bitcoind(find_bitcoind(), datadir, extra=extra, chain=chain)
    try:
        yield node.start()
    finally:
        node.stop()
