from dataclasses import fields, replace

import pytest

from headframe.runtime.errors import ConfigError
from miner.devices import DEVICE_TYPES, HEEDED, detect, renew
from miner.devices.base import Wishes
from miner.devices.manners import Manners
from miner.devices.opencl_platform import DeviceError, list_devices, load_pyopencl


def there(type_: str) -> bool:
    """Tell whether this machine has devices of a type that not every machine has."""
    try:
        known = list_devices(load_pyopencl())
    except DeviceError:
        return False
    return any(type_ == "opencl" or device.kind != "cpu" for device in known)


def test_each_type_finds_devices_with_names_of_their_own_or_says_why_not() -> None:
    names: list[str] = []
    for type_ in DEVICE_TYPES:
        if type_ in {"gpu", "opencl"} and not there(type_):
            with pytest.raises(ConfigError, match=f"devices = {type_}: "):
                detect([type_])
            continue
        found = [device.name for device in detect([type_], Wishes(threads=1))]
        assert {name.split(":")[0] for name in found} == {type_}
        names += found
    assert len(set(names)) == len(names) >= 2


def test_devices_are_chosen_by_number_or_all_and_each_counts_once() -> None:
    def names(*asked: str) -> list[str]:
        return [device.name for device in detect(asked, Wishes(threads=1))]

    assert names("python:0") == names("python:all") == names("python") == ["python:0"]
    assert names("python:0", "cpu", "python") == ["python:0", "cpu:0"]


@pytest.mark.parametrize("which", ["1", "x", "00"])
def test_a_device_that_is_not_there_is_told_with_those_that_are(which: str) -> None:
    with pytest.raises(ConfigError, match=f"no python:{which} on this machine.*: python:0"):
        detect([f"python:{which}"])


def test_a_type_named_twice_counts_once() -> None:
    assert len(detect(["python", "python"])) == 1


@pytest.mark.parametrize(("types", "given"), [(["toaster"], "'toaster'"), ([], "none")])
def test_an_unknown_type_is_a_configuration_error(types: list[str], given: str) -> None:
    with pytest.raises(ConfigError, match=f"devices: {given}: expected some of cpu, python"):
        detect(types)


def test_every_wish_makes_a_difference_to_some_type_of_device() -> None:
    assert HEEDED.keys() == DEVICE_TYPES.keys()
    heeded = {name for names in HEEDED.values() for name in names}
    assert heeded == {field.name for field in fields(Wishes)}


def test_devices_that_would_be_no_different_are_kept() -> None:
    wishes, types = Wishes(threads=1), ["cpu", "python"]
    devices = detect(types, wishes)
    cpu, python = devices
    assert renew(devices, wishes, types, wishes) == devices
    other_latency = replace(wishes, latency_seconds=1)
    assert renew(devices, wishes, types, other_latency) == devices
    assert renew(devices, wishes, ["python", "cpu"], wishes) == [python, cpu]
    assert renew(devices, wishes, ["python"], wishes) == [python]
    renewed = renew(devices, wishes, types, replace(wishes, threads=2))
    assert [device.name for device in renewed] == ["cpu:0", "python:0"]
    assert renewed[0] is not cpu
    assert renewed[1] is python
    slow = replace(wishes, manners=Manners(duty_percent=50))
    assert not {*map(id, renew(devices, wishes, types, slow))} & {*map(id, devices)}


def test_devices_that_cannot_be_found_anew_are_a_configuration_error() -> None:
    wishes = Wishes(threads=1)
    devices = detect(["python"], wishes)
    with pytest.raises(ConfigError, match="'toaster'"):
        renew(devices, wishes, ["toaster"], wishes)
