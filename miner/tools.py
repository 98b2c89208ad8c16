"""The command lines of `headframe bench`, `devices` and `selftest`."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from textwrap import shorten
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from headframe.runtime.errors import EXIT_FAILED, EXIT_OK, ConfigError, HeadframeError
from headframe.runtime.process import report
from miner.checks import Check, check_all, check_opened
from miner.devices import detect
from miner.devices.cpu import rank
from miner.devices.manners import usable_cores
from miner.devices.opencl import IN_FLIGHT, OpenClDevice
from miner.devices.opencl_survey import Survey, survey
from miner.machine import Machine
from miner.show import hashrate_text
from miner.speed import ROUNDS, Speed, measure_speeds
from native import Kernel, KernelError, extension_missing, kernels, measure, self_test
from native.compiled import unusable_kernels

__all__ = ["bench", "devices", "selftest"]

_CONTEXT: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_BENCH_SECONDS: Final = 2.0
_LONGEST_PLATFORM: Final = 60

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
_kernels = click.option(
    "--kernel", "names", multiple=True, metavar="NAME", help="Only this kernel; again for more."
)


@click.command("bench", context_settings=_CONTEXT)
@_kernels
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.05, max=3600),
    default=_BENCH_SECONDS,
    show_default=True,
    help="How long each kernel runs with each number of threads.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1, max=4096),
    help="The larger number of threads; each kernel also runs in one. [default: all cores]",
)
@click.option(
    "--device", metavar="NAME", help="Measure this device, such as gpu:0. [default: the CPU]"
)
@_json
def bench(
    names: tuple[str, ...],
    seconds: float,
    threads: int | None,
    device: str | None,
    *,
    as_json: bool,
) -> None:
    """Measure the speed of every kernel.

    Each kernel that this CPU runs hashes in one thread and in all, the kernels taking
    turns. Compare the figures by CPU second: they hardly change when other programs use
    the machine, too. Cycles are shown where the machine lets us count them; virtual
    machines mostly do not. A kernel of four versions hashes four headers that share work,
    as it does for jobs that let two version bits or more be rolled.

    A GPU's kernels are measured by --device; there each thread keeps one launch in flight,
    mining has two, and what counts is the speed per second.

    \b
    Examples:
      headframe bench
      headframe bench --device gpu:0
      headframe bench --kernel portable --seconds 10
      headframe bench --json > speeds.json
    """  # noqa: D301 # click wants the character itself
    _run(lambda: _bench(*_subject(device, names, threads), seconds, as_json=as_json))


@click.command("devices", context_settings=_CONTEXT)
@click.option(
    "--kernel",
    "name",
    metavar="NAME",
    envvar="HEADFRAME_KERNEL",
    help="Show what would be used with this kernel preferred.",
)
@_json
def devices(name: str | None, *, as_json: bool) -> None:
    """Show what this machine hashes with.

    Lists the CPU, the kernels that it runs with a short measurement of each, and which of
    them `headframe mine` would use: one for jobs that let at least two version bits be
    rolled, and one for all other jobs. Then what OpenCL finds, by the names for --device.

    \b
    Examples:
      headframe devices
      headframe devices --json
      HEADFRAME_KERNEL=portable headframe devices
                                    the environment chooses for `mine`, too
    """  # noqa: D301
    _run(lambda: _devices(name or "", as_json=as_json))


@click.command("selftest", context_settings=_CONTEXT)
@_kernels
@click.option(
    "--device",
    "wanted",
    multiple=True,
    metavar="NAME",
    help="Test this device, such as gpu or opencl:0; again for more. [default: cpu]",
)
@_json
def selftest(names: tuple[str, ...], wanted: tuple[str, ...], *, as_json: bool) -> None:
    """Check that every kernel computes right hashes here.

    Each kernel that this CPU runs looks for the nonces of known blocks, and is compared
    with Python's own SHA-256 on made-up headers; so is the hash of a share. `mine` does
    the same at its start, for the kernels it would use. Fails (1) if anything is wrong: an
    overclocked or a broken machine, or a mistake of ours, which we would like to hear of.

    A GPU's kernels are built, tuned and tested by --device, as `mine` would use them; the
    first time that takes up to some minutes.

    \b
    Examples:
      headframe selftest
      headframe selftest --device gpu
      headframe selftest --kernel shani && headframe mine --config miner.toml
    """  # noqa: D301
    _run(lambda: tell_checks(_checks(wanted or ("cpu",), names), as_json=as_json))


def tell_checks(checks: Iterable[Check], *, as_json: bool) -> int:
    """Print what was found, each as it comes.

    Returns:
        The exit code.
    """
    done = []
    for check in checks:
        done.append(check)
        if not as_json:
            click.echo(f"{check.name:<16} {check.fault or 'ok'}")
    good = not any(check.fault for check in done)
    if as_json:
        _echo_json({"ok": good, "checks": [check.as_row() for check in done]})
    else:
        _warn_slow()
    return EXIT_OK if good else EXIT_FAILED


def _run(command: Callable[[], int]) -> None:
    """End the process as the command says; its errors are one line."""
    try:
        sys.exit(command())
    except HeadframeError as error:
        sys.exit(report(error))


def _named(known: Sequence[Kernel], names: Sequence[str]) -> Sequence[Kernel]:
    """Choose kernels by their names; all without any."""
    by_name = {kernel.name: kernel for kernel in known}
    for name in names:
        if name not in by_name:
            there = ", ".join(by_name)
            raise ConfigError(f"no kernel {name!r} for this machine; there are: {there}")
    return [by_name[name] for name in dict.fromkeys(names)] or known


def _checks(wanted: Sequence[str], names: Sequence[str]) -> Iterator[Check]:
    """Test the CPU's kernels, those of other devices, or both."""
    others = [name for name in wanted if name.partition(":")[0] != "cpu"]
    found = detect(others) if others else []
    opencl = [device for device in found if isinstance(device, OpenClDevice)]
    if len(opencl) < len(found):
        raise ConfigError(f"--device {', '.join(others)}: expected cpu, or GPUs such as gpu:0")
    if len(others) < len(wanted):
        yield from check_all(_named(kernels(), names))
    for device in opencl:
        yield from check_opened(device.name, device.open_kernels, names)


