import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from headframe.cli import main
from tests.fakes.sharelogging import LoggedHub


def audit(*args: object) -> Result:
    return CliRunner().invoke(main, ["audit", *(str(each) for each in args)])


@pytest.fixture
async def log(tmp_path: Path) -> Path:
    here = LoggedHub(tmp_path / "shares.jsonl")
    entry = here.job()
    for nonce in range(2500):
        here.share(entry, nonce=nonce)
    here.end()
    return tmp_path / "shares.jsonl"


async def test_a_sound_log_ends_with_0(log):
    done = audit(log)
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith("all agrees\n")
    assert "2500 shares (" in done.stdout


async def test_a_tampered_log_ends_with_1_and_names_the_line(log):
    lines = log.read_text().splitlines()
    place = next(at for at, line in enumerate(lines) if '"verdict":"accepted"' in line)
    lines[place] = lines[place].replace('"nonce":', '"nonce":1')
    log.write_text("\n".join(lines) + "\n")
    done = audit(log)
    assert done.exit_code == 1
    assert f"shares.jsonl:{place + 1}: the hash is" in done.stdout
    found = json.loads(audit("--json", log).stdout)
    assert found["differences"] == len(found["shown"]) >= 1


async def test_several_files_compressed_or_not_are_one_log(log):
    data = log.read_bytes().splitlines(keepends=True)
    packed = log.with_name("older.jsonl.gz")
    packed.write_bytes(gzip.compress(b"".join(data[:1000])))
    job = next(line for line in data if b'"kind":"job"' in line)
    log.write_bytes(job + b"".join(data[1000:]))
    assert audit(packed, log).exit_code == 0
    assert audit(log, packed).exit_code == 1, "in the wrong order"


async def test_many_differences_are_not_all_shown(log):
    log.write_text(log.read_text().replace('"nonce":', '"nonce":1'))
    done = audit(log)
    assert done.exit_code == 1
    assert "more\n" in done.stdout
    assert len(done.stdout.splitlines()) < 120


def test_what_cannot_be_read_is_told(tmp_path):
    packed = tmp_path / "cut.gz"
    packed.write_bytes(gzip.compress(b"x" * 1000)[:20])
    done = audit(packed)
    assert done.exit_code == 1
    assert "cannot be read" in done.stderr
    done = audit(tmp_path / "none")
    assert done.exit_code == 2
    assert "there is no such file" in done.stderr
