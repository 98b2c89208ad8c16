"""The command line of `headframe up`."""

import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import click
import msgspec

from headframe.chain.network import Network
from headframe.runtime import process
from headframe.up.app import run
from headframe.up.parts import Options

__all__ = ["up"]


_TX_RATE = 1.0
"""Transactions per second, so that the page shows fees; ten for each block of the pace."""


def _state_dir() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "headframe" / "up"


@click.command(name="up")
@click.option("--datadir", type=click.Path(path_type=Path), help="Where chain, key and logs live.")
@click.option("--fresh", is_flag=True, help="Start a new chain (the key is kept).")
@click.option(
    "--node",
    type=click.Choice(["embedded", "bitcoind"]),
    default="embedded",
    show_default=True,
    help="The node to start: the embedded one, or a real bitcoind ($BITCOIND or on PATH).",
)
@click.option(
    "--network",
    type=click.Choice(["regtest", "signet"]),
    default="regtest",
    show_default=True,
    help="signet: a private one on a bitcoind, where shares are easier than blocks.",
)
@click.option(
    "--tx-rate",
    type=click.FloatRange(min=0, max=100),
    help="Transactions per second that the embedded node makes, so that blocks are not empty. "
    "Default: 1.",
)
@click.option("--rpc", default="", help="Use a running node: http://[user:password@]host:port.")
@click.option("--cookie", default="", help="Cookie file of the node named by --rpc.")
@click.option("--address", default="", help="Pay blocks to this address, instead of our own key's.")
@click.option("--listen", default="127.0.0.1", show_default=True, help="Where rigs may connect.")
@click.option("--stratum-port", default=3333, show_default=True, help="Port for rigs.")
@click.option("--web-port", default=9332, show_default=True, help="Port of the page.")
@click.option("--rpc-port", type=int, help="RPC port of the node. Default: the network's own.")
@click.option("--pace", "pace_seconds", default=10.0, show_default=True, help="Seconds per block.")
@click.option(
    "--threads", type=click.IntRange(min=1), help="Threads that hash. Default: all cores."
)
@click.option("--kernel", default="", help="Kernel to hash with. Default: the fastest.")
@click.option("--blocks", type=click.IntRange(min=0), default=0, help="End after so many blocks.")
@click.option("--mine/--no-mine", default=True, help="Start a miner here, or only wait for rigs.")
@click.pass_context
def up(ctx: click.Context, /, **chosen: object) -> None:
    """Start a node of our own chain, a solo proxy and a miner here, and watch blocks come.

    A port that is taken is replaced by a free one. The first start makes a key, pays the
    blocks to its address, and brings regtest to maturity, so that coins can be spent.
    Nothing listens beyond this machine unless --listen says so.

    \b
    Examples:
      headframe up                       until Ctrl-C
      headframe up --blocks 3            for a script: ends with success after 3 blocks
      headframe up --node bitcoind       on a real bitcoind instead
      headframe up --network signet      on a private signet, where not each share is a block
      headframe up --tx-rate 5           with more transactions, and their fees, in the blocks
      headframe up --pace 2 --fresh      a new chain, a block every 2 seconds or so
    """  # noqa: D301 # click reads \b
    datadir = chosen.pop("datadir") or _state_dir()
    rate = chosen.pop("tx_rate")
    options = msgspec.convert({**chosen, "datadir": str(datadir)}, Options, dec_hook=_decode)
    if options.network is Network.SIGNET and not options.rpc:
        options = replace(options, node="bitcoind")  # the embedded node has regtest alone
    embedded = options.node == "embedded" and not options.rpc
    if rate and not embedded:
        raise click.UsageError("--tx-rate is for the embedded node: leave --node and --rpc out")
    if embedded and find_spec("pbk") is None:
        click.echo(
            "There is no embedded node for this Python (py-bitcoinkernel has no wheel): "
            "looking for a bitcoind instead.",
            err=True,
        )
        options, embedded = replace(options, node="bitcoind"), False
    if embedded:
        default = _TX_RATE if rate is None else rate
        options = replace(options, tx_rate=msgspec.convert(default, float))
    ctx.exit(process.run(lambda: run(options)))


def _decode(kind: type, value: object) -> object:
    """Make what msgspec does not know by itself."""
    if kind is Path:
        return Path(str(value))
    raise NotImplementedError(kind)
