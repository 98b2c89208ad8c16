import subprocess
import sys

import pytest

import native
from native.compiled import (
    CompiledKernel,
    compiled_kernels,
    extension_missing,
    unusable_kernels,
)
from native.kernel import MAX_HEADS, MAX_HITS, StopFlag
from tests.contracts.kernel import KernelContract

needs_extension = pytest.mark.skipif(bool(extension_missing), reason=extension_missing or "there")


@needs_extension
@pytest.mark.parametrize("kernel", compiled_kernels(), ids=lambda kernel: kernel.name)
class TestCompiledKernels(KernelContract):
    pass


@needs_extension
def test_portable_kernel_is_always_there_and_last():
    assert compiled_kernels()[-1].name == "portable"


@needs_extension
def test_names_are_unique():
    names = [kernel.name for kernel in compiled_kernels()]
    assert len(set(names)) == len(names)


@needs_extension
def test_limits_in_python_are_those_in_c():
    from native._native import lib

    assert lib.HF_MAX_HITS == MAX_HITS
    assert lib.HF_MAX_HEADS == MAX_HEADS


@needs_extension
@pytest.mark.parametrize("number", [1000, 2**32 - 1])
def test_number_of_no_kernel_is_refused(number):
    kernel = CompiledKernel("absent", 1, 1, number)
    with pytest.raises(ValueError, match="kernel absent refused the scan"):
        kernel.scan([bytes(64)], bytes(12), bytes(32), 0, 1, StopFlag())


@needs_extension
def test_table_answers_for_rows_that_do_not_exist():
    from native._native import ffi, lib

    absent = lib.hf_kernel_count()
    assert lib.hf_kernel_name(absent) == ffi.NULL
    assert lib.hf_kernel_lanes(absent) == 0
    assert lib.hf_kernel_versions(absent) == 0
    assert lib.hf_kernel_usable(absent) == 0
    assert lib.hf_hasher_name(lib.hf_hasher_count()) == ffi.NULL
    assert lib.hf_hasher_usable(lib.hf_hasher_count()) == 0


def test_lack_of_the_extension_leaves_the_python_kernel_and_says_why():
    program = """
import sys
sys.modules["native._native"] = None
import native
from native.share import hash_in_python
assert [kernel.name for kernel in native.kernels()] == ["python"]
assert native.pick().name == "python"
context = native.pack_context(b"a", b"b", [bytes(32)], bytes(32), 1)
assert native.share_hash(context, b"x", 1, 2, 3) == hash_in_python(context, b"x", 1, 2, 3)
print(native.extension_missing)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.count("\n") == 1
    assert "make build" in done.stdout


@needs_extension
def test_nothing_is_said_when_the_extension_is_there():
    assert native.extension_missing == ""


@needs_extension
def test_every_kernel_is_usable_or_is_named_as_one_that_is_not():
    from native._native import ffi, lib

    usable = [kernel.name for kernel in compiled_kernels()]
    every = {ffi.string(lib.hf_kernel_name(n)).decode() for n in range(lib.hf_kernel_count())}
    assert every - set(usable) == set(unusable_kernels())
