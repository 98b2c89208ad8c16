"""`headframe export`: the proxy's history as CSV or JSON."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from headframe.runtime import process
from headframe.runtime.clock import wall_seconds
from headframe.runtime.errors import HeadframeError
from headframe.runtime.moments import parse_time
from headframe.runtime.settings import help_of
from proxy.config import ProxyConfig
from proxy.history_file import HISTORY
from proxy.history_read import Query, as_csv, as_json, read, step_of

__all__ = ["export"]

_FORMATS = {"csv": as_csv, "json": as_json}


@click.command(name="export")
@click.option("--from", "since", default="24h", show_default=True, help="Begin, such as 24h ago.")
@click.option("--to", "until", default="0s", help="End, not included; now if not given.")
@click.option("--format", "form", type=click.Choice(list(_FORMATS)), default="csv", help="Form.")
@click.option("--step", type=click.Choice(["minute", "hour"]), help="Default: by the length.")
@click.option("--by", type=click.Choice(["worker", "route"]), default="worker", help="Each what.")
@click.option("--route", help="Of this route alone.")
@click.option("--worker", help="Of this worker alone.")
@click.option("--state-dir", default="", help=help_of(ProxyConfig, "state_dir"))
@click.option("--output", type=click.Path(path_type=Path), help="A file, instead of the output.")
@click.pass_context
def export(
    ctx: click.Context, /, *, since: str, until: str, form: str, state_dir: str, **chosen: Any
) -> None:
    """Write the proxy's history as CSV or JSON, also while it runs.

    Times are such as 2026-11-22, 2026-11-22T21:30 (UTC), 36h or 7d (ago), or seconds
    since 1970. Each row is what a worker did in a minute, or in an hour for more than a
    day. Shares are whole numbers; work is exact, in hashes, and a text in JSON.

    \b
    Examples:
      headframe export --from 7d --by route
      headframe export --from 2026-11-01 --to 2026-12-01 --worker account.rig7 --format json
    """  # noqa: D301 - click wants the character itself
    try:
        now = wall_seconds()
        begin, end = parse_time(since, now), parse_time(until, now)
        query = Query(
            since=begin,
            until=end,
            step=chosen["step"] or step_of(begin, end),
            by=chosen["by"],
            route=chosen["route"],
            worker=chosen["worker"],
        )
        path = ProxyConfig(state_dir=state_dir).state_path() / HISTORY
        _write(_FORMATS[form](read(path, query)), chosen["output"])
    except HeadframeError as error:
        ctx.exit(process.report(error))
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'output'}: {error.strerror}") from None


def _write(lines: Iterable[str], path: Path | None) -> None:
    if path is None:
        for line in lines:
            sys.stdout.write(line)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines)
