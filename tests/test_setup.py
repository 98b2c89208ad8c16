"""What `scripts/setup` says on a machine that lacks something: one line, with the package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[1] / "scripts" / "setup"


def setup(step: str, python: str, folder: Path, *programs: str) -> subprocess.CompletedProcess[str]:
    """Run a step in an empty folder, with a PATH that holds these programs alone."""
    for name in ("cat", "rm", "touch"):
        (folder / name).symlink_to(f"/bin/{name}")
    for name in programs:
        (folder / name).symlink_to(f"/usr/bin/{name}")
    return subprocess.run(
        ["/bin/sh", str(SETUP), step, python],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={"PATH": str(folder), "HOME": str(folder)},
    )


def script(path: Path, text: str) -> str:
    """Write a program that stands for another one's answers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_no_python_is_named(tmp_path: Path) -> None:
    done = setup("run", "python3.99", tmp_path)
    assert done.returncode == 69
    assert done.stderr.count("\n") == 1
    assert "python3.99 not found: apt-get install python3" in done.stderr


def test_an_old_python_is_named_with_its_version(tmp_path: Path) -> None:
    old = script(tmp_path / "old", 'case $1 in -V) echo "Python 3.9.2" ;; *) exit 1 ;; esac')
    done = setup("run", old, tmp_path)
    assert done.returncode == 69
    assert "Python 3.9.2 is too old, 3.11 is the oldest that works" in done.stderr


def test_a_missing_venv_module_is_named(tmp_path: Path) -> None:
    bare = script(tmp_path / "bare", "case $2 in *ensurepip*) exit 1 ;; *) exit 0 ;; esac")
    done = setup("run", bare, tmp_path)
    assert done.returncode == 69
    assert done.stderr == ("setup: Python's venv module is missing: apt-get install python3-venv\n")


def test_a_missing_compiler_is_named(tmp_path: Path) -> None:
    done = setup("build", sys.executable, tmp_path)
    assert done.returncode == 69
    assert done.stderr == (
        "setup: no C compiler, and the kernels need one: apt-get install gcc libc6-dev\n"
    )


@pytest.mark.skipif(not os.access("/usr/bin/gcc", os.X_OK), reason="no gcc here")
def test_missing_headers_of_python_are_named(tmp_path: Path) -> None:
    script(tmp_path / ".venv/bin/python", "echo /nowhere/include")
    done = setup("build", sys.executable, tmp_path, "gcc", "as", "ld")
    assert done.returncode == 69, done
    assert "(/nowhere/include/Python.h): apt-get install python3-dev" in done.stderr
