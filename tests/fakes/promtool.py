"""Prometheus's own tools: what they judge of what we export and ship.

Without them, tests are skipped with one line that says how to get them; under `CI=true` they
fail instead.
"""

import os
import shutil
import subprocess

import pytest

__all__ = ["find_tool", "lint_metrics", "promtool"]


def find_tool(name: str) -> str:
    """Return the path of `promtool` or `prometheus`; skip the test, or fail it, without it."""
    tool = shutil.which(name)
    if tool is None:
        how = f"no {name}; on Debian: apt-get install prometheus"
        if os.environ.get("CI") == "true":
            pytest.fail(how)
        pytest.skip(how)
    return tool


def promtool(*args: str, page: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run promtool; `page` is what it reads from its standard input."""
    return subprocess.run(
        [find_tool("promtool"), *args], input=page, capture_output=True, check=False, timeout=280
    )


def lint_metrics(page: bytes) -> str:
    """Return what `promtool check metrics` finds wrong with a page of metrics; "" for nothing."""
    done = promtool("check", "metrics", page=page)
    said = (done.stdout + done.stderr).decode()
    return said if said or not done.returncode else f"it ended with {done.returncode}"
