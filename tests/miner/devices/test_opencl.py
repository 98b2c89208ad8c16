"""The device: under the contract of all devices, and as one that fails."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import pytest
from structlog.testing import capture_logs

from headframe.runtime.errors import ConfigError
from miner.devices.base import Wishes
from miner.devices.opencl import TRIES, OpenClDevice, find_any, find_gpus, open_kernels
from miner.devices.opencl_platform import DeviceError, HungError
from native import Kernel, ScanResult, StopFlag, kernels
from tests.contracts.device import DeviceContract, hashing
from tests.fakes.opencl import make_kernel, needs_device, the_device
from tests.fakes.source import make_job

NOW = 1_700_000_000


def make_device(open_: Callable[[], Sequence[Kernel]], **given: object) -> OpenClDevice:
    return OpenClDevice("gpu:0", open_, clock=lambda: NOW, **given)  # type: ignore[arg-type]


@needs_device
class TestOpenClDevice(DeviceContract):
    @pytest.fixture
    def device(self) -> OpenClDevice:
        found = [make_kernel(4), make_kernel(1)]
        for kernel in found:  # PoCL compiles at the first use, for longer than a test waits
            kernel.scan([bytes(64)], bytes(12), bytes(32), 0, 1, StopFlag())
        return make_device(lambda: found, latency_seconds=0.02)


class BrokenKernel:
    """A kernel whose every scan fails."""

    name = "broken"
    lanes = versions = 1
    faults = 3

    def __init__(self, error: Exception) -> None:
        self._error = error

    def scan(
        self,
        heads: Sequence[bytes],
        tail12: bytes,
        target: bytes,
        first: int,
        count: int,
        stop: StopFlag,
    ) -> ScanResult:
        raise self._error


class Opener:
    """Opens what it is told to, one after another, the last for ever."""

    def __init__(self, *outcomes: Sequence[Kernel] | Exception) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0

    def __call__(self) -> Sequence[Kernel]:
        self.calls += 1
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class Pauses:
    """Sleeps for no time, and keeps for how long it should have."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


SOUND = [kernels()[-1]]


async def test_a_device_that_fails_is_opened_again_and_hashes_on() -> None:
    opener, pauses = Opener(DeviceError("will not build"), SOUND), Pauses()
    device = make_device(opener, sleep=pauses)
    with capture_logs() as lines:
        async with hashing(device, make_job()) as harness:
            await harness.until(3)
            assert device.stats.state == "hashing"
    assert opener.calls == 2
    assert len(pauses.seconds) == 1
    (line,) = [line for line in lines if line["event"] == "device_failed"]
    assert (line["device"], line["why"]) == ("gpu:0", "will not build")


async def test_a_device_whose_launches_fail_is_opened_again() -> None:
    opener = Opener([BrokenKernel(DeviceError("out of resources"))], SOUND)
    device = make_device(opener, sleep=Pauses())
    async with hashing(device, make_job()) as harness:
        await harness.until(3)
    assert opener.calls == 2
    assert device.stats.wrong == BrokenKernel.faults


async def test_a_device_that_keeps_failing_is_retired_and_told() -> None:
    pauses, opener = Pauses(), Opener(DeviceError("gone"))
    device = make_device(opener, sleep=pauses)
    with capture_logs() as lines:
        async with hashing(device, make_job()):
            async with asyncio.timeout(20):
                while opener.calls < TRIES:
                    await asyncio.sleep(0)
                while not any(line["event"] == "device_retired" for line in lines):
                    await asyncio.sleep(0)
    assert device.stats.state == "failed"
    assert len(pauses.seconds) == TRIES - 1
    # Doubled each time, with half of it left to chance: two steps on it is longer for sure.
    assert all(b > a for a, b in zip(pauses.seconds[:-2], pauses.seconds[2:], strict=True))


async def test_what_hangs_is_never_freed() -> None:
    hanging = [BrokenKernel(HungError("has not ended"))]
    device = make_device(Opener(hanging, SOUND), sleep=Pauses())
    async with hashing(device, make_job()) as harness:
        await harness.until(1)
    assert device._hung == [hanging]


async def test_a_mistake_of_ours_is_not_taken_for_a_broken_device() -> None:
    device = make_device(Opener([BrokenKernel(ZeroDivisionError("a mistake"))]), sleep=Pauses())
    with pytest.raises(ExceptionGroup):
        async with hashing(device, make_job()):
            await asyncio.Event().wait()


async def test_wrong_nonces_are_counted_while_it_runs_and_ignored_else() -> None:
    device = make_device(Opener(SOUND))
    async with hashing(device, make_job()) as harness:
        await harness.until(1)
        device.wrong(harness.solutions[0])
    assert device.stats.wrong == 1


async def test_sensors_are_read_while_it_hashes() -> None:
    def read() -> Mapping[str, float]:
        return {"power_watts": 200.0}

    device = make_device(Opener(SOUND), sensors=read)
    async with hashing(device, make_job()) as harness:
        async with asyncio.timeout(20):
            while not device.stats.sensors:
                await harness.until(len(harness.solutions) + 1)
    assert device.stats.sensors == {"power_watts": 200.0}


def test_wrong_before_it_runs_is_of_no_consequence() -> None:
    device = make_device(Opener(SOUND))
    device.wrong(None)  # type: ignore[arg-type]
    assert device.stats.wrong == 0


@needs_device
class TestFinding:
    def test_each_device_has_a_name_of_its_own(self) -> None:
        names = [device.name for device in find_any(Wishes())]
        assert names == [f"opencl:{i}" for i in range(len(names))]

    def test_where_no_gpu_is_the_error_names_what_there_is(self) -> None:
        _, device = the_device()
        if device.kind != "cpu":
            assert find_gpus(Wishes())[0].name == "gpu:0"
            return
        with pytest.raises(ConfigError, match=r"no such device; OpenCL finds .*cpu"):
            find_gpus(Wishes())

    def test_kernels_of_a_real_device_are_built_tuned_and_tested(self, tmp_path_factory) -> None:
        folder = tmp_path_factory.mktemp("cache")
        opened = open_kernels(*the_device(), 0.02, folder)
        assert [kernel.versions for kernel in opened] in ([4, 1], [1])
