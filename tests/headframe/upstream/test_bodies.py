"""Ends of blocks on disk: named by what they hold, few, and gone when nobody needs them."""

import os
from hashlib import sha256
from pathlib import Path

import pytest

from headframe.upstream.bodies import KEPT, Bodies

NOW = 1_700_000_000


def opened(folder: Path) -> Bodies:
    return Bodies(folder, wall=lambda: NOW)


def test_what_is_kept_is_there_for_another_process(tmp_path: Path) -> None:
    bodies = opened(tmp_path / "deep" / "bodies")
    name = bodies.keep(b"transactions")
    assert name == sha256(b"transactions").hexdigest()
    assert bodies.holds(name)
    assert not bodies.holds("")
    other = opened(tmp_path / "deep" / "bodies")
    assert other.read(name) == b"transactions"
    assert [path.name for path in (tmp_path / "deep" / "bodies").iterdir()] == [name]


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    bodies = opened(tmp_path)
    names = [bodies.keep(bytes([number])) for number in range(KEPT)]
    bodies.keep(bytes([0]))  # used again: not the oldest any more
    names.append(bodies.keep(b"one more"))
    assert bodies.holds(names[0])
    assert not bodies.holds(names[1])
    assert len([*tmp_path.iterdir()]) == KEPT
    with pytest.raises(FileNotFoundError):
        bodies.read(names[1])


def test_a_damaged_one_is_not_taken_for_what_it_was(tmp_path: Path) -> None:
    bodies = opened(tmp_path)
    name = bodies.keep(b"transactions")
    (tmp_path / name).write_bytes(b"transactionz")
    with pytest.raises(ValueError, match="is damaged"):
        bodies.read(name)


def test_what_processes_long_gone_have_left_is_removed(tmp_path: Path) -> None:
    for name, age in (("old", 86_401), ("new", 86_399)):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (NOW - age, NOW - age))
    name = opened(tmp_path).keep(b"transactions")
    assert {path.name for path in tmp_path.iterdir()} == {"new", name}
