"""How the node runs: open the chain, serve the RPC, end in good order."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from headframe.chain.hashes import hash_to_hex
from headframe.node.config import NodeConfig
from headframe.node.keyring import load_key_ring
from headframe.node.server import RpcServer
from headframe.node.service import NodeService
from headframe.node.spender import Spender
from headframe.node.zmq import BlockPublisher
from headframe.runtime.logs import get_logger
from headframe.runtime.process import EXIT_OK

__all__ = ["default_datadir", "serve"]

_log = get_logger(__name__)


def default_datadir(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the node keeps its data when nothing else is said."""
    state = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "headframe" / "node"


async def serve(config: NodeConfig) -> int:
    """Run the node until it is cancelled or told to stop; return the exit code.

    Raises:
        HeadframeError: the folder is in use, there is no kernel, the port is taken.
    """
    folder = config.chain_folder(default_datadir())
    cookie = folder / ".cookie"
    try:
        async with (
            NodeService(folder) as node,
            _companions(config, node),  # first: who asks finds the chain with its coins
            RpcServer(node, host=config.listen, port=config.rpc_port, cookie=cookie) as server,
        ):
            _log.info(
                "node_ready",
                rpc=server.url,
                datadir=str(folder.parent),
                height=node.tip.height,
                tip=hash_to_hex(node.tip.hash),
                cookie_file=str(cookie),
                zmq=node.published_at,
            )
            await node.stop_requested.wait()
    finally:
        _log.info("node_stopped", datadir=str(folder.parent))
    return EXIT_OK


@asynccontextmanager
async def _companions(config: NodeConfig, node: NodeService) -> AsyncIterator[None]:
    """Run beside the RPC what the settings ask for.

    Raises:
        ConfigError: it cannot be had.
    """
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        tasks = []
        if config.zmq:
            publisher = await stack.enter_async_context(BlockPublisher(node, config.zmq))
            tasks.append(group.create_task(publisher.run()))
        if config.tx_rate:
            ring = load_key_ring(node.folder / "transactions.key")
            spender = Spender(node, ring, per_second=config.tx_rate)
            if await spender.provide():
                tasks.append(group.create_task(spender.run()))
        yield
        for task in tasks:
            task.cancel()
