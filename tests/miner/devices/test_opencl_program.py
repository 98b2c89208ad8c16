"""How the program is built, and where built ones are kept."""

from pathlib import Path

import pytest

from miner.devices.opencl_platform import DeviceError
from miner.devices.opencl_program import (
    SOURCE,
    VARIANTS,
    Shape,
    build,
    cache_dir,
    options,
    source_key,
)
from tests.fakes.opencl import needs_device, the_device


def test_each_variant_sets_every_define_of_the_source_that_says_how() -> None:
    source = SOURCE.read_text()
    for defines in VARIANTS.values():
        assert set(defines) == {"HF_SPREAD", "HF_SELECT"}
        assert all(f" *   {name}" in source for name in defines)


def test_every_define_is_given_and_told_of() -> None:
    source = SOURCE.read_text()
    for option in options(4, Shape()):
        name = option.removeprefix("-D").partition("=")[0]
        assert option == "-cl-std=CL1.2" or f" *   {name} " in source


def test_no_vendor_is_named_in_the_source() -> None:
    words = SOURCE.read_text().lower()
    for vendor in ("amd_", "nv_", "cl_nv", "cl_amd", "intel_", "asm", "#pragma opencl"):
        assert vendor not in words


def test_built_programs_are_kept_where_caches_belong(tmp_path: Path) -> None:
    assert cache_dir({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "headframe" / "opencl"
    assert cache_dir({}) == Path.home() / ".cache" / "headframe" / "opencl"


def test_source_is_told_from_another_by_a_short_key() -> None:
    assert len(source_key()) == 16


@needs_device
def test_what_a_compiler_refuses_is_told_in_one_line(tmp_path: Path) -> None:
    cl, device = the_device()
    context = cl.Context([device.handle])
    with pytest.raises(DeviceError, match="cannot be built: ") as caught:
        build(cl, context, device, ["-DHF_VERSIONS=3"], tmp_path)
    assert "\n" not in str(caught.value)
    assert device.name in str(caught.value)
