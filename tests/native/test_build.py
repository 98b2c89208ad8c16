from pathlib import Path

import pytest

from native.build import C_FOLDER, HEADERS, SOURCES, declarations, make_builder

ROOT = Path(__file__).parent.parent.parent


def test_preprocessor_lines_are_dropped_and_the_rest_is_kept():
    assert declarations("#ifndef X\n#define X\nint f(void);\n  int g;\n#endif") == (
        "int f(void);\n  int g;"
    )


def test_every_c_file_is_built():
    here = {path.name for path in (ROOT / C_FOLDER).glob("*.c")}
    assert set(SOURCES) == here


def test_every_header_causes_a_new_build():
    assert set(HEADERS) == {path.name for path in (ROOT / C_FOLDER).glob("*.h")}


def test_module_is_named_and_found_by_paths_relative_to_the_root():
    builder = make_builder(ROOT)
    name, source, _, options = builder._assigned_source
    assert name == "native._native"
    assert "headframe.h" in source
    for path in (*options["sources"], *options["depends"]):
        assert (ROOT / path).is_file()


@pytest.mark.parametrize("function", ["hf_scan", "hf_share_hash", "hf_kernel_count"])
def test_declarations_are_read_from_the_public_header(function):
    header = (ROOT / C_FOLDER / "headframe.h").read_text()
    assert f"{function}(" in declarations(header)
