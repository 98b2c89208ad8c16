"""`OpenClKernel`: the search on an OpenCL device as a `native.Kernel`."""

import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from miner.devices.opencl_job import LaunchJob, is_hit, make_launch_job, zero_mask
from miner.devices.opencl_launch import HANG_SECONDS, Program, Slot
from miner.devices.opencl_platform import DeviceError, HungError
from native import ScanResult, StopFlag
from native.kernel import MAX_HITS, ensure_request

__all__ = ["FAULT_LIMIT", "OpenClKernel"]

FAULT_LIMIT: Final = 3
"""Wrong candidates after which a device counts as broken. A sound one claims none, but one
flipped bit in a year is no reason to lose it."""

_FIRST_NONCES: Final = 1 << 14
_LEAST_NONCES: Final = 1 << 10
_MOST_NONCES: Final = 1 << 30
"""Nonces of a launch: the first one, and bounds; work items are counted in 32 bits."""
_MOST_GROWTH: Final = 8


class OpenClKernel:
    """Meets `Kernel`. Each thread that scans has a slot: queue, kernel object and buffers.

    Launches are made to take `launch_seconds`; a longer scan is several of them.

    Args:
        program: what to launch.
        launch_seconds: how long a launch should take.
        hang_seconds: after how long a launch counts as hung.
    """

    lanes: Final = 1

    def __init__(
        self,
        program: Program,
        launch_seconds: float = 0.05,
        hang_seconds: float = HANG_SECONDS,
    ) -> None:
        self.name = "opencl" if program.versions == 1 else f"opencl_{program.versions}"
        self.versions = program.versions
        self.faults = 0
        """Candidates so far that hashlib refused."""
        self.launches = 0
        """Launches so far, abandoned ones included."""
        self.busy_ns: list[tuple[int, int]] | None = None
        """Set it to a list to have the begin and end of each launch noted there."""
        self._program = program
        self._aim = launch_seconds
        self._hang = hang_seconds
        self._nonces = _FIRST_NONCES
        self._slots: list[Slot] = []
        self._lock = threading.Lock()
        self._lost: list[Slot] = []
        self._prepare: Callable[[tuple[bytes, ...], bytes], LaunchJob]
        self._prepare = lru_cache(maxsize=8)(make_launch_job)

    def scan(
        self,
        heads: Sequence[bytes],
        tail12: bytes,
        target: bytes,
        first: int,
        count: int,
        stop: StopFlag,
    ) -> ScanResult:
        """Search for nonces; see `Kernel.scan`.

        Raises:
            DeviceError: the device fails, hangs, or computes wrongly.
        """
        ensure_request(heads, tail12, target, first, count)
        search = _Search(heads, tail12, target, self._prepare(tuple(heads), tail12))
        slot = self._take_slot()
        at, end = first, first + count
        hits: list[tuple[int, int]] = []
        while at < end and not stop.is_set and len(hits) + len(heads) <= MAX_HITS:
            parts = -(-(end - at) // self._launch_nonces(search))
            size = -(-(end - at) // parts)  # equal ones: a small rest would cost a launch, too
            try:
                found = self._search_range(slot, search, range(at, at + size), stop)
            except HungError:
                self._lost.append(slot)  # to free it would be to wait for it
                raise
            if found is None:
                break
            hits += found[0]
            at = found[1]
        with self._lock:  # not after an error: a slot whose launch failed is not used again
            self._slots.append(slot)
        if len(hits) > MAX_HITS:
            at = hits[MAX_HITS][1]
            hits = [hit for hit in hits if hit[1] < at]
        return ScanResult(tuple(hits), at)

    def _search_range(
        self, slot: Slot, search: "_Search", nonces: range, stop: StopFlag
    ) -> tuple[list[tuple[int, int]], int] | None:
        """Search a range for all heads; return the hits in order, and where they are complete to.

        A launch that found more than it can hand back is repeated for the first half of its
        range; the caller goes on after that.
        """
        claims: list[tuple[int, int]] = []
        group = 0
        while group < len(search.heads):
            last = len(search.heads) - 1
            heads = [min(group + i, last) for i in range(self.versions)]
            self.launches += 1
            found = slot.launch(search.job, heads, nonces, search.mask, stop)
            if found is None:
                return None
            self._steer(len(nonces), slot)
            if found.overflow:
                nonces, claims, group = nonces[: (len(nonces) + 1) // 2], [], 0
                continue
            claims += [(heads[i], nonce) for i, nonce in found.found if group + i <= last]
            group += self.versions
        hits = [claim for claim in claims if self._judge(search, claim)]
        return sorted(hits, key=lambda hit: (hit[1], hit[0])), nonces.stop

    def _judge(self, search: "_Search", claim: tuple[int, int]) -> bool:
        head, nonce = claim
        verdict = is_hit(search.heads[head], search.tail12, nonce, search.mask, search.limit)
        if verdict is None:
            self.faults += 1
            if self.faults >= FAULT_LIMIT:
                raise DeviceError(
                    f"{self._program.device.name}: claimed {self.faults} nonces that are wrong "
                    f"by hashlib, the last one {nonce:08x}"
                )
        return bool(verdict)

    def _launch_nonces(self, search: "_Search") -> int:
        """Say how many nonces to try, so that what is to be expected has room in a result."""
        odds: int = 1 << search.mask.bit_count()
        expected = max(MAX_HITS // 2 * odds // len(search.heads), 1)
        return min(self._nonces, expected)

    def _steer(self, nonces: int, slot: Slot) -> None:
        """Choose how many nonces the next launch may try."""
        seconds = max(slot.device_seconds, 1e-6)
        if self.busy_ns is not None:
            self.busy_ns.append(slot.span_ns)
        if nonces >= self._nonces // 2 or seconds > self._aim:
            wanted = min(nonces * self._aim / seconds, self._nonces * _MOST_GROWTH)
            self._nonces = round(min(max(wanted, _LEAST_NONCES), _MOST_NONCES))

    def _take_slot(self) -> Slot:
        with self._lock:
            if self._slots:
                return self._slots.pop()
        return Slot(self._program, self._hang)


class _Search:
    """What the launches of one scan have in common."""

    __slots__ = ("heads", "job", "limit", "mask", "tail12")

    def __init__(
        self, heads: Sequence[bytes], tail12: bytes, target: bytes, job: LaunchJob
    ) -> None:
        self.heads = heads
        self.tail12 = tail12
        self.limit = int.from_bytes(target, "little")
        self.mask = zero_mask(target)
        self.job = job
