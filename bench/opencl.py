"""Every figure of an OpenCL device in one run: speed, instructions, gaps, launch times.

First all shapes of both kernels are measured, by the device's own clock. Then the fastest
of each runs as the miner runs it: in two threads, two launches in flight. Idle time is what
lies between the launches by the device's clock. Instructions are counted in what the
driver's compiler made, on NVIDIA devices where ptxas and nvdisasm are installed, and the
bound follows from them, the multiprocessors and the clock.

    python -m bench.opencl [--device N] [--seconds S] [--latency-ms MS] [--json]
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from statistics import median
from typing import Any, Final

from bench.opencl_code import Code, inspect_program
from miner.devices.opencl_kernel import OpenClKernel
from miner.devices.opencl_launch import Program
from miner.devices.opencl_platform import ClDevice, DeviceError, list_devices, load_pyopencl
from miner.devices.opencl_program import CAPACITY, ROLLED, Shape, build, cache_dir, options
from miner.devices.opencl_sensors import find_sensors
from miner.devices.opencl_tune import candidates, measure_program, neighbours
from native import StopFlag, self_test

__all__ = ["main"]

LEAST_HPS: Final = {1: 7.5e9, ROLLED: 8.5e9}
MOST_IDLE: Final = 0.01
_MEANT_FOR: Final = "H200"
"""The device that the least speeds are for."""
_NEVER: Final = bytes(32)
_NONCES: Final = 1 << 32


class Bench:
    """A device, and what was measured on it."""

    def __init__(self, cl: Any, device: ClDevice, *, quiet: bool) -> None:
        self.cl = cl
        self.device = device
        self.context = cl.Context([device.handle])
        self.sensors = find_sensors(cl, device)
        self.quiet = quiet

    def say(self, text: str) -> None:
        """Print a line for people."""
        if not self.quiet:
            print(text, flush=True)

    def make(self, versions: int, shape: Shape) -> Program:
        """Build a program."""
        built = build(self.cl, self.context, self.device, options(versions, shape), cache_dir())
        return Program(
            cl=self.cl,
            context=self.context,
            device=self.device,
            built=built,
            versions=versions,
            group=shape.group,
            capacity=CAPACITY,
        )

    def try_shape(self, versions: int, shape: Shape) -> dict[str, Any]:
        """Build and measure one shape, and count its instructions."""
        row: dict[str, Any] = {"versions": versions, **asdict(shape)}
        began = time.monotonic()
        try:
            program = self.make(versions, shape)
            row["build_seconds"] = time.monotonic() - began
            row["hashes_per_second"] = measure_program(program)
        except DeviceError as error:
            self.say(f"  {versions} versions, {shape}: {error}")
            return row | {"fault": str(error)}
        code = self.count(program, versions)
        row["code"] = code.as_row() | self.bound(code) if isinstance(code, Code) else code
        bound = f", bound {row['code']['bound_hps'] / 1e9:.2f}" if isinstance(code, Code) else ""
        self.say(
            f"  {versions} version(s), {shape.variant:<9} group {shape.group:<3} "
            f"{'loop' if shape.roll else 'flat'}: {row['hashes_per_second'] / 1e9:.3f} GH/s"
            f"{bound} (built in {row['build_seconds']:.1f} s)"
        )
        return row

    def count(self, program: Program, versions: int) -> Code | str:
        """Count the instructions for one hash."""
        try:
            info, ask = self.cl.device_info, self.device.handle.get_info
            capability = f"{ask(info.COMPUTE_CAPABILITY_MAJOR_NV)}" + (
                f"{ask(info.COMPUTE_CAPABILITY_MINOR_NV)}"
            )
        except (self.cl.Error, AttributeError):
            return "not counted on this device"
        (binary,) = program.built.get_info(self.cl.program_info.BINARIES)
        return inspect_program(binary, capability, versions)

    def bound(self, code: Code) -> dict[str, float]:
        """Say what the counted instructions allow, at the clock that the device runs at."""
        clock = self.sensors().get("clock_hertz") or self.device.handle.max_clock_frequency * 1e6
        clocks = max(code.bounds.values())
        return {"clock_hertz": clock, "bound_hps": self.device.units * clock / clocks}

    def tune(self, versions: int) -> list[dict[str, Any]]:
        """Measure all shapes: every variant, then groups and loops of the best."""
        rows = [self.try_shape(versions, shape) for shape in candidates(self.device)]
        if len(rows) > 1:
            others = neighbours(_shape(_best(rows)), self.device, versions)
            rows += [self.try_shape(versions, shape) for shape in others]
        return rows

    def run(self, versions: int, shape: Shape, seconds: float, latency: float) -> dict[str, Any]:
        """Hash as the miner does, and look at the launches."""
        kernel = OpenClKernel(self.make(versions, shape), latency)
        self_test(kernel)
        _hash(kernel, min(seconds, 2.0), latency)  # warm, and launches have found their size
        kernel.busy_ns = []
        used = time.process_time()
        hashes, took = _hash(kernel, seconds, latency)
        launches = [(end - start) * 1e-9 for start, end in kernel.busy_ns]
        return {
            "versions": versions,
            **asdict(shape),
            "seconds": took,
            "hashes_per_second": hashes / took,
            "launches": len(launches),
            "launch_seconds_median": median(launches),
            "launch_seconds_most": max(launches),
            "idle": _idle(kernel.busy_ns),
            "cpu_share": (time.process_time() - used) / took,
            "faults": kernel.faults,
            "sensors": dict(self.sensors()),
        }


def main(argv: Sequence[str] = ()) -> int:
    """Measure, and print; 1 where a device that has a least speed does not reach it."""
    given = _parse(argv)
    try:
        cl = load_pyopencl()
        found = list_devices(cl)
    except DeviceError as error:
        print(f"opencl: {error}", file=sys.stderr)
        return 0  # an extra: `make bench` goes on without
    if given.device >= len(found):
        print(f"opencl: no device {given.device}; OpenCL finds {len(found)}", file=sys.stderr)
        return 0
    bench = Bench(cl, found[given.device], quiet=given.json)
    device = bench.device
    bench.say(f"{device.name}, driver {device.driver}, {device.units} units, {device.platform}")
    result: dict[str, Any] = {"device": asdict(replace(device, handle=None))}
    result["shapes"] = {str(n): bench.tune(n) for n in (1, ROLLED)}
    result["runs"] = [
        bench.run(n, _shape(_best(result["shapes"][str(n)])), given.seconds, given.latency_ms / 1e3)
        for n in (1, ROLLED)
    ]
    for row in result["runs"]:
        bench.say(_line(row))
    if given.json:
        print(json.dumps(result, indent=2))
    return 0 if _good(device, result["runs"]) else 1


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.opencl")
    parser.add_argument("--device", type=int, default=0, help="number of the device, GPUs first")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each run as a miner")
    parser.add_argument("--latency-ms", type=float, default=50.0, help="time of a launch")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(argv)


def _hash(kernel: OpenClKernel, seconds: float, latency: float) -> tuple[int, float]:
    """Scan in two threads for a while; return the hashes and the seconds that it took."""
    done = [0, 0]
    began = time.monotonic()
    end = began + seconds

    def work(number: int) -> None:
        heads = [bytes([number, i]) + bytes(62) for i in range(kernel.versions)]
        stop, first, count = StopFlag(), 0, 1 << 14
        while time.monotonic() < end:
            start = time.monotonic()
            kernel.scan(heads, bytes(12), _NEVER, first, count, stop)
            done[number] += count * len(heads)
            scale = 2 * latency / max(time.monotonic() - start, 1e-6)
            count = round(min(max(count * scale, 1 << 10), count * 8, 1 << 30))
            first = first + count if first + 2 * count < _NONCES else 0

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done), time.monotonic() - began


def _idle(busy: Sequence[tuple[int, int]]) -> float:
    """Return the part of the time that no launch ran, from the first to the last."""
    spans = sorted(busy)
    end, idle = spans[0][1], 0
    for start, stop in spans[1:]:
        idle += max(start - end, 0)
        end = max(end, stop)
    return idle / max(end - spans[0][0], 1)


def _best(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return max(rows, key=lambda row: row.get("hashes_per_second", 0.0))


def _shape(row: dict[str, Any]) -> Shape:
    return Shape(variant=row["variant"], group=row["group"], roll=row["roll"])


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['versions']} version(s) as mined: {row['hashes_per_second'] / 1e9:.3f} GH/s, "
        f"launches of {row['launch_seconds_median'] * 1e3:.1f} ms (at most "
        f"{row['launch_seconds_most'] * 1e3:.1f}), idle {row['idle']:.3%}, "
        f"{row['cpu_share']:.1%} of a core"
    )


def _good(device: ClDevice, runs: Sequence[dict[str, Any]]) -> bool:
    if _MEANT_FOR not in device.name:
        return True
    return all(
        row["hashes_per_second"] >= LEAST_HPS[row["versions"]] and row["idle"] < MOST_IDLE
        for row in runs
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
