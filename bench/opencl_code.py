"""Count the instructions that an OpenCL kernel became, where NVIDIA's tools are installed.

NVIDIA's driver hands a built program back as PTX. `ptxas` makes machine code of it, as the
driver does, and `nvdisasm` or `cuobjdump` lists that.
"""

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Code", "count_listing", "inspect_program"]

_LINE = re.compile(r"^\s*/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_]*)((?:\.\w+)*)(.*)")
_LABEL = re.compile(r"^\s*(\.L\w+):")
_TARGET = re.compile(r"`\((\.L\w+)\)|\b0x([0-9a-f]+)")
_LOGIC = {"SHF", "LOP3", "IADD3", "VIADD", "PRMT", "ISETP", "SEL", "LEA", "IABS", "FLO", "VIMNMX"}
_TOOL_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class Code:
    """Instructions for one hash, and what they allow.

    Attributes:
        registers: of each work item.
        total: all instructions.
        logic: those of the 64 lanes for logic, shifts and additions.
        multiplies: those of the 64 lanes that multiply.
        wide: of these, such as take two turns: high halves and 64-bit products.
        by_name: the most frequent ones.
    """

    registers: int | None
    total: float
    logic: float
    multiplies: float
    wide: float
    by_name: dict[str, float]

    @property
    def bounds(self) -> dict[str, float]:
        """Clocks for a hash and multiprocessor that each of the units needs at least.

        The rates are those that NVIDIA gives for compute capability 9.0: 64 lanes for
        logic, 64 for multiplications, 128 instructions issued.
        """
        return {
            "logic": self.logic / 64,
            "multiplies": (self.multiplies + self.wide) / 64,
            "issue": self.total / 128,
        }

    def as_row(self) -> dict[str, object]:
        """Return it as plain data."""
        binds = max(self.bounds, key=self.bounds.__getitem__)
        return asdict(self) | {"clocks_per_hash": self.bounds, "binds": binds}


def count_listing(listing: str, versions: int, registers: int | None = None) -> Code:
    """Count a listing of machine code; what is in a loop counts once for each version.

    Args:
        listing: as nvdisasm or cuobjdump print it.
        versions: heads hashed at once.
        registers: of each work item, if known.
    """
    lines, labels = _parse(listing)
    loops = [
        (start, address)
        for address, name, rest in lines
        if name == "BRA" and (start := _target(rest, labels)) is not None and start < address
    ]
    counts: Counter[str] = Counter()
    for address, name, _ in lines:
        if name != "NOP":
            looped = any(start <= address <= end for start, end in loops)
            counts[name] += versions if looped else 1
    names = {name: count / versions for name, count in counts.most_common()}

    def add(wanted: Sequence[str]) -> float:
        return sum(names[name] for name in wanted)

    multiplies = [name for name in names if name.startswith("IMAD")]
    return Code(
        registers=registers,
        total=add(list(names)),
        logic=add([name for name in names if name.partition(".")[0] in _LOGIC]),
        multiplies=add(multiplies),
        wide=add([name for name in multiplies if name.startswith(("IMAD.HI", "IMAD.WIDE"))]),
        by_name=dict(list(names.items())[:12]),
    )


def inspect_program(binary: bytes, capability: str, versions: int) -> Code | str:
    """Count the instructions of a built program.

    Args:
        binary: as the driver hands it back.
        capability: such as "90".
        versions: heads hashed at once.

    Returns:
        The counts, or why there are none.
    """
    if b".entry search" not in binary:
        return "the driver hands back no PTX"
    assembler = shutil.which("ptxas")
    lister = shutil.which("nvdisasm") or shutil.which("cuobjdump")
    if assembler is None or lister is None:
        return "needs ptxas, and nvdisasm or cuobjdump, on PATH"
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, "search.ptx"), Path(folder, "search.cubin")
        source.write_bytes(binary.rstrip(b"\0"))
        command = [assembler, "-v", "-arch", f"sm_{capability}", "-o", str(made), str(source)]
        said = _run(command)
        if not made.is_file():
            return f"ptxas refuses it: {said.strip().splitlines()[0]}"
        listing = _run([lister, "-c" if "nvdisasm" in lister else "-sass", str(made)])
    registers = re.search(r"Used (\d+) registers", said)
    return count_listing(listing, versions, int(registers[1]) if registers else None)


def _parse(listing: str) -> tuple[list[tuple[int, str, str]], dict[str, int]]:
    """Return (address, name, rest) of each instruction, and the labels' addresses."""
    lines: list[tuple[int, str, str]] = []
    labels: dict[str, int] = {}
    waiting: list[str] = []
    for text in listing.splitlines():
        if label := _LABEL.match(text):
            waiting.append(label[1])
        elif line := _LINE.match(text):
            address = int(line[1], 16)
            labels |= dict.fromkeys(waiting, address)
            waiting = []
            part = line[3].split(".")[1:2]
            lines.append((address, ".".join([line[2], *part]), line[4]))
    return lines, labels


def _target(rest: str, labels: dict[str, int]) -> int | None:
    found = _TARGET.search(rest)
    if found is None:
        return None
    return labels.get(found[1]) if found[1] else int(found[2], 16)


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_TOOL_SECONDS, check=False
    )
    return done.stdout + done.stderr
