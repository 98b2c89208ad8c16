"""A file of lines: appended by several, begun anew, and cut short by full disks."""

import resource
import stat
from pathlib import Path

import pytest

from headframe.upstream.journal_file import LineFile, sync_folder


def test_lines_of_several_writers_follow_each_other(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lines"
    one, two = LineFile(path), LineFile(path)
    one.append(b"a\n")
    two.append(b"b\n")
    one.append(b"c\n")
    one.sync()
    one.sync()
    assert path.read_bytes() == b"a\nb\nc\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_begun_anew_has_the_new_lines_and_the_old_one_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    file = LineFile(path)
    for line in (b"a\n", b"b\n"):
        file.append(line)
    for kept in (b"b\n", b"c\n"):  # the old file is replaced, too
        with file.begun_anew() as lines:
            lines += [kept]
    assert path.read_bytes() == b"c\n"
    assert path.with_name("lines.old").read_bytes() == b"b\n"
    file.append(b"d\n")
    assert path.read_bytes() == b"c\nd\n"


def test_after_a_write_that_was_cut_short_a_line_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    file = LineFile(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            file.append(b"0123456789\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert file.broken_end
    file.append(b"whole\n")
    assert path.read_bytes() == b"012345\nwhole\n"
    assert not file.broken_end


def test_what_is_not_there_cannot_be_waited_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LineFile(tmp_path / "none").sync()
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "none")
