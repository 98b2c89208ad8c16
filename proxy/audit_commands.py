"""`headframe audit`: recompute share logs."""

import gzip
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import click
import msgspec

from proxy.audit import Audit, Findings

__all__ = ["audit"]

_PROGRESS_SECONDS: Final = 1.0
_LOOK_EACH: Final = 1000
_LONGEST_LINE: Final = 1 << 22


@click.command(name="audit")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Tell what was found as JSON.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.pass_context
def audit(ctx: click.Context, /, *, files: Sequence[Path], as_json: bool, quiet: bool) -> None:
    """Recompute share logs: every hash, every verdict, every sum.

    Give the FILES of a log from the oldest to the newest, compressed or not. Hashes are
    recomputed by Python's own SHA-256, from each job's bytes; sums are compared with the
    books that the proxy wrote down each minute.

    Ends with 0 when all agrees, and with 1 when anything differs.

    \b
    Example:
      headframe audit shares-*.jsonl.gz shares.jsonl
    """  # noqa: D301 - click wants the character itself
    for path in files:
        if not path.is_file():
            raise click.UsageError(f"{path}: there is no such file")
    auditor, progress = Audit(), _Progress(files, shown=not quiet and sys.stderr.isatty())
    try:
        for path in files:
            for number, line in enumerate(_lines(path, progress), start=1):
                auditor.feed(f"{path.name}:{number}", line)
    except (OSError, EOFError) as error:
        raise click.ClickException(f"{path}: cannot be read: {error}") from None
    finally:
        progress.end()
    found = auditor.finish()
    click.echo(_as_json(found) if as_json else _as_text(found))
    ctx.exit(1 if found.differences else 0)


class _Progress:
    """Says on standard error how far it is."""

    def __init__(self, files: Sequence[Path], *, shown: bool) -> None:
        self._total = sum(path.stat().st_size for path in files) or 1
        self._before = self._here = 0
        self._shown = shown
        self._told = time.monotonic()

    def next_file(self) -> None:
        self._before += self._here
        self._here = 0

    def at(self, position: int) -> None:
        """Take note of the place in a file, in bytes as it is on the disk."""
        self._here = position
        now = time.monotonic()
        if self._shown and now - self._told >= _PROGRESS_SECONDS:
            self._told = now
            percent = 100 * (self._before + self._here) // self._total
            click.echo(f"\r{percent} %", nl=False, err=True)

    def end(self) -> None:
        if self._shown:
            click.echo("\r      \r", nl=False, err=True)


def _lines(path: Path, progress: _Progress) -> Iterator[bytes]:
    """Read a file line by line, whatever its size."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        file: BinaryIO | gzip.GzipFile = gzip.GzipFile(fileobj=raw) if packed else raw
        number = 0
        while line := file.readline(_LONGEST_LINE):
            number += 1
            if number % _LOOK_EACH == 0:
                progress.at(raw.tell())
            yield line.rstrip(b"\n")
        progress.at(raw.tell())
        progress.next_file()


def _as_text(found: Findings) -> str:
    lines = [*found.shown]
    if found.differences > len(found.shown):
        lines.append(f"... and {found.differences - len(found.shown)} more")
    lines += [f"note: {note}" for note in found.notes]
    shares = found.lines["share"]
    verdicts = ", ".join(f"{count} {name}" for name, count in sorted(found.verdicts.items()))
    lines.append(f"{shares} shares ({verdicts or 'none'}), {found.lines['job']} jobs")
    lines.append(
        f"{found.lines['sent']} sent up, {found.lines['verdict']} answers, "
        f"{found.lines['totals'] + found.lines['worker']} books compared"
    )
    if found.on_trust:
        lines.append(f"{found.on_trust} verdicts cannot be shown to be right by the log alone")
    if found.not_covered:
        lines.append(f"{found.not_covered} shares are in no books that the log has")
    lines.append(f"{found.differences} differences" if found.differences else "all agrees")
    return "\n".join(lines)


def _as_json(found: Findings) -> str:
    return msgspec.json.encode(found).decode()
