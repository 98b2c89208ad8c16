"""Find the fastest way to build a kernel for a device, once for each device and driver."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from headframe.runtime.clock import monotonic
from headframe.runtime.logs import get_logger
from miner.devices.opencl_job import LaunchJob
from miner.devices.opencl_launch import Program, Slot
from miner.devices.opencl_platform import ClDevice, DeviceError
from miner.devices.opencl_program import VARIANTS, Shape, source_key
from native import StopFlag

__all__ = [
    "BUDGET_SECONDS",
    "candidates",
    "choose_shape",
    "known_shape",
    "measure_program",
    "neighbours",
]

BUDGET_SECONDS: Final = 30.0
"""After so long no other shape is tried; most of it is the driver's compiler at work."""

_GROUP: Final = 256
"""The group that variants are compared with: what most GPUs are at their best with."""
_OTHER_GROUPS: Final = (128, 64, 512)
_LIKELY: Final = ("adds", "shifts", "plain", "rotations", "select")
"""Variants in the order in which they are tried."""

_MEASURE_SECONDS: Final = 0.05
_FIRST_NONCES: Final = 1 << 14
_MOST_NONCES: Final = 1 << 30
_ROUNDS: Final = 3
_NO_BIT: Final = 0xFFFFFFFF

log = get_logger(__name__)


def candidates(device: ClDevice) -> Sequence[Shape]:
    """List the shapes to try first; on a CPU there is nothing to choose."""
    if device.kind == "cpu":
        return (Shape(),)
    group = min(_GROUP, device.most_group)
    return tuple(Shape(variant=name, group=group) for name in _LIKELY if name in VARIANTS)


def neighbours(best: Shape, device: ClDevice, versions: int) -> Sequence[Shape]:
    """List what is tried next to the best variant: other groups, and no loop."""
    groups = [replace(best, group=group) for group in _OTHER_GROUPS if group <= device.most_group]
    return [*groups, *([replace(best, roll=False)] if versions > 1 else [])]


def known_shape(device: ClDevice, versions: int, cache: Path) -> Shape | None:
    """Return what would be used without measuring, or `None` where it would be measured."""
    first = candidates(device)
    return first[0] if len(first) == 1 else _load(_path(device, versions, cache))


def choose_shape(
    device: ClDevice,
    versions: int,
    measure: Callable[[Shape], float],
    cache: Path,
    *,
    clock: Callable[[], float] = monotonic,
) -> Shape:
    """Return the fastest shape: the one known of before, or measured now.

    Args:
        device: where it shall run.
        versions: heads hashed at once.
        measure: builds a shape and returns its hashes in a second; raises `DeviceError` for
            one that cannot be used.
        cache: folder of what is known.
        clock: seconds that never go back.

    Raises:
        DeviceError: no shape can be used.
    """
    first = candidates(device)
    known = known_shape(device, versions, cache)
    if known is not None:
        return known
    log.info("gpu_tuning", device=device.name, versions=versions, seconds=f"up to {BUDGET_SECONDS}")
    race = _Race(device, measure, clock)
    race.run(first)
    race.run(neighbours(race.best, device, versions))
    _save(_path(device, versions, cache), race)
    log.info("gpu_tuned", device=device.name, versions=versions, **asdict(race.best))
    return race.best


def measure_program(program: Program, seconds: float = _MEASURE_SECONDS) -> float:
    """Measure a program by the device's clock: hashes in a second, the best of three launches.

    Args:
        program: what to launch.
        seconds: how long a launch should take, about.

    Raises:
        DeviceError: it fails.
    """
    slot, stop, nonces = Slot(program), StopFlag(), _FIRST_NONCES
    job = LaunchJob(bytes(32), ((bytes(32), bytes(32), bytes(8)),) * program.versions)
    heads = range(program.versions)
    slot.launch(job, heads, range(nonces), _NO_BIT, stop)  # the first one may still compile
    slot.launch(job, heads, range(nonces), _NO_BIT, stop)
    while slot.device_seconds < seconds / 2 and nonces < _MOST_NONCES:
        nonces *= 2
        slot.launch(job, heads, range(nonces), _NO_BIT, stop)
    times = []
    for _ in range(_ROUNDS):
        slot.launch(job, heads, range(nonces), _NO_BIT, stop)
        times.append(slot.device_seconds)
    return nonces * program.versions / max(min(times), 1e-9)


class _Race:
    """Measures shapes until the time is up."""

    def __init__(
        self, device: ClDevice, measure: Callable[[Shape], float], clock: Callable[[], float]
    ) -> None:
        self.speeds: dict[Shape, float] = {}
        self._device = device
        self._measure = measure
        self._clock = clock
        self._end = clock() + BUDGET_SECONDS
        self._fault: DeviceError | None = None

    def run(self, shapes: Sequence[Shape]) -> None:
        """Measure these, as far as time allows; at least one."""
        for shape in shapes:
            if self.speeds and self._clock() > self._end:
                return
            try:
                self.speeds[shape] = self._measure(shape)
            except DeviceError as error:
                self._fault = error
                log.warning("gpu_shape_not_used", variant=shape.variant, why=str(error))

    @property
    def best(self) -> Shape:
        """The fastest so far."""
        if not self.speeds:
            raise self._fault or DeviceError(f"{self._device.name}: nothing to choose from")
        return max(self.speeds, key=self.speeds.__getitem__)


def _path(device: ClDevice, versions: int, cache: Path) -> Path:
    return cache / f"{device.key}-{source_key()}-{versions}.json"


def _load(path: Path) -> Shape | None:
    try:
        shape = Shape(**json.loads(path.read_bytes())["shape"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # none yet, or half written: measured again
    return shape if shape.variant in VARIANTS else None


def _save(path: Path, race: _Race) -> None:
    rows = [asdict(shape) | {"hashes_per_second": s} for shape, s in race.speeds.items()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(".new")
        half.write_text(json.dumps({"shape": asdict(race.best), "measured": rows}, indent=2))
        half.replace(path)
    except OSError as error:
        log.warning("gpu_tuning_not_kept", why=str(error))
