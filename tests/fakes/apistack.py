"""A real proxy and a real miner, with pools, rigs, shares and a history: what an API tells of."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from headframe.chain.target import MAX_TARGET, Target
from tests.fakes.pool import FakePool
from tests.fakes.ports import free_port
from tests.fakes.programs import Program, headframe, until

__all__ = ["TOKEN", "Stack", "running_stack"]

TOKEN = "0123456789abcdef"
EASY = Target(MAX_TARGET >> 16)
"""65,536 hashes: some shares in a second."""
NBITS = 0x1D00FFFF
"""No share is a block."""


@dataclass
class Stack:
    """The programs.

    Attributes:
        proxy: with two routes, of which one has two pools.
        miner: mines on the proxy.
    """

    proxy: Program
    miner: Program


def _pool(table: str, port: int, name: str) -> str:
    url = f"stratum+tcp://127.0.0.1:{port}"
    return f'[[{table}]]\nurl = "{url}"\nname = "{name}"\nuser = "me"\npassword = "hunter2"\n'


@asynccontextmanager
async def running_stack(folder: Path, *, token: str = TOKEN) -> AsyncIterator[Stack]:
    """Start all, and wait for shares on both sides and for something in the history.

    Args:
        folder: for state, logs and settings.
        token: the operator's, or "" for none.
    """
    stratum = free_port()
    web = f'[web]\ntoken = "{token}"\n' if token else ""
    async with FakePool(size=8) as one, FakePool(size=8) as two, FakePool(size=8) as three:
        for pool in (one, two, three):
            pool.new_block(target=EASY, nbits=NBITS)
        (folder / "proxy.toml").write_text(
            f"{web}[history]\nflush_seconds = 1\n"
            f'[[listeners]]\nname = "front"\nport = {stratum}\n'
            '[[routes]]\nname = "main"\n'
            + _pool("routes.upstreams", one.port, "first")
            + _pool("routes.upstreams", two.port, "spare")
            + '[[routes]]\nname = "other"\n'
            + _pool("routes.upstreams", three.port, "third")
            + '[[rules]]\nroute = "other"\nlogin = "o.*"\n'
        )
        (folder / "miner.toml").write_text(
            f'threads = 1\nkernel = "portable"\nduty = 20\n{web}'
            + _pool("upstreams", stratum, "proxy")
            + _pool("upstreams", one.port, "pool")
        )
        proxy_args = ("--config", str(folder / "proxy.toml"), "--start-difficulty", "0.001")
        async with headframe("proxy", *proxy_args, folder=folder) as proxy:
            miner_args = ("--config", str(folder / "miner.toml"))
            async with headframe("mine", *miner_args, folder=folder) as miner:
                stack = Stack(proxy, miner)
                await until(lambda: _has_worked(stack), "shares and history", proxy, miner)
                yield stack


async def _has_worked(stack: Stack) -> bool:
    _, body = await stack.proxy.get("/api/v1/history")
    shares = (await stack.miner.status()).get("shares", {})
    return bool(json.loads(body or b"{}").get("rows")) and shares.get("accepted", 0) > 0
