"""The command line of `headframe mine`."""

import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from headframe.runtime import process
from headframe.runtime.settings import load
from miner.app import make_miner
from miner.config import MinerConfig
from miner.live import make_display

__all__ = ["mine"]

_OF_UPSTREAMS: Final = {
    "user": "user",
    "password": "password",
    "password_file": "password_file",
    "address": "address",
    "cookie": "cookie",
    "pace": "pace_seconds",
    "allow_mainnet": "allow_mainnet",
}
"""Flags about upstreams, and the settings they set."""

_OF_PROGRAM: Final = {
    "threads": "threads",
    "kernel": "kernel",
    "gpu_latency": "gpu_latency_ms",
    "priority": "priority",
    "pin": "pin",
    "duty": "duty",
    "state_dir": "state_dir",
    "web": "web.enabled",
    "web_port": "web.port",
    "log_format": "log.format",
    "log_level": "log.level",
    "wire_log": "log.wire",
    "once": "stop.once",
    "shares": "stop.shares",
    "blocks": "stop.blocks",
}
"""The other flags."""


@click.command(name="mine", context_settings={"max_content_width": 100})
@click.option(
    "--url",
    "urls",
    multiple=True,
    metavar="URL",
    help="Where work comes from; again for a pool or node that stands by. "
    "stratum+tcp://host:port, stratum+ssl://host:port or bitcoind+http://host:port.",
)
@click.option("--user", help="The pool's worker or account, or the node's RPC user.")
@click.option("--password", help="Its password. Others can see it: better --password-file.")
@click.option("--password-file", metavar="FILE", help="A file that holds the password.")
@click.option("--address", help="Who is paid for blocks; needed to mine on a node.")
@click.option("--cookie", metavar="FILE", help="The node's .cookie, if not where bitcoind puts it.")
@click.option("--pace", type=float, metavar="SECONDS", help="Time between blocks on regtest.")
@click.option("--allow-mainnet", is_flag=True, default=None, help="Mine on mainnet, too.")
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="NAME",
    help="What hashes: cpu, gpu, gpu:0, ...; again for several. Default: cpu.",
)
@click.option(
    "--gpu-latency", type=float, metavar="MS", help="Time of a launch on a GPU. Default: 50."
)
@click.option("--threads", type=int, metavar="N", help="Threads that hash. Default: all cores.")
@click.option("--kernel", metavar="NAME", help="The kernel. Default: the fastest of this CPU.")
@click.option("--priority", metavar="NAME", help="Hash at priority low (default), idle or normal.")
@click.option("--pin", metavar="CORES", help="Keep each hashing thread on a core: 0-3,6 or all.")
@click.option("--duty", type=int, metavar="PERCENT", help="Hash so much of the time. Default: 100.")
@click.option("--config", type=click.Path(path_type=Path), help="A TOML file with settings.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Any one setting.")
@click.option("--state-dir", metavar="DIR", help="Where found blocks are kept until judged.")
@click.option("--web/--no-web", default=None, help="Serve a page with live figures, or not.")
@click.option(
    "--web-port", type=int, metavar="PORT", help="Its port. Default: 9333, or a free one."
)
@click.option(
    "--log-format",
    metavar="FORMAT",
    help="screen: all figures on the terminal (default there); text: lines; json: for programs.",
)
@click.option("--log-level", metavar="LEVEL", help="debug, info, warning or error.")
@click.option("--wire-log", metavar="FILE", help="Write every line to and from pools there.")
@click.option("--once", is_flag=True, default=None, help="Fail (69) if no upstream can be used.")
@click.option("--shares", type=int, metavar="N", help="End after so many accepted shares.")
@click.option("--blocks", type=int, metavar="N", help="End after so many accepted blocks.")
@click.pass_context
def mine(ctx: click.Context, /, **given: Any) -> None:
    """Mine for a pool, or directly on a node.

    Hashes on all cores with the fastest kernel of this CPU, or on what --device names. A
    pool that is down, refuses or has a wrong password is told once and tried for ever.
    --user, --password and the like count for every --url; to have different ones, write
    them into the URLs (stratum+tcp://user:password@host:port) or into a file.

    \b
    Examples:
      headframe mine --url stratum+tcp://127.0.0.1:3333 --user rig1
      headframe mine --url stratum+tcp://a:3333 --url stratum+tcp://b:3333 --user me.rig1
                                    the second pool while the first is away
      headframe mine --url bitcoind+http://127.0.0.1:18443 --address bcrt1...
                                    solo on a regtest node, paid to that address
      headframe mine --config miner.toml --set threads=2
      headframe mine --url stratum+tcp://127.0.0.1:3333 --user rig1 --threads 2 --duty 50
                                    half the time of two cores, and only when they are free
      headframe mine --url stratum+tcp://127.0.0.1:3333 --user rig1 --device gpu:0 --device cpu
                                    the first GPU and the CPU, each with its own figures
      headframe mine --url stratum+tcp://127.0.0.1:3333 --user rig1 --shares 5 --once
                                    for a script: succeeds after 5 accepted shares

    Every setting, its environment variable and its default: docs/config.md.
    """  # noqa: D301 # click wants the character itself
    ctx.exit(process.run(lambda: _mine(given, os.environ)))


async def _mine(given: Mapping[str, Any], env: Mapping[str, str]) -> int:
    read = partial(
        load,
        MinerConfig,
        path=given["config"],
        env=env,
        overrides=given["overrides"],
        flags=_flags(given, env),
    )
    config = read()
    display = make_display(config.log, sys.stdout)
    return await make_miner(config, env, read, str(given["config"] or "")).run(display)


def _flags(given: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, object]:
    """Turn the flags into settings, by dotted key."""
    flags: dict[str, object] = {key: given[flag] for flag, key in _OF_PROGRAM.items()}
    about = {key: given[flag] for flag, key in _OF_UPSTREAMS.items() if given[flag] is not None}
    if given["devices"]:
        flags["devices"] = list(given["devices"])
    if given["urls"]:
        # As a whole: one pool's password in a file must not go to another in a flag.
        flags["upstreams"] = [{"url": url, **about} for url in given["urls"]]
    elif given["config"] or any(
        "upstreams" in each.lower() for each in (*env, *given["overrides"])
    ):
        flags |= {f"upstreams.0.{key}": value for key, value in about.items()}
    return flags
