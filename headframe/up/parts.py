"""The parts of `headframe up`: options, node, proxy, miner; each started, each waited for."""

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from headframe.chain.network import Network
from headframe.runtime.children import ChildError, Children, free_port
from headframe.runtime.clock import monotonic
from headframe.runtime.errors import ConfigError
from headframe.runtime.http import aiohttp
from headframe.upstream.base import RefusedError, UpstreamError
from headframe.upstream.node import NodeRpc
from headframe.upstream.zmq import has_zmq

__all__ = [
    "ANYWHERE",
    "MATURE_BLOCKS",
    "Node",
    "Options",
    "Stack",
    "find_bitcoind",
    "mature",
    "own_address",
    "running_node",
    "start_miner",
    "start_node",
    "start_proxy",
]

ANYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 # only when the operator says so
"""What `--listen` means with these: any interface."""
MATURE_BLOCKS: Final = 101
"""Blocks until the first coinbase can be spent: 100 on top of it, on every chain."""
READY_SECONDS: Final = 60
"""How long a process may take until it answers; the node may have to rebuild its index."""
OPEN_CHALLENGE: Final = "51"
"""OP_TRUE: the private signet's blocks need no signature, and it needs no peers."""
_RPC_PORTS: Final = {Network.REGTEST: 18443, Network.SIGNET: 38332}
_ZMQ_PORT: Final = 28332


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line chose; see `headframe up --help`."""

    datadir: Path
    fresh: bool = False
    node: str = "embedded"
    network: Network = Network.REGTEST
    tx_rate: float = 0
    rpc: str = ""
    cookie: str = ""
    address: str = ""
    listen: str = "127.0.0.1"
    stratum_port: int = 3333
    web_port: int = 9332
    rpc_port: int | None = None
    pace_seconds: float = 10
    threads: int | None = None
    kernel: str = ""
    blocks: int = 0
    mine: bool = True


@dataclass(frozen=True, slots=True)
class Stack:
    """What was chosen, and what runs."""

    options: Options
    children: Children


class Node:
    """The node in use: where it is, and how to log in."""

    def __init__(
        self, *, url: str, user: str = "", password: str = "", cookie: Path | None = None
    ) -> None:
        self.url, self.user, self.password, self.cookie = url, user, password, cookie
        self.rpc = NodeRpc(url, user=user, password=password, cookie=cookie)

    def login(self, folder: Path) -> list[str]:
        """Return the proxy's options for it; a password goes into a file, not on a command line."""
        if not self.password:
            return ["--cookie", str(self.cookie)] if self.cookie else []
        path = folder / "rpc-password"
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self.password)
        return ["--user", self.user, "--password-file", str(path)]


def own_address(folder: Path, network: Network = Network.REGTEST) -> tuple[str, Path]:
    """Return the payout address of this folder's key, making the key the first time.

    The key is a private key for the network in wallet import format, readable by its owner
    alone; its coins are worth nothing.
    """
    from embit import script  # an optional part, loaded when used
    from embit.ec import PrivateKey
    from embit.networks import NETWORKS

    path = folder / f"{network.value}-key.wif"
    about = NETWORKS[network.value]
    if not path.exists():
        key = PrivateKey(os.urandom(32), network=about)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(key.wif(about) + "\n")
    key = PrivateKey.from_wif(path.read_text().strip())
    return script.p2wpkh(key).address(about), path


def find_bitcoind() -> str:
    """Find a bitcoind: $BITCOIND, PATH, or the private copy of a source checkout.

    Raises:
        ConfigError: there is none.
    """
    found = os.environ.get("BITCOIND") or shutil.which("bitcoind")
    if found:
        return found
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    private = cache / "bitcoind-from-debian" / "current" / "bin" / "bitcoind"
    if private.exists():
        return str(private)
    raise ConfigError(
        "no bitcoind found: set BITCOIND to one, put it on PATH, or run "
        "scripts/bitcoind-from-debian in a source checkout"
    )


async def start_node(stack: Stack) -> Node:
    """Start the node that was asked for, or take the one that runs; wait until it answers."""
    options = stack.options
    if options.rpc:
        return await _answering(stack, running_node(options))
    port = free_port("127.0.0.1", options.rpc_port or _RPC_PORTS[options.network])
    folder = options.datadir / options.node
    folder.mkdir(exist_ok=True)
    make = _embedded_argv if options.node == "embedded" else _bitcoind_argv
    await stack.children.start("node", make(options, folder, port))
    cookie = folder / options.network.value / ".cookie"
    return await _answering(stack, Node(url=f"http://127.0.0.1:{port}", cookie=cookie))


def _embedded_argv(options: Options, folder: Path, port: int) -> list[str]:
    argv = [sys.executable, "-m", "headframe.node", "--datadir", str(folder)]
    argv += ["--rpc-port", str(port), "--log-format", "json"]
    if has_zmq():
        argv += ["--zmq", _feed()]
    if options.tx_rate:
        argv += ["--tx-rate", str(options.tx_rate)]
    return argv


def _bitcoind_argv(options: Options, folder: Path, port: int) -> list[str]:
    argv = [find_bitcoind(), f"-{options.network.value}", f"-datadir={folder}", f"-rpcport={port}"]
    argv += ["-listen=0", "-connect=0", "-dnsseed=0", "-fallbackfee=0.0001", "-printtoconsole"]
    if options.network is Network.SIGNET:
        argv.append(f"-signetchallenge={OPEN_CHALLENGE}")
    if has_zmq():
        argv.append(f"-zmqpubhashblock={_feed()}")
    return argv


