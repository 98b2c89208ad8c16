"""Tests mirror the source: each module with code has its test file, and the reverse."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("headframe", "miner", "native", "proxy")
EXEMPT_TESTS = {"contracts", "fakes", "system", "typing", "vectors", "transcripts"}


def has_code(path: Path) -> bool:
    """Tell whether a module has more than a docstring, imports and constants' names."""
    tree = ast.parse(path.read_text())
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for node in ast.walk(tree)
    )


def mirror_of(module: Path) -> Path:
    """headframe/chain/target.py → tests/headframe/chain/test_target.py."""
    name = module.parent.name if module.name == "__init__.py" else module.stem
    return Path("tests") / module.parent / f"test_{name}.py"


def modules() -> list[Path]:
    found = [p.relative_to(ROOT) for name in PACKAGES for p in (ROOT / name).rglob("*.py")]
    return sorted(p for p in found if p.name != "__main__.py" and has_code(ROOT / p))


@pytest.mark.parametrize("module", modules(), ids=str)
def test_each_module_has_its_test_file(module: Path) -> None:
    assert (ROOT / mirror_of(module)).is_file(), f"{module} wants {mirror_of(module)}"


def test_each_test_file_has_its_module() -> None:
    expected = {mirror_of(module) for module in modules()}
    for path in (ROOT / "tests").rglob("test_*.py"):
        relative = path.relative_to(ROOT)
        if relative.parts[1] in EXEMPT_TESTS or len(relative.parts) == 2:
            continue
        assert relative in expected, f"{relative} tests no module"


def test_test_folders_are_no_packages() -> None:
    for name in PACKAGES:
        strays = list((ROOT / "tests" / name).rglob("__init__.py"))
        assert not strays, f"{strays} would shadow {name}"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_python_file_is_longer_than_400_lines(package: str) -> None:
    long = {
        p.relative_to(ROOT).as_posix(): count
        for p in (ROOT / package).rglob("*.py")
        if (count := len(p.read_text().splitlines())) > 400
    }
    assert not long, f"more than one idea in a file: {long}"
