import os
from pathlib import Path

from miner.machine import Machine

X86 = """processor\t: 0
vendor_id\t: AuthenticAMD
model name\t: AMD Ryzen 9 5950X 16-Core Processor
flags\t\t: fpu vme sse4_1 sse4_2 avx avx2 sha_ni rdpid

processor\t: 1
model name\t: another
flags\t\t: avx512f
"""
ARM = """processor\t: 0
BogoMIPS\t: 50.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32
CPU implementer\t: 0x41
"""


def look(folder: Path, text: str) -> Machine:
    file = folder / "cpuinfo"
    file.write_text(text)
    return Machine.look(file)


def test_it_reads_the_first_cpu_of_an_x86(tmp_path: Path) -> None:
    machine = look(tmp_path, X86)
    assert machine.cpu == "AMD Ryzen 9 5950X 16-Core Processor"
    assert machine.features == ("sse4_1", "avx", "avx2", "sha_ni")


def test_it_reads_the_features_of_an_arm_that_has_no_name(tmp_path: Path) -> None:
    machine = look(tmp_path, ARM)
    assert machine.cpu
    assert machine.features == ("asimd", "sha2")


def test_a_machine_without_the_list_is_still_a_machine(tmp_path: Path) -> None:
    machine = Machine.look(tmp_path / "none")
    assert machine.features == ()
    assert machine.cpu
    assert machine.cores == len(os.sched_getaffinity(0))


def test_it_is_one_line_for_people() -> None:
    machine = Machine(cpu="Z80", architecture="z80", cores=1, features=())
    assert machine.line() == "Z80 (z80), 1 core"
    machine = Machine(cpu="A", architecture="x86_64", cores=2, features=("avx", "avx2"))
    assert machine.line() == "A (x86_64), 2 cores; avx avx2"
    assert machine.as_row()["features"] == ("avx", "avx2")
