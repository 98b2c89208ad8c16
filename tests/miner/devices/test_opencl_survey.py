from types import SimpleNamespace
from typing import Any

from miner.devices.opencl_platform import DeviceError
from miner.devices.opencl_survey import survey
from tests.fakes.opencl import needs_device, the_device


def make_pyopencl(*types: int) -> Any:
    handles = [
        SimpleNamespace(
            type=type_,
            name=f"Device {type_}",
            vendor="Maker",
            driver_version="1.0",
            max_compute_units=8,
            max_work_group_size=256,
        )
        for type_ in types
    ]
    platform = SimpleNamespace(name="P", version="OpenCL 1.2", get_devices=lambda: handles)
    return SimpleNamespace(
        Error=OSError,
        RuntimeError=OSError,
        device_type=SimpleNamespace(GPU=4, CPU=2),
        get_platforms=lambda: [platform],
    )


def test_each_device_is_told_with_the_names_to_choose_it_by() -> None:
    found = survey(lambda: make_pyopencl(2, 4))
    assert found.missing == ""
    assert [(row["device"], row["names"]) for row in found.rows] == [
        ("Device 4", ["gpu:0", "opencl:0"]),
        ("Device 2", ["opencl:1"]),
    ]


def test_a_gpu_that_was_not_measured_yet_has_no_shape_and_a_cpu_has_its_own() -> None:
    gpu, cpu = survey(lambda: make_pyopencl(2, 4)).rows
    assert gpu["shapes"] == {"1": None, "4": None}
    assert cpu["shapes"] == {"1": "plain, groups of 64", "4": "plain, groups of 64"}


def test_lack_of_everything_is_told() -> None:
    def missing() -> Any:
        raise DeviceError("OpenCL needs pyopencl")

    assert survey(missing).missing == "OpenCL needs pyopencl"
    assert "no driver" in survey(make_pyopencl).missing


@needs_device
def test_this_machines_device_is_listed() -> None:
    _, device = the_device()
    assert survey().rows[0]["device"] == device.name
