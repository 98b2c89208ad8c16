"""Docs that lie fail here: generated pages are current, commands and links in them work."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest

from headframe import cli
from headframe.runtime.settings import load
from miner.config import MinerConfig
from proxy.config import ProxyConfig

ROOT = Path(__file__).parents[1]
PACKAGES = ("headframe", "miner", "proxy")
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "native").glob("*.md")]
)


def commands() -> Iterator[tuple[str, str]]:
    """Each `headframe ...` line of a shell block, with its page."""
    for page in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.S):
            for line in block.splitlines():
                if line.startswith("headframe "):
                    yield page.name, line.split(" # ")[0]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))


def test_generated_pages_are_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/docs.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("page", "line"), list(commands()))
def test_every_command_in_the_docs_is_understood(page: str, line: str) -> None:
    """The options exist and their values are of the right kind; nothing is started."""
    name, *args = shlex.split(line)[1:]
    context = click.Context(cli.main)
    command = cli.main.get_command(context, name)
    assert command is not None, f"{page}: {line}"
    command.make_context(name, args)


def test_the_docs_show_commands() -> None:
    assert len(list(commands())) >= 4


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_make_targets_that_the_docs_name_exist(page: Path) -> None:
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.M))
    assert named <= make_targets()


def test_the_readme_opens_with_the_two_commands() -> None:
    block = re.search(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert block is not None
    assert [line.split(" # ")[0].strip() for line in block[1].splitlines()] == [
        "make up",
        "make test",
    ]


def test_the_locks_pin_hashes_and_name_no_index() -> None:
    for lock in ROOT.glob("requirements*.lock"):
        text = lock.read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text
        assert "index-url" not in text


@pytest.mark.parametrize(
    ("name", "struct"),
    [("miner", MinerConfig), ("proxy", ProxyConfig), ("solo", ProxyConfig)],
)
def test_the_examples_can_be_used(name: str, struct: type[msgspec.Struct]) -> None:
    load(struct, path=ROOT / "examples" / f"{name}.toml")


def test_every_event_that_operators_are_told_of_is_logged_somewhere() -> None:
    table = (ROOT / "docs/operations.md").read_text().split("## What is said")[1].split("\n## ")[0]
    named = {
        event
        for row in table.splitlines()
        if row.startswith("| `")
        for event in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    code = "".join(p.read_text() for name in PACKAGES for p in (ROOT / name).rglob("*.py"))
    assert len(named) > 10
    assert not {event for event in named if f'"{event}"' not in code}


def test_events_that_the_api_page_names_are_logged_somewhere() -> None:
    page = (ROOT / "docs/api.md").read_text()
    told = page.partition("Events that operators look for:")[2].partition("\n\n")[0]
    names = re.findall(r"`(\w+)`", told)
    source = "".join(p.read_text() for name in PACKAGES for p in (ROOT / name).rglob("*.py"))
    assert len(names) > 20
    assert [name for name in names if f'"{name}"' not in source] == []
