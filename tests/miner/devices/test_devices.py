import pytest

from headframe.runtime.errors import ConfigError
from miner.devices import DEVICE_TYPES, detect
from miner.devices.base import Wishes


def test_each_type_finds_devices_with_names_of_their_own() -> None:
    devices = detect(list(DEVICE_TYPES), Wishes(threads=1))
    names = [device.name for device in devices]
    assert len(set(names)) == len(names)
    assert {name.split(":")[0] for name in names} == set(DEVICE_TYPES)


def test_a_type_named_twice_counts_once() -> None:
    assert len(detect(["python", "python"])) == 1


@pytest.mark.parametrize(("types", "given"), [(["toaster"], "'toaster'"), ([], "none")])
def test_an_unknown_type_is_a_configuration_error(types: list[str], given: str) -> None:
    with pytest.raises(ConfigError, match=f"devices: {given}: expected some of cpu, python"):
        detect(types)
