"""Builds the compiled module `native._native` with cffi, in API mode.

Used by `setup.py`. No file needs flags of its own: what an instruction set needs is said
in the C files (`HF_TARGET_BEGIN`), and which of them run is decided at run time.
"""

from pathlib import Path
from typing import Final

from cffi import FFI  # type: ignore[import-untyped]

__all__ = ["SOURCES", "declarations", "ffibuilder", "make_builder"]

C_FOLDER: Final = "native/c"
SOURCES: Final = (
    "registry.c",
    "cpu.c",
    "scan.c",
    "verify.c",
    "portable.c",
    "sse41.c",
    "avx2.c",
    "avx512.c",
    "shani.c",
    "shani_sse.c",
    "shani_versions.c",
    "armv8.c",
    "neon.c",
    "table.c",
    "submit.c",
    "judge.c",
    "send.c",
)
"""Every C file of the module."""
HEADERS: Final = ("headframe.h", "internal.h", "lanes.h", "shani.h", "submit.h")


def declarations(header: str) -> str:
    """Take from the text of `headframe.h` what cffi reads: all but the preprocessor's lines."""
    return "\n".join(line for line in header.splitlines() if not line.startswith("#"))


def make_builder(root: Path) -> FFI:
    """Describe the module to cffi.

    Args:
        root: the folder that `setup.py` stands in. Sources are named relative to it.
    """
    builder = FFI()
    builder.cdef(declarations((root / C_FOLDER / "headframe.h").read_text(encoding="utf-8")))
    builder.set_source(
        "native._native",
        '#include "headframe.h"',
        sources=[f"{C_FOLDER}/{name}" for name in SOURCES],
        depends=[f"{C_FOLDER}/{name}" for name in HEADERS],
        include_dirs=[C_FOLDER],
        extra_compile_args=["-std=c11", "-O3"],
    )
    return builder


ffibuilder = make_builder(Path(__file__).resolve().parent.parent)
