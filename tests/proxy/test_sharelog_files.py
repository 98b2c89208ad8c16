import gzip
from pathlib import Path

import pytest

from proxy.sharelog_files import LogFiles, Rotation

NOW = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_lines_are_added_to_a_file_for_its_owner_alone(tmp_path: Path):
    path = tmp_path / "deep" / "shares.jsonl"
    for line in (b"one\n", b"two\n"):
        files = LogFiles(path, Rotation())
        files.open(NOW)
        files.open(NOW)
        assert files.write(line) == 4
        files.close()
    assert path.read_bytes() == b"one\ntwo\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_that_was_cut_short_is_ended(tmp_path: Path):
    path = tmp_path / "shares.jsonl"
    path.write_bytes(b'{"kind":"sha')
    files = LogFiles(path, Rotation())
    files.open(NOW)
    files.write(b"{}\n")
    files.close()
    assert path.read_bytes() == b'{"kind":"sha\n{}\n'


def test_a_large_file_is_put_aside_and_compressed(tmp_path: Path):
    files = LogFiles(tmp_path / "shares.jsonl", Rotation(largest_bytes=8))
    files.open(NOW)
    assert not files.is_due(NOW)
    for number in range(3):
        files.write(b"1234\n5%d\n" % number)
        assert files.is_due(NOW)
        files.put_aside(NOW)
    files.write(b"new\n")
    files.close()
    aside = [f"shares-20231114T22132{second}Z.jsonl.gz" for second in (0, 1, 2)]
    assert names(tmp_path) == [*aside, "shares.jsonl"]
    for number, name in enumerate(aside):  # the oldest has the first name, so a glob is in order
        assert gzip.decompress((tmp_path / name).read_bytes()) == b"1234\n5%d\n" % number
    assert (tmp_path / aside[0]).stat().st_mode & 0o777 == 0o600


def test_an_old_file_is_put_aside_even_by_a_later_run(tmp_path: Path):
    path = tmp_path / "shares.jsonl"
    rotation = Rotation(longest_seconds=100, compress=False)
    files = LogFiles(path, rotation)
    files.open(NOW)
    assert not files.is_due(NOW + 1000), "an empty one stays"
    files.write(b'{"kind":"run","time_ms":%d}\n' % (NOW * 1000))
    files.close()
    files = LogFiles(path, rotation)
    files.open(NOW + 50)
    assert not files.is_due(NOW + 99)
    assert files.is_due(NOW + 100)
    files.put_aside(NOW + 100)
    files.close()
    assert names(tmp_path) == ["shares-20231114T221500Z.jsonl", "shares.jsonl"]


def test_only_so_many_are_kept(tmp_path: Path):
    (tmp_path / "shares-not-ours.txt").write_text("mine")
    files = LogFiles(tmp_path / "shares.jsonl", Rotation(keep=2, compress=False))
    files.open(NOW)
    for day in range(4):
        files.write(b"x\n")
        files.put_aside(NOW + 86400 * day)
    files.close()
    assert names(tmp_path) == [
        "shares-20231116T221320Z.jsonl",
        "shares-20231117T221320Z.jsonl",
        "shares-not-ours.txt",
        "shares.jsonl",
    ]


def test_a_disk_that_cannot_take_the_compressed_file_keeps_the_plain_one(tmp_path: Path):
    files = LogFiles(tmp_path / "shares.jsonl", Rotation())
    files.open(NOW)
    files.write(b"x\n")
    part = tmp_path / "shares-20231114T221320Z.jsonl.gz.part"
    part.mkdir()
    files.put_aside(NOW)
    files.close()
    assert (tmp_path / "shares-20231114T221320Z.jsonl").read_bytes() == b"x\n"


def test_a_folder_that_cannot_be_is_an_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        LogFiles(tmp_path / "file" / "shares.jsonl", Rotation()).open(NOW)