def _subject(
    device: str | None, names: Sequence[str], threads: int | None
) -> tuple[Sequence[Kernel], Sequence[int]]:
    """Find the kernels to measure, and in how many threads."""
    if device is None or device.partition(":")[0] == "cpu":
        return _named(kernels(), names), sorted({1, threads or len(usable_cores())})
    found = detect([device])
    if len(found) != 1 or not isinstance(found[0], OpenClDevice):
        there = ", ".join(each.name for each in found)
        raise ConfigError(f"--device {device}: expected one GPU, such as gpu:0, not {there}")
    try:
        opened = found[0].open_kernels()
    except KernelError as error:
        raise ConfigError(f"--device {device}: {error}") from error
    return _named(opened, names), sorted({1, threads or IN_FLIGHT})


def _bench(
    chosen: Sequence[Kernel], counts: Sequence[int], seconds: float, *, as_json: bool
) -> int:
    machine = Machine.look()
    if not as_json:
        click.echo(machine.line())
        _warn_slow()
    columns = (TextColumn("measuring"), BarColumn(), MofNCompleteColumn())
    # Drawn between the turns only: a thread that draws would slow what is measured.
    with Progress(
        *columns, console=Console(stderr=True), auto_refresh=False, transient=True
    ) as progress:
        task = progress.add_task("", total=ROUNDS * len(chosen) * len(counts))
        progress.refresh()
        turned = partial(progress.update, task, advance=1, refresh=True)
        speeds = measure_speeds(chosen, counts, seconds, turned)
    if as_json:
        rows = [speed.as_row() for speed in speeds]
        _echo_json({"machine": machine.as_row(), "seconds": seconds, "speeds": rows})
    else:
        click.echo("\n".join(_table(speeds)))
    return EXIT_OK


def _table(speeds: Sequence[Speed]) -> list[str]:
    """Write the speeds as aligned lines."""
    head = ("kernel", "versions", "threads", "per CPU second", "per second", "cycles per hash")
    rows = [head]
    for speed in speeds:
        cycles = speed.cycles_per_hash
        rows.append(
            (
                speed.kernel,
                str(speed.versions),
                str(speed.threads),
                hashrate_text(speed.per_cpu_second).removesuffix("/s"),
                hashrate_text(speed.per_second),
                "not counted here" if cycles is None else f"{cycles:.1f}",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _devices(name: str, *, as_json: bool) -> int:
    machine, ranked, others = Machine.look(), rank(name), survey()
    rolled = ranked[0].name
    plain = next(kernel for kernel in ranked if kernel.versions == 1).name
    rows = [_look_at(kernel) for kernel in kernels()]
    if as_json:
        used = {"rolled": rolled, "plain": plain, "threads": machine.cores}
        about = {"kernels": rows, "not_for_this_cpu": unusable_kernels(), "used": used}
        about |= {"opencl": list(others.rows), "opencl_missing": others.missing}
        _echo_json({"machine": machine.as_row(), "extension": extension_missing, **about})
        return EXIT_OK
    click.echo(machine.line())
    _warn_slow()
    for row in rows:
        versions = "" if row["versions"] == 1 else f" ({row['versions']} versions at once)"
        speed = row["fault"] or hashrate_text(float(str(row["hashes_per_cpu_second"])))
        click.echo(f"  {row['name']:<16} {speed}{versions}")
    if unusable_kernels():
        click.echo(f"not for this CPU: {', '.join(unusable_kernels())}")
    for line in _opencl_lines(others):
        click.echo(line)
    other = "" if rolled == plain else f"; {plain} for jobs without two version bits to roll"
    threads = "1 thread" if machine.cores == 1 else f"{machine.cores} threads"
    click.echo(f"mining would use: {rolled} in {threads}{other}")
    return EXIT_OK


def _opencl_lines(found: Survey) -> Iterator[str]:
    """Tell people what OpenCL finds, and what would be used of it."""
    if found.missing:
        yield f"no GPU: {found.missing}"
        return
    yield "OpenCL, for --device:"
    for row in found.rows:
        shape = row["shapes"]["1"] or "measured at its first use"
        yield f"  {' or '.join(row['names']):<19} {row['device']} ({row['kind']}; {shape})"
        platform = shorten(row["platform"], _LONGEST_PLATFORM, placeholder=" ...")
        yield f"  {'':<19} {platform}, driver {row['driver']}"


def _look_at(kernel: Kernel) -> dict[str, object]:
    """Test and measure a kernel."""
    row: dict[str, object] = {
        "name": kernel.name,
        "lanes": kernel.lanes,
        "versions": kernel.versions,
        "fault": "",
        "hashes_per_cpu_second": None,
    }
    try:
        self_test(kernel)
    except KernelError as error:
        return row | {"fault": str(error)}
    return row | {"hashes_per_cpu_second": measure(kernel, kernel.versions)}


def _warn_slow() -> None:
    if extension_missing:
        click.echo(f"warning: {extension_missing}", err=True)


def _echo_json(data: object) -> None:
    click.echo(json.dumps(data, indent=2))
