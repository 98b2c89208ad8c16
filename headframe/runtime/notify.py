"""What a service manager is told: ready, how it goes, that it is alive, and that it stops.

The protocol is systemd's (sd_notify(3)): datagrams of `NAME=value` lines to the socket that
`NOTIFY_SOCKET` names. Without one, nothing is sent. The manager restarts a program that has
not sent `WATCHDOG=1` for `WATCHDOG_USEC`; it comes from the event loop, so a loop that
hangs is noticed.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from headframe.runtime.clock import monotonic

__all__ = ["Notifier", "notify", "notify_reloaded", "notify_reloading"]

_STATUS_SECONDS: Final = 10.0
"""How often the one line about how it goes is sent, where no watchdog asks for more."""
_LONGEST_STATUS: Final = 300


def notify(*assignments: str, env: Mapping[str, str] = os.environ) -> bool:
    """Tell the service manager, if there is one; never waits, and never fails.

    Args:
        assignments: such as "READY=1" or "STATUS=all is well".
        env: the environment, for `NOTIFY_SOCKET`.

    Returns:
        Whether it was sent.
    """
    address = env.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):  # others, such as vsock:, are for virtual machines
        return False
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    text = "\n".join(each.replace("\n", " ") for each in assignments)
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)  # noqa: FBT003 # the socket's own interface
        sock.sendto(text.encode("utf-8", "replace"), address)
        return True
    return False


def notify_reloading(env: Mapping[str, str] = os.environ) -> None:
    """Tell that the settings are being read anew; `notify_reloaded` must follow."""
    notify("RELOADING=1", f"MONOTONIC_USEC={int(monotonic() * 1e6)}", env=env)


def notify_reloaded(env: Mapping[str, str] = os.environ) -> None:
    """Tell that the program serves again, with new settings or with the old."""
    notify("READY=1", env=env)


class Notifier:
    """Tells the service manager about one program, while it serves.

    Args:
        healthy: whether the program does its part; while it does not, the watchdog is not
            fed, and the manager starts the program anew.
        status: one line on how it goes.
        env: the environment.
        pid: this process's number; a watchdog that is another process's is not ours to feed.
    """

    def __init__(
        self,
        *,
        healthy: Callable[[], bool],
        status: Callable[[], str],
        env: Mapping[str, str] = os.environ,
        pid: int | None = None,
    ) -> None:
        self._healthy = healthy
        self._status = status
        self._env = env
        self._told = ""
        self._watchdog_seconds = _watchdog_seconds(env, os.getpid() if pid is None else pid)

    async def run(self) -> None:
        """Tell that the program is ready, then that it is alive, until cancelled: it stops."""
        if not self._env.get("NOTIFY_SOCKET"):
            return
        pause = min(_STATUS_SECONDS, self._watchdog_seconds / 2)
        try:
            self._tell("READY=1")
            while True:
                if self._watchdog_seconds < float("inf") and self._healthy():
                    self._tell("WATCHDOG=1")
                else:
                    self._tell()
                await asyncio.sleep(pause)
        finally:
            notify("STOPPING=1", "STATUS=stopping", env=self._env)

    def _tell(self, *assignments: str) -> None:
        """Send these, and the status if it is another one."""
        status = self._status()[:_LONGEST_STATUS]
        if status != self._told:
            self._told = status
            assignments = (*assignments, f"STATUS={status}")
        if assignments:
            notify(*assignments, env=self._env)


def _watchdog_seconds(env: Mapping[str, str], pid: int) -> float:
    """Return how long the manager waits for a sign of life; infinite if it does not."""
    micros, owner = env.get("WATCHDOG_USEC", ""), env.get("WATCHDOG_PID", "")
    if not (micros.isdecimal() and int(micros)) or owner not in {"", str(pid)}:
        return float("inf")
    return int(micros) / 1e6
