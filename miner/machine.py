"""What the machine is, as far as hashing cares; for people."""

import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from miner.devices.manners import usable_cores

__all__ = ["FEATURES", "Machine"]

FEATURES: Final = (
    *("sse4_1", "avx", "avx2", "avx512f", "avx512bw", "avx512vl", "sha_ni"),
    *("asimd", "sha2"),
)
"""Names, as in `/proc/cpuinfo`, of what our kernels are written for: x86, then ARM."""

_CPUINFO: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A CPU.

    Attributes:
        cpu: its name as the maker gives it.
        architecture: such as "x86_64".
        cores: how many this process may use.
        features: those of `FEATURES` that it has.
    """

    cpu: str
    architecture: str
    cores: int
    features: tuple[str, ...]

    @classmethod
    def look(cls, cpuinfo: Path = _CPUINFO) -> "Machine":
        """Look at the machine this runs on.

        Args:
            cpuinfo: the kernel's list of CPUs; need not be there.
        """
        about = _first_cpu(cpuinfo)
        flags = (about.get("flags") or about.get("Features") or "").split()
        return cls(
            cpu=about.get("model name") or platform.processor() or "unknown CPU",
            architecture=platform.machine(),
            cores=len(usable_cores()),
            features=tuple(name for name in FEATURES if name in flags),
        )

    def as_row(self) -> dict[str, object]:
        """Return it as plain data."""
        return asdict(self)

    def line(self) -> str:
        """Return it as a line for people."""
        cores = "1 core" if self.cores == 1 else f"{self.cores} cores"
        features = f"; {' '.join(self.features)}" if self.features else ""
        return f"{self.cpu} ({self.architecture}), {cores}{features}"


def _first_cpu(cpuinfo: Path) -> dict[str, str]:
    try:
        first = cpuinfo.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
