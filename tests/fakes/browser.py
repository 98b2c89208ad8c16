"""A headless Chromium that shows one page, driven by its DevTools protocol."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

__all__ = ["browsing"]


@asynccontextmanager
async def browsing(profile: Path, page: str) -> AsyncIterator[Callable[[str], Awaitable[Any]]]:
    """Open a page in Chromium; give a way to evaluate JavaScript in it."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        lacking = "no chromium: the page is not tried in a browser (apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(lacking, pytrace=False)
        pytest.skip(lacking)
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    flags += ["--disable-quic", "--no-first-run"]  # it talks to the page under test, and to no one
    process = await asyncio.create_subprocess_exec(
        program,
        *flags,
        f"--user-data-dir={profile}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        while not (line := await process.stderr.readline()).startswith(b"DevTools listening on"):
            assert line, "chromium ended"
        port = line.decode().split("/")[2]
        async with (
            aiohttp.ClientSession() as session,
            session.put(f"http://{port}/json/new?{page}") as answer,
        ):
            tab = await answer.json()
            async with session.ws_connect(tab["webSocketDebuggerUrl"]) as socket:

                async def evaluate(expression: str) -> Any:
                    params = {"expression": expression, "awaitPromise": True, "returnByValue": True}
                    call = {"id": 1, "method": "Runtime.evaluate", "params": params}
                    while True:  # a page that is still being opened loses what it was asked
                        await socket.send_json(call)
                        told = await socket.receive_json()
                        if "result" in told:
                            return told["result"]["result"].get("value")

                yield evaluate
    finally:
        process.terminate()
        await process.wait()
