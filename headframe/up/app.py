"""How `headframe up` runs: start in order, show how it goes, end together."""

import asyncio
import fcntl
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import click
import msgspec

from headframe.runtime import process
from headframe.runtime.children import Children
from headframe.runtime.clock import monotonic
from headframe.runtime.errors import ConfigError
from headframe.runtime.http import aiohttp
from headframe.up.parts import (
    ANYWHERE,
    Node,
    Options,
    Stack,
    mature,
    own_address,
    start_miner,
    start_node,
    start_proxy,
)
from headframe.upstream.base import UpstreamError
from headframe.upstream.node import NodeRpc

__all__ = ["own_folder", "run"]


class Status(msgspec.Struct):
    """What `up` shows of the proxy's status; the rest is on the page."""

    hashrate_hps: float = 0.0
    shares: dict[str, object] = {}  # msgspec copies defaults
    rigs: list[object] = []


@asynccontextmanager
async def own_folder(options: Options) -> AsyncIterator[None]:
    """Own the data folder: one `up` at a time; emptied first if asked for."""
    options.datadir.mkdir(parents=True, exist_ok=True)
    with (options.datadir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(
                f"another `headframe up` uses {options.datadir}: end it, or choose another "
                "folder with --datadir"
            ) from None
        if options.fresh:
            for name in ("embedded", "bitcoind", "proxy", "miner", "logs"):
                shutil.rmtree(options.datadir / name, ignore_errors=True)
        (options.datadir / "logs").mkdir(exist_ok=True)
        yield


async def run(options: Options) -> int:
    """Start everything, show how it goes, and end it together; return the exit status."""
    async with own_folder(options), AsyncExitStack() as exits:
        stack = Stack(options, Children(options.datadir / "logs", exits))
        address, key = options.address, None
        if not address:
            address, key = own_address(options.datadir, options.network)
        node = await start_node(stack)
        exits.push_async_callback(node.rpc.close)
        height = await mature(node.rpc, address, options)
        stratum, web = await start_proxy(stack, node, address)
        if options.mine:
            await start_miner(stack, stratum)
        _greet(options, node, address, key, (stratum, web, height))
        return await _watch(stack, node.rpc, web, height)


def _greet(
    options: Options, node: Node, address: str, key: Path | None, at: tuple[int, int, int]
) -> None:
    stratum, web, height = at
    anywhere = options.listen in ANYWHERE
    host = socket.gethostname() if anywhere else options.listen
    say = click.echo
    say(
        f"node     {node.url}  {options.network.value}, height {height}, chain in {options.datadir}"
    )
    say(f"payout   {address}" + (f"  (its key: {key})" if key else ""))
    say(f"page     http://127.0.0.1:{web}/")
    say("join     from another terminal or program:")
    say(f"           headframe mine --url stratum+tcp://{host}:{stratum} --user rig1")
    say(f"           minerd -a sha256d -o stratum+tcp://{host}:{stratum} -u rig1 -p x")
    if not anywhere:
        say("         (other machines can join after `headframe up --listen 0.0.0.0`)")
    say("Ctrl-C ends everything; the chain goes on next time.")


async def _watch(stack: Stack, rpc: NodeRpc, web: int, start: int) -> int:
    """Show each new block, and a status line on a terminal, until enough blocks are in."""
    options, height, last_line = stack.options, start, monotonic()
    live, trouble = sys.stdout.isatty(), ""
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                blocks, trouble = await _blocks_above(rpc, height), ""
            except UpstreamError as error:  # a node of somebody else's may come back
                blocks = []
                if trouble != str(error):
                    trouble = str(error)
                    click.echo(f"node     {trouble}", err=True)
            stack.children.check()
            status = await _status(session, web)
            if live and blocks:
                click.echo("\r\x1b[K", nl=False)
            for block in blocks:
                height += 1
                click.echo(f"block    {height} accepted by the node  {block}")
            if options.blocks and height - start >= options.blocks:
                click.echo(f"done     {height - start} blocks accepted; height {height}")
                return process.EXIT_OK
            if live or monotonic() - last_line >= 30:
                last_line = monotonic()
                _line(status, height, height - start, live=live)
            await asyncio.sleep(0.5)


async def _blocks_above(rpc: NodeRpc, height: int) -> list[str]:
    tip = int(await rpc.call("getblockcount"))
    return [await rpc.call("getblockhash", each) for each in range(height + 1, tip + 1)]


def _line(status: Status, height: int, blocks: int, *, live: bool) -> None:
    shares = status.shares
    text = (
        f"height {height}  blocks {blocks}  {status.hashrate_hps / 1e6:.1f} MH/s  "
        f"{len(status.rigs)} rigs  shares {shares.get('accepted', 0)} accepted, "
        f"{shares.get('rejected', 0)} rejected"
    )
    click.echo(f"\r\x1b[K{text}" if live else text, nl=not live)


async def _status(session: aiohttp.ClientSession, port: int) -> Status:
    try:
        async with session.get(f"http://127.0.0.1:{port}/api/v1/status") as answer:
            return msgspec.json.decode(await answer.read(), type=Status)
    except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError):
        return Status()
