"""The command line of the embedded node."""

import sys
from pathlib import Path

import click

from headframe.node.config import DEFAULT_PORT, NodeConfig
from headframe.runtime import logs, process, settings

__all__ = ["node"]

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


_HELP = """Run the embedded regtest node.

It is Bitcoin Core's consensus code behind bitcoind's JSON-RPC, without peers or a wallet:
a chain of your own, to mine on with any software that speaks to a bitcoind. Its blocks
survive a crash of the node.

\b
Start it, and ask it something from another terminal:
  headframe node --datadir ./chain
  curl --user "$(cat ./chain/regtest/.cookie)" http://127.0.0.1:18443 \\
       -d '{"method": "getblockchaininfo"}'

\b
Mine on it, first directly, then through the proxy:
  headframe mine --url bitcoind+http://127.0.0.1:18443 \\
       --cookie ./chain/regtest/.cookie --address bcrt1...
  headframe proxy --url bitcoind+http://127.0.0.1:18443 \\
       --cookie ./chain/regtest/.cookie --address bcrt1...

The RPC method `help` lists what can be called. When the node is ready it logs the event
node_ready with its URL, its height and the cookie's path. Ctrl-C, SIGTERM or the method
`stop` end it. The RPC has no encryption: leave it on loopback, or in a network you trust.
"""


@click.command("node", context_settings=_CONTEXT, help=_HELP)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file with the settings below (datadir, rpc_port, ...).",
)
@click.option(
    "--datadir",
    help="Data folder; the chain, and the cookie that logs in, are in its subfolder regtest. "
    "[default: $XDG_STATE_HOME/headframe/node]",
)
@click.option(
    "--rpc-port", type=int, help=f"Port of the RPC; 0 takes a free one. [default: {DEFAULT_PORT}]"
)
@click.option("--listen", help="Address that the RPC listens on. [default: 127.0.0.1]")
@click.option("--zmq", metavar="ADDRESS", help="Publish new blocks there: tcp://127.0.0.1:28332.")
@click.option(
    "--tx-rate", type=float, help="Transactions per second to make, of several kinds. [default: 0]"
)
@click.option("--log-level", type=click.Choice(logs.LEVELS), help="[default: info]")
@click.option(
    "--log-format",
    type=click.Choice(logs.FORMATS),
    help="auto is text on a terminal, else JSON. [default: auto]",
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Any setting.")
def node(config: Path | None, overrides: tuple[str, ...], **flags: object) -> None:
    """Run the embedded regtest node."""
    sys.exit(process.run(lambda: _main(config, overrides, flags)))


async def _main(path: Path | None, overrides: tuple[str, ...], flags: dict[str, object]) -> int:
    from headframe.node.app import serve  # not before it is needed: help is quick without it

    config = settings.load(NodeConfig, path=path, overrides=overrides, flags=flags)
    logs.setup(level=config.log_level, format=config.log_format)
    return await serve(config)