def _feed() -> str:
    return f"tcp://127.0.0.1:{free_port('127.0.0.1', _ZMQ_PORT)}"


def running_node(options: Options) -> Node:
    """Read `--rpc`.

    Raises:
        ConfigError: it is no URL of a node.
    """
    parts = urlsplit(options.rpc)
    if parts.scheme != "http" or not parts.hostname:
        raise ConfigError(
            f"--rpc {options.rpc!r} is no URL of a node: write http://host:port, with "
            "user:password@ before the host if the node wants them"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Node(
        url=f"http://{host}:{parts.port or _RPC_PORTS[options.network]}",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        cookie=Path(options.cookie) if options.cookie else None,
    )


async def _answering(stack: Stack, node: Node) -> Node:
    try:
        return await _first_answer(stack, node)
    except BaseException:
        await node.rpc.close()
        raise


async def _first_answer(stack: Stack, node: Node) -> Node:
    last: Exception | None = None
    end = monotonic() + READY_SECONDS
    while monotonic() < end:
        stack.children.check()
        try:
            about = await node.rpc.call("getblockchaininfo")
        except UpstreamError as error:
            if isinstance(error, RefusedError) and stack.options.rpc:
                raise ConfigError(str(error)) from error
            last = error
            await asyncio.sleep(0.1)
            continue
        _ensure_ours(about, node, stack.options)
        return node
    raise ChildError(f"no answer within {READY_SECONDS} s: {last}")


def _ensure_ours(about: Mapping[str, object], node: Node, options: Options) -> None:
    wanted, chain = options.network, about.get("chain")
    if chain != wanted.value:
        other = Network.SIGNET if wanted is Network.REGTEST else Network.REGTEST
        raise ConfigError(
            f"`up` is to run on {wanted.value}, and the node at {node.url} is on {chain}: name "
            f"another node, or try --network {other.value}"
        )
    challenge = about.get("signet_challenge", OPEN_CHALLENGE)
    if wanted is Network.SIGNET and challenge != OPEN_CHALLENGE:
        raise ConfigError(
            f"the node at {node.url} is on a signet whose blocks must be signed (challenge "
            f"{str(challenge)[:20]}...): start it with -signetchallenge={OPEN_CHALLENGE}"
        )


async def mature(rpc: NodeRpc, address: str, options: Options) -> int:
    """Bring a young chain to where our first coinbase can be spent; return the height.

    On signet that is left to the miners: each of its blocks takes millions of hashes.
    """
    height = int(await rpc.call("getblockcount"))
    # The node's own blocks, for its transactions, come before ours.
    wanted = 2 * MATURE_BLOCKS if options.tx_rate else MATURE_BLOCKS
    if height < wanted and options.network is Network.REGTEST:
        await rpc.call("generatetoaddress", wanted - height, address)
        height = int(await rpc.call("getblockcount"))
    return height


async def start_proxy(stack: Stack, node: Node, address: str) -> tuple[int, int]:
    """Start the proxy in solo mode on the node; return its Stratum and web ports."""
    options = stack.options
    stratum = free_port(options.listen, options.stratum_port)
    web = free_port("127.0.0.1", options.web_port)
    # Not --url: it stands for a list of upstreams of its own, without the name.
    argv = [sys.executable, "-m", "proxy", "--set", f"upstreams.0.url=bitcoind+{node.url}"]
    argv += node.login(options.datadir)
    # A name that stays though the port may change: the journal's blocks belong to it.
    argv += ["--set", "upstreams.0.name=node"]
    argv += ["--address", address, "--listen", f"{options.listen}:{stratum}"]
    argv += ["--web-port", str(web), "--log-format", "json", "--start-difficulty", "0.01"]
    argv += ["--pace", str(options.pace_seconds), "--state-dir", str(options.datadir / "proxy")]
    await stack.children.start("proxy", argv)
    await _healthy(stack, "proxy", web)
    return stratum, web


async def start_miner(stack: Stack, stratum: int) -> int:
    """Start the miner on the proxy; return its web port."""
    options = stack.options
    host = "127.0.0.1" if options.listen in ANYWHERE else options.listen
    web = free_port("127.0.0.1", 9333)
    argv = [sys.executable, "-m", "miner", "--url", f"stratum+tcp://{host}:{stratum}"]
    argv += ["--user", "up.miner", "--web-port", str(web), "--log-format", "json"]
    argv += ["--state-dir", str(options.datadir / "miner")]
    if options.threads:
        argv += ["--threads", str(options.threads)]
    if options.kernel:
        argv += ["--kernel", options.kernel]
    await stack.children.start("miner", argv)
    await _healthy(stack, "miner", web)
    return web


async def _healthy(stack: Stack, name: str, port: int) -> None:
    end = monotonic() + READY_SECONDS
    async with aiohttp.ClientSession() as session:
        while monotonic() < end:
            stack.children.check()
            try:
                async with session.get(f"http://127.0.0.1:{port}/healthz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
    raise ChildError(
        f"the {name} was not ready within {READY_SECONDS} s; its log is in {stack.children.logs}"
    )
