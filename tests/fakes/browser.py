"""A headless Chromium that shows one page, driven by its DevTools protocol."""

import asyncio
import base64
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

__all__ = ["Tab", "browsing"]

_KEYS: Final = {
    "Enter": (13, "\r"),
    "Tab": (9, ""),
    "Escape": (27, ""),
    "ArrowLeft": (37, ""),
    "ArrowUp": (38, ""),
    "ArrowRight": (39, ""),
    "ArrowDown": (40, ""),
    "Home": (36, ""),
    "End": (35, ""),
    " ": (32, " "),
}
"""Virtual key codes as Windows has them, which the protocol asks for, and what they type."""
_SHIFT: Final = 8


class Tab:
    """A page that is open.

    Args:
        socket: to its DevTools.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = count(1)

    async def __call__(self, expression: str) -> Any:
        """Evaluate JavaScript in the page; a promise is waited for."""
        params = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        while True:  # a page that is still being opened loses what it was asked
            told = await self._ask("Runtime.evaluate", params)
            if "result" in told:
                fault = told["result"].get("exceptionDetails")
                assert fault is None, fault
                return told["result"]["result"].get("value")

    async def call(self, method: str, **params: object) -> Any:
        """Call a method of the protocol."""
        told = await self._ask(method, params)
        assert "result" in told, told
        return told["result"]

    async def press(self, *keys: str, shift: bool = False) -> None:
        """Press and release keys, one after the other, as a person would."""
        for key in keys:
            code, text = _KEYS.get(key, (ord(key.upper()[0]), key))
            event = {"key": key, "windowsVirtualKeyCode": code, "modifiers": _SHIFT * shift}
            down = "keyDown" if text else "rawKeyDown"
            await self.call("Input.dispatchKeyEvent", type=down, text=text, **event)
            await self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    async def type(self, text: str) -> None:
        """Type a text where the focus is."""
        await self.call("Input.insertText", text=text)

    async def resize(self, width: int, height: int = 900) -> None:
        """Make the window so large, in CSS pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.call("Emulation.setDeviceMetricsOverride", **size)

    async def prefer(self, **features: str) -> None:
        """Let the system prefer something, such as `color_scheme="dark"`."""
        wanted = [
            {"name": f"prefers-{name.replace('_', '-')}", "value": value}
            for name, value in features.items()
        ]
        await self.call("Emulation.setEmulatedMedia", features=wanted)

    async def picture(self, *, whole: bool = False) -> bytes:
        """Take a picture as PNG: of what is seen, or of the whole page."""
        taken = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(taken["data"])

    async def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            told: dict[str, Any] = await self._socket.receive_json()
            if told.get("id") == number:
                return told


@asynccontextmanager
async def browsing(profile: Path, page: str) -> AsyncIterator[Tab]:
    """Open a page in Chromium."""
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
            address = (await answer.json())["webSocketDebuggerUrl"]
            async with session.ws_connect(address, max_msg_size=1 << 26) as socket:
                tab = Tab(socket)
                await tab.call("Page.bringToFront")
                await tab.call("Emulation.setFocusEmulationEnabled", enabled=True)  # it hears keys
                yield tab
    finally:
        process.terminate()
        await process.wait()
