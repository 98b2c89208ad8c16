"""Devices: what hashes. One module and one row in `DEVICE_TYPES` for each kind.

No pool, no share rules, no statistics but a device's own: those are the engine's.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from headframe.runtime.errors import ConfigError
from miner.devices import cpu, python
from miner.devices.base import Device

__all__ = ["DEVICE_TYPES", "detect"]

DEVICE_TYPES: Final[Mapping[str, Callable[[int, str], Sequence[Device]]]] = {
    "cpu": cpu.find,
    "python": python.find,
}
"""Name in the configuration: what finds this machine's devices of the kind, given the
number of threads wished for (0: all cores) and a kernel's name ("": the fastest)."""


def detect(types: Sequence[str], *, threads: int = 0, kernel: str = "") -> list[Device]:
    """Find this machine's devices.

    Args:
        types: names out of `DEVICE_TYPES`.
        threads: threads of each CPU device; 0 for all cores.
        kernel: the kernel's name; "" for the fastest.

    Raises:
        ConfigError: no such type, or no such kernel.
    """
    unknown = [name for name in types if name not in DEVICE_TYPES]
    if unknown or not types:
        known = ", ".join(DEVICE_TYPES)
        given = ", ".join(repr(name) for name in unknown) or "none"
        raise ConfigError(f"devices: {given}: expected some of {known}")
    return [
        device for name in dict.fromkeys(types) for device in DEVICE_TYPES[name](threads, kernel)
    ]
