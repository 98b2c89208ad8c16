"""The command line of the proxy."""

import gc
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import click

from headframe.runtime import logs, process
from headframe.runtime.errors import ConfigError, HeadframeError
from headframe.runtime.settings import help_of, load
from headframe.runtime.wire import format_peer
from proxy.app import check as check_parts
from proxy.app import run
from proxy.config import ProxyConfig
from proxy.dryrun import dry_run as try_routes

__all__ = ["config_from", "parse_listen", "proxy"]

_UPSTREAM_FLAGS = ("user", "password", "password_file", "cookie", "address")


def _about(key: str) -> str:
    return help_of(ProxyConfig, key)


@click.command(name="proxy")
@click.option("--url", "urls", multiple=True, help="Pool or node to work for; again for fallbacks.")
@click.option("--user", help=_about("upstreams.0.user"))
@click.option("--password", help="Its password; better in a file.")
@click.option("--password-file", help=_about("upstreams.0.password_file"))
@click.option("--cookie", help=_about("upstreams.0.cookie"))
@click.option("--address", help=_about("upstreams.0.address"))
@click.option("--pace", "pace_seconds", type=float, help="Seconds between a node's blocks; 0: off.")
@click.option("--allow-mainnet", is_flag=True, help=_about("upstreams.0.allow_mainnet"))
@click.option("--listen", help="Where rigs connect, as host:port. [default: 127.0.0.1:3333]")
@click.option("--start-difficulty", type=float, help=_about("vardiff.start"))
@click.option("--web-port", type=int, help=_about("web.port"))
@click.option("--no-web", is_flag=True, help="Serve no page and no metrics.")
@click.option("--state-dir", help=_about("state_dir"))
@click.option("--config", type=click.Path(path_type=Path), help="A TOML file with settings.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Set any setting.")
@click.option("--log-format", type=click.Choice(logs.FORMATS), help=_about("log_format"))
@click.option("--log-level", type=click.Choice(logs.LEVELS), help=_about("log_level"))
@click.option("--wire-log", metavar="FILE", help="Write every line of pools and rigs there.")
@click.option("--check", is_flag=True, help="Say whether the configuration is good, and end.")
@click.option("--dry-run", is_flag=True, help="Say which rig would take which route, and end.")
@click.option(
    "--rig",
    "rigs",
    multiple=True,
    metavar="LISTENER,ADDRESS,LOGIN[,AGENT]",
    help="With --dry-run: a rig; again for more. [default: those of a running proxy]",
)
@click.option(
    "--running",
    default="",
    metavar="URL",
    help="With --dry-run: the page of the running proxy. [default: as in the settings]",
)
@click.pass_context
def proxy(ctx: click.Context, /, **given: object) -> None:
    """Serve a fleet of rigs from one pool or node.

    Rigs speak Stratum V1 to the proxy. Each has a part of the upstream's extranonce of
    its own, and a difficulty that suits it. Shares are checked and answered here at
    once; those that are good enough go upstream, and a block always does.

    \b
    Examples:
      headframe proxy --url stratum+tcp://pool.example:3333 --user account.site
      headframe proxy --url stratum+tcp://a.example:3333 --url stratum+tcp://b.example:3333 \\
                      --user account --listen 0.0.0.0:3333
      headframe proxy --url bitcoind+http://127.0.0.1:18443 --address bcrt1q...
      headframe proxy --config proxy.toml --check
      headframe proxy --config proxy.toml --dry-run --rig front,10.0.0.7,me.rig1

    Then point rigs at stratum+tcp://HOST:3333, and look at http://127.0.0.1:9332/.
    """  # noqa: D301 - click wants the character itself
    ends = {name: given.pop(name) for name in ("check", "dry_run", "rigs", "running")}
    try:
        read = partial(config_from, given, os.environ)
        config = read()
        logs.setup(level=config.log_level, format=config.log_format)
        if _ended(config, **ends):
            return
    except HeadframeError as error:
        ctx.exit(process.report(error))
    _calm_collector()
    ctx.exit(process.run(lambda: run(config, read=read, file=str(given["config"] or ""))))


def _calm_collector() -> None:
    """Let the garbage collector look less often at what lives long.

    A full collection with 5,000 rigs stops the loop for a tenth of a second, and finds
    nothing: what a rig leaves behind is freed when it goes. So what outlives one look, as
    all rigs that come do, is looked at again after ten million objects more; the little
    that is rubbish by then can wait.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 1_000, 100)


def config_from(chosen: Mapping[str, object], env: Mapping[str, str]) -> ProxyConfig:
    """Make the configuration of what the command line and its surroundings say.

    Args:
        chosen: the options by their names; `None`, "", () and false: not given.
        env: the environment.

    Raises:
        ConfigError: something cannot be used; says what.
    """
    given = {
        key: value
        for key, value in chosen.items()
        if value is not None and value is not False and value not in {"", ()}
    }
    flags: dict[str, object] = {
        "vardiff.start": given.get("start_difficulty"),
        "web.port": given.get("web_port"),
        "web.enabled": False if "no_web" in given else None,
        "state_dir": given.get("state_dir"),
        "log_format": given.get("log_format"),
        "log_level": given.get("log_level"),
        "log_wire": given.get("wire_log"),
    }
    if "listen" in given:
        flags["listeners.0.host"], flags["listeners.0.port"] = parse_listen(str(given["listen"]))
    names = (*_UPSTREAM_FLAGS, "pace_seconds", "allow_mainnet")
    common = {name: given[name] for name in names if name in given}
    urls = given.get("urls", ())
    if isinstance(urls, tuple) and urls:
        flags["upstreams"] = [{"url": url, **common} for url in urls]
    else:
        flags |= {f"upstreams.0.{name}": value for name, value in common.items()}
    path, overrides = given.get("config"), given.get("overrides", ())
    return load(
        ProxyConfig,
        path=path if isinstance(path, Path) else None,
        env=env,
        overrides=overrides if isinstance(overrides, tuple) else (),
        flags=flags,
    )


def parse_listen(text: str) -> tuple[str, int]:
    """Read "host:port", ":port", "port" or "[v6]:port".

    Raises:
        ConfigError: there is no port in it.
    """
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal() and int(port) <= 65535):
        raise ConfigError(f"--listen {text}: expected host:port, such as 0.0.0.0:3333")
    return host.strip("[]") or "127.0.0.1", int(port)


def _ended(
    config: ProxyConfig, *, check: object, dry_run: object, rigs: object, running: object
) -> bool:
    """Do what ends before a start, if that was asked for."""
    if check:
        _check(config)
    if dry_run:
        listed = rigs if isinstance(rigs, tuple) else ()
        for line in try_routes(config, listed, str(running)):
            click.echo(line)
    elif rigs or running:
        raise ConfigError("--rig and --running go with --dry-run: nothing was started")
    return bool(check or dry_run)


def _check(config: ProxyConfig) -> None:
    check_parts(config)
    places = ", ".join(format_peer((each.host, each.port)) for each in config.listeners)
    work = []
    for route in config.all_routes():
        urls = ", ".join(logs.redact_url(each.url) for each in route.upstreams)
        work.append(f"{urls} (route {route.name})" if config.routes else urls)
    click.echo(f"the configuration is good: rigs at {places}, work from {', '.join(work)}")
