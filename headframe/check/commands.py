"""The command line of `headframe check`."""

import asyncio
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import msgspec

from headframe.check.kinds import KINDS, Kind, check_room, kind_of, upstreams_of
from headframe.check.online import ask
from headframe.check.upstreams import Finding
from headframe.runtime import logs, process
from headframe.runtime.clock import monotonic
from headframe.runtime.errors import EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE
from headframe.runtime.settings import Reading, examine
from headframe.upstream.options import UpstreamSettings
from proxy.config import ProxyConfig

__all__ = ["check"]


@click.command(
    name="check",
    context_settings={"max_content_width": 100},
    epilog="Ends with 0 when all is good, 2 when a file has a problem, 69 when with --online an "
    "upstream gives no work.",
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(list(KINDS)),
    help="What the files are for. Default: told by the settings in them.",
)
@click.option("--online", is_flag=True, help="Connect to each upstream and wait for a first job.")
@click.option(
    "--timeout",
    "limit_seconds",
    type=click.FloatRange(min=0.1, max=600),
    default=15.0,
    show_default=True,
    metavar="SECONDS",
    help="How long an upstream may take, with --online.",
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Any one setting.")
@click.pass_context
def check(ctx: click.Context, /, files: tuple[Path, ...], kind: str | None, **options: Any) -> None:
    """Find what is wrong with settings files, before a program is started with them.

    Each problem is one line: file, line, setting, what is wrong, and what was probably
    meant. The environment (HEADFRAME_...) counts as it does for the programs. What is only
    odd is a note, and no problem.

    \b
    Examples:
      headframe check miner.toml proxy.toml
      headframe check miner.toml --online
                                    ask each pool and node for work, too
    """  # noqa: D301 # click wants the character itself
    wanted = Wanted(**options)
    ctx.exit(process.run(lambda: _check(files, kind, wanted)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line asks for.

    Attributes:
        online: ask the upstreams.
        limit_seconds: how long each may take.
        overrides: settings from the command line.
        env: the environment.
    """

    online: bool
    limit_seconds: float
    overrides: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)


async def _check(files: tuple[Path, ...], kind: str | None, wanted: Wanted) -> int:
    logs.setup(level="error", stream=sys.stderr)
    codes = [await _file(path, KINDS[kind] if kind else kind_of(path), wanted) for path in files]
    return min((code for code in codes if code != EXIT_OK), default=EXIT_OK)


async def _file(path: Path, kind: Kind, wanted: Wanted) -> int:
    """Check one file, and say what there is to say; returns the exit code."""
    reading = examine(kind.struct, path=path, env=wanted.env, overrides=wanted.overrides)
    found = list(kind.check(reading.settings)) if reading.settings is not None else []
    told = list(dict.fromkeys([*reading.problems, *_lines(reading, found, fatal=True)]))
    told.sort(key=lambda line: _line_number(line, path))
    for line in [*told, *_lines(reading, found, fatal=False)]:
        click.echo(logs.redact_url(line))
    if told:
        many = "1 problem" if len(told) == 1 else f"{len(told)} problems"
        click.echo(f"{path}: {many} (read as settings of {kind.command})")
        return EXIT_USAGE
    click.echo(f"{path}: good (settings of {kind.command})")
    if wanted.online and reading.settings is not None:
        return await _ask_all(path, reading.settings, wanted)
    return EXIT_OK


def _lines(reading: Reading[Any], found: list[Finding], *, fatal: bool) -> Iterator[str]:
    for each in found:
        if each.fatal is fatal:
            note = "" if fatal else "note: "
            key = f"{each.key}: " if each.key and not each.text.startswith(each.key) else ""
            yield f"{reading.where(each.key)}: {note}{key}{each.text}"


def _line_number(text: str, path: Path) -> int:
    """Read the line of the file out of a problem's text; 0 for what is given elsewhere."""
    found = re.match(r":(\d+): ", text.removeprefix(str(path)))
    return int(found[1]) if found else 0


async def _ask_all(path: Path, settings: msgspec.Struct, wanted: Wanted) -> int:
    upstreams = upstreams_of(settings)
    async with asyncio.TaskGroup() as group:
        asked = [
            group.create_task(_ask(path, key, one, settings, wanted))
            for key, one in upstreams.items()
        ]
    return EXIT_OK if all(task.result() for task in asked) else EXIT_UNAVAILABLE


async def _ask(
    path: Path, key: str, one: UpstreamSettings, settings: msgspec.Struct, wanted: Wanted
) -> bool:
    answer = await ask(one, limit_seconds=wanted.limit_seconds, clock=monotonic)
    good, text = answer.job is not None, answer.text
    if answer.job is not None and isinstance(settings, ProxyConfig):
        for why in check_room(settings, answer.job.extranonce_size, ""):
            good, text = False, why.text
    word = "works" if good else "does not work"
    url = logs.redact_url(f"{path}: {key} {answer.url}")
    click.echo(f"{url}: {word}, after {answer.seconds:.2f} s: {logs.redact_url(text)}")
    return good
