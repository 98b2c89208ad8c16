"""`Slot`: one launch at a time on a device, from its arguments to its candidates."""

import struct
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from miner.devices.opencl_job import POWERS, LaunchJob
from miner.devices.opencl_platform import ClDevice, DeviceError, HungError
from native import StopFlag

__all__ = ["HANG_SECONDS", "Candidates", "Program", "Slot"]

HANG_SECONDS: Final = 20.0
"""A launch that takes so long will never end; launches are made to take a fraction of a second."""
_FIRST_HANG_SECONDS: Final = 300.0
"""The first one may wait for a compiler: some drivers finish a kernel when it is first used."""

_HEAD_BYTES: Final = 8
"""What stands before the candidates in a result: their number, and the sign of life."""

_SHORTEST_NAP_SECONDS: Final = 50e-6
_LONGEST_NAP_SECONDS: Final = 1e-3
"""How long to sleep between looks at a launch. Drivers' own waiting burns a whole core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A built program, and what a launch of it needs.

    Attributes:
        cl: the module pyopencl.
        context: pyopencl's context.
        device: where it runs.
        built: pyopencl's program.
        versions: heads hashed at once.
        group: work items in a group.
        capacity: candidates that a launch can hand back.
    """

    cl: Any
    context: Any
    device: ClDevice
    built: Any
    versions: int
    group: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a launch found.

    Attributes:
        found: pairs of (head in the group, nonce), in no order.
        overflow: how many more there were that had no room.
    """

    found: Sequence[tuple[int, int]]
    overflow: int


class Slot:
    """A queue, a kernel object and buffers of its own; belongs to one thread at a time.

    Two slots in use are two launches in flight.

    Args:
        program: what to launch.
        hang_seconds: after how long a launch counts as hung.

    Raises:
        DeviceError: the device refuses.
    """

    def __init__(self, program: Program, hang_seconds: float = HANG_SECONDS) -> None:
        self._program = program
        self._cl = cl = program.cl
        self._hang = hang_seconds
        self._used = False
        self._generation = 0
        self._result = array("I", bytes(_HEAD_BYTES + 8 * program.capacity))
        properties = cl.command_queue_properties.PROFILING_ENABLE
        try:
            self._queue = cl.CommandQueue(program.context, properties=properties)
            self._control = cl.CommandQueue(program.context)
            self._kernel = cl.Kernel(program.built, "search")
            flags = cl.mem_flags.READ_WRITE
            self._found = cl.Buffer(
                program.context, flags, self._result.itemsize * len(self._result)
            )
            self._wanted = cl.Buffer(program.context, flags, 4)
            # Through the queue that changes it later: no change may come before this.
            self._told = self._set_wanted()
        except cl.Error as error:
            raise DeviceError(f"{program.device.name}: {error}") from error
        self.device_seconds = 0.0
        """How long the last launch took by the device's own clock."""
        self.span_ns = (0, 0)
        """When it began and ended by that clock, in nanoseconds."""

    def launch(
        self, job: LaunchJob, heads: Sequence[int], nonces: range, mask: int, stop: StopFlag
    ) -> Candidates | None:
        """Run one launch, and sleep until it has ended.

        Args:
            job: the arguments that its heads share.
            heads: indices into the job's heads, as many as the program's versions.
            nonces: the range to try, not empty.
            mask: see `zero_mask`.
            stop: looked at every millisecond.

        Returns:
            What it found, or `None` when `stop` was set: then the launch is abandoned, and
            whatever of it has not begun does nothing.

        Raises:
            DeviceError: the device fails.
            HungError: the launch does not end.
        """
        try:
            event = self._enqueue(job, heads, nonces, mask)
            if not self._wait(event, stop):
                self._abandon()
                return None
            self._cl.enqueue_copy(self._queue, self._result, self._found)
            self.span_ns = (event.profile.start, event.profile.end)
        except self._cl.Error as error:
            raise DeviceError(f"{self._program.device.name}: a launch fails: {error}") from error
        self.device_seconds = (self.span_ns[1] - self.span_ns[0]) * 1e-9
        count, begun, room = *self._result[:2], self._program.capacity
        if not begun:
            raise DeviceError(f"{self._program.device.name}: a launch ended without hashing")
        words = self._result[2 : 2 + 2 * min(count, room)]
        return Candidates(
            tuple(zip(words[::2], words[1::2], strict=True)), overflow=max(count - room, 0)
        )

    def _enqueue(self, job: LaunchJob, heads: Sequence[int], nonces: range, mask: int) -> Any:
        cl, group = self._cl, self._program.group
        numbers = (self._generation, nonces.start, len(nonces), mask)
        arguments = (
            *(struct.pack("=I", number) for number in numbers),
            POWERS,
            job.words,
            *(part for head in heads for part in job.heads[head]),
        )
        self._kernel.set_arg(0, self._found)
        self._kernel.set_arg(1, self._wanted)
        for index, argument in enumerate(arguments, start=2):
            self._kernel.set_arg(index, argument)
        waits = None if self._told is None else [self._told]
        self._told = None
        cl.enqueue_fill_buffer(self._queue, self._found, bytes(4), 0, _HEAD_BYTES, wait_for=waits)
        size = -(-len(nonces) // group) * group
        event = cl.enqueue_nd_range_kernel(self._queue, self._kernel, (size,), (group,))
        self._queue.flush()
        return event

    def _wait(self, event: Any, stop: StopFlag) -> bool:
        """Sleep until the launch has ended; False when `stop` came first."""
        complete = self._cl.command_execution_status.COMPLETE
        patience = self._hang if self._used else max(self._hang, _FIRST_HANG_SECONDS)
        deadline = time.monotonic() + patience
        nap = _SHORTEST_NAP_SECONDS
        while (status := event.command_execution_status) > complete:
            if stop.is_set:
                return False
            if time.monotonic() > deadline:
                raise HungError(
                    f"{self._program.device.name}: a launch has not ended in {patience:.0f} s"
                )
            time.sleep(nap)
            nap = min(2 * nap, _LONGEST_NAP_SECONDS)
        if status < 0:
            raise DeviceError(f"{self._program.device.name}: a launch fails with code {status}")
        self._used = True
        return True

    def _abandon(self) -> None:
        """Let the launch in flight do nothing more; the next one waits until it knows.

        The new number goes through a queue of its own, beside the launch. Where a driver
        does not let it overtake, the launch runs to its end, and nobody reads what it found.
        """
        self._generation = (self._generation + 1) & 0xFFFFFFFF
        self._told = self._set_wanted()

    def _set_wanted(self) -> Any:
        number = struct.pack("=I", self._generation)
        event = self._cl.enqueue_fill_buffer(self._control, self._wanted, number, 0, 4)
        self._control.flush()
        return event
