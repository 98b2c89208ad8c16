"""Single launches."""

import pytest

from miner.devices.opencl_job import make_launch_job
from miner.devices.opencl_launch import Slot
from miner.devices.opencl_platform import DeviceError
from native import StopFlag
from tests.contracts.kernel import HEAD, TAIL, expected_hits
from tests.fakes.opencl import make_program, skip_module_without_device

skip_module_without_device()
pytestmark = [pytest.mark.opencl, pytest.mark.timeout(300)]

JOB = make_launch_job((HEAD,), TAIL)
ALL = b"\xff" * 32


def test_launch_reports_exactly_the_nonces_of_its_range_even_past_a_group() -> None:
    slot = Slot(make_program(1, optimised=False))
    for count in (1, 63, 64, 65, 200):
        found = slot.launch(JOB, [0], range(10, 10 + count), 0, StopFlag())
        assert found is not None
        assert sorted(found.found) == expected_hits([HEAD], TAIL, ALL, 10, count)
        assert found.overflow == 0


def test_what_has_no_room_is_counted() -> None:
    slot = Slot(make_program(1, capacity=4, optimised=False))
    found = slot.launch(JOB, [0], range(100), 0, StopFlag())
    assert found is not None
    assert (len(found.found), found.overflow) == (4, 96)
    again = slot.launch(JOB, [0], range(3), 0, StopFlag())
    assert again is not None
    assert (len(again.found), again.overflow) == (3, 0)


def test_time_is_the_devices_own() -> None:
    slot = Slot(make_program(1, optimised=False))
    slot.launch(JOB, [0], range(1 << 12), 0xFFFFFFFF, StopFlag())
    begin, end = slot.span_ns
    assert slot.device_seconds == pytest.approx((end - begin) * 1e-9)
    assert end > begin


def test_abandoned_launch_tells_nothing_and_the_next_is_whole() -> None:
    slot, stop = Slot(make_program(1, optimised=False)), StopFlag()
    stop.set()
    assert slot.launch(JOB, [0], range(1 << 16), 0, stop) is None
    found = slot.launch(JOB, [0], range(40), 0, StopFlag())
    assert found is not None
    assert sorted(found.found) == expected_hits([HEAD], TAIL, ALL, 0, 40)


def test_slot_that_is_abandoned_at_its_first_launch_is_as_good_as_any() -> None:
    program, stop = make_program(1, optimised=False), StopFlag()
    stop.set()
    wanted = expected_hits([HEAD], TAIL, ALL, 0, 40)
    for _ in range(50):  # the number of the generation must not be set before the slot's first
        slot = Slot(program)
        slot.launch(JOB, [0], range(64), 0, stop)
        found = slot.launch(JOB, [0], range(40), 0, StopFlag())
        assert found is not None
        assert sorted(found.found) == wanted


def test_launch_of_an_older_generation_does_nothing_and_that_is_noticed() -> None:
    slot = Slot(make_program(1, optimised=False))
    slot._abandon()
    slot._generation -= 1
    with pytest.raises(DeviceError, match="ended without hashing"):
        slot.launch(JOB, [0], range(100), 0, StopFlag())
