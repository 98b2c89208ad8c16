"""Devices: what hashes. One module and one row in `DEVICE_TYPES` for each kind.

No pool, no share rules, no statistics but a device's own: those are the engine's.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from headframe.runtime.errors import ConfigError
from miner.devices import cpu, opencl, python
from miner.devices.base import Device, Wishes

__all__ = ["DEVICE_TYPES", "HEEDED", "detect", "renew"]

DEVICE_TYPES: Final[Mapping[str, Callable[[Wishes], Sequence[Device]]]] = {
    "cpu": cpu.find,
    "python": python.find,
    "gpu": opencl.find_gpus,
    "opencl": opencl.find_any,
}
"""Name in the configuration: what finds this machine's devices of the kind."""

HEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "cpu": ("threads", "kernel", "manners"),
    "python": ("manners",),
    "gpu": ("latency_seconds",),
    "opencl": ("latency_seconds",),
}
"""The same names: the fields of `Wishes` that make a difference to devices of the kind."""


def detect(types: Sequence[str], wishes: Wishes = Wishes()) -> list[Device]:  # noqa: B008 # frozen
    """Find this machine's devices.

    Args:
        types: names out of `DEVICE_TYPES`, for all devices of the type; or such a name and
            which of them, as in "gpu:0"; "gpu:all" is the same as "gpu".
        wishes: what the user wants of them.

    Raises:
        ConfigError: no such type, device or kernel.
    """
    asked = [name.partition(":") for name in types]
    unknown = [type_ for type_, _, _ in asked if type_ not in DEVICE_TYPES]
    if unknown or not types:
        known = ", ".join(DEVICE_TYPES)
        given = ", ".join(repr(name) for name in unknown) or "none"
        raise ConfigError(f"devices: {given}: expected some of {known}, or one as in gpu:0")
    found = {type_: DEVICE_TYPES[type_](wishes) for type_ in dict.fromkeys(a[0] for a in asked)}
    chosen: dict[str, Device] = {}
    for type_, _, which in asked:
        chosen |= {device.name: device for device in _choose(type_, which, found[type_])}
    return list(chosen.values())


def renew(
    devices: Sequence[Device], before: Wishes, types: Sequence[str], wishes: Wishes
) -> list[Device]:
    """Find devices as `detect` does, and keep those there are that would be no different.

    Args:
        devices: those there are.
        before: what they were made by.
        types: as for `detect`.
        wishes: what the user wants now.

    Raises:
        ConfigError: no such type, device or kernel.
    """
    kept = {device.name: device for device in devices if _is_same(device, before, wishes)}
    return [kept.get(device.name, device) for device in detect(types, wishes)]


def _is_same(device: Device, before: Wishes, wishes: Wishes) -> bool:
    heeded = HEEDED[device.name.partition(":")[0]]
    return all(getattr(before, each) == getattr(wishes, each) for each in heeded)


def _choose(type_: str, which: str, found: Sequence[Device]) -> Sequence[Device]:
    if which in {"", "all"}:
        return found
    for device in found:
        if device.name == f"{type_}:{which}":
            return (device,)
    there = ", ".join(device.name for device in found)
    raise ConfigError(f"devices: no {type_}:{which} on this machine; there are: {there}")
