"""Devices: what hashes. One module and one row in `DEVICE_TYPES` for each kind.

No pool, no share rules, no statistics but a device's own: those are the engine's.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from headframe.runtime.errors import ConfigError
from miner.devices import cpu, python
from miner.devices.base import Device, Wishes

__all__ = ["DEVICE_TYPES", "detect"]

DEVICE_TYPES: Final[Mapping[str, Callable[[Wishes], Sequence[Device]]]] = {
    "cpu": cpu.find,
    "python": python.find,
}
"""Name in the configuration: what finds this machine's devices of the kind."""


def detect(types: Sequence[str], wishes: Wishes = Wishes()) -> list[Device]:  # noqa: B008 # frozen
    """Find this machine's devices.

    Args:
        types: names out of `DEVICE_TYPES`.
        wishes: what the user wants of them.

    Raises:
        ConfigError: no such type, or no such kernel.
    """
    unknown = [name for name in types if name not in DEVICE_TYPES]
    if unknown or not types:
        known = ", ".join(DEVICE_TYPES)
        given = ", ".join(repr(name) for name in unknown) or "none"
        raise ConfigError(f"devices: {given}: expected some of {known}")
    return [device for name in dict.fromkeys(types) for device in DEVICE_TYPES[name](wishes)]
