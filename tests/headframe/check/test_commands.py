import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.pool import FakePool
from tests.fakes.programs import headframe_argv

pytestmark = pytest.mark.system


@pytest.fixture
async def pool() -> AsyncIterator[FakePool]:
    async with FakePool() as running:
        running.new_block()
        yield running


def write(folder: Path, text: str, name: str = "miner.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


async def check(*args: object, **env: str) -> tuple[int | None, list[str]]:
    """Run the command; its exit code and its lines."""
    process = await asyncio.create_subprocess_exec(
        *headframe_argv("check", *map(str, args)),
        env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode().splitlines()


async def test_every_problem_is_told_with_file_line_key_and_nearest_name(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """thraeds = 2
pin = "0-x"
[web]
port = 70000
[[upstreams]]
url = "startum+tcp://u:hunter2@a:3333"
user = "x"
""",
    )
    code, lines = await check(path)
    assert code == 2
    assert lines == [
        f"{path}:1: no setting 'thraeds'; did you mean 'threads'?",
        f"{path}:2: pin = '0-x': expected cores such as 0-3,6, or all",
        f"{path}:4: web.port = 70000: expected a whole number at least 0 and at most 65535 or "
        "nothing",
        f"{path}:6: upstreams.0.url: url 'startum+tcp://***@a:3333': no scheme 'startum+tcp', "
        "there are stratum+tcp, stratum+ssl, bitcoind+http; did you mean stratum+tcp?",
        f"{path}: 4 problems (read as settings of headframe mine)",
    ]


async def test_good_files_are_good_and_a_note_is_no_problem(tmp_path: Path) -> None:
    good = write(tmp_path, "[[upstreams]]\nurl = 'stratum+tcp://a:1'\nuser = 'x'\n")
    empty = write(tmp_path, "", "empty.toml")
    code, lines = await check(good, empty)
    assert code == 0
    assert lines == [
        f"{good}: good (settings of headframe mine)",
        f"{empty}: note: upstreams: there is no [[upstreams]]: --url must name a pool or a node",
        f"{empty}: good (settings of headframe mine)",
    ]


async def test_one_bad_file_among_good_ones_fails(tmp_path: Path) -> None:
    code, lines = await check(tmp_path / "none.toml", write(tmp_path, "[[upstreams"))
    assert code == 2
    assert lines[0] == f"{tmp_path / 'none.toml'}: cannot be read: no such file or directory"
    assert lines[-2].startswith(f"{tmp_path / 'miner.toml'}:1: not valid TOML: ")
    assert lines[-1].endswith(": 1 problem (read as settings of headframe mine)")


async def test_the_kind_can_be_said_and_the_environment_counts(tmp_path: Path) -> None:
    path = write(tmp_path, "log_level = 'info'")
    code, lines = await check(path, "--kind", "node", HEADFRAME_LOG_LEVEL="loud", HEADFRAME_X="1")
    assert code == 2
    assert any(each.startswith("environment HEADFRAME_X: no setting 'x'") for each in lines)
    code, lines = await check(path, "--kind", "proxy", "--set", "web.prot=1")
    assert lines[0] == "--set: no setting 'web.prot'; did you mean 'web.port'?"


async def test_upstreams_are_asked_online(pool: FakePool, tmp_path: Path) -> None:
    works = f"[[upstreams]]\nurl = 'stratum+tcp://127.0.0.1:{pool.port}'\nuser = 'x'\n"
    path = write(tmp_path, works)
    code, lines = await check(path, "--online")
    assert code == 0, lines
    assert lines[1].startswith(f"{path}: upstreams.0 stratum+tcp://127.0.0.1:{pool.port}: works, ")
    assert " s: height 101, extranonce 4 bytes, " in lines[1]
    async with FakePool() as gone:
        url = f"stratum+tcp://127.0.0.1:{gone.port}"
    path = write(tmp_path, f"{works}[[upstreams]]\nurl = '{url}'\nuser = 'x'\n")
    code, lines = await check(path, "--online", "--timeout", "60")
    assert code == 69
    assert any(f"upstreams.1 {url}: does not work, " in each for each in lines)
    assert any("upstreams.0" in each and ": works, " in each for each in lines)


async def test_a_pool_that_leaves_too_little_room_for_rigs_does_not_work_for_a_proxy(
    tmp_path: Path,
) -> None:
    async with FakePool(size=2) as pool:
        pool.new_block()
        url = f"stratum+tcp://127.0.0.1:{pool.port}"
        path = write(tmp_path, f"[[upstreams]]\nurl = '{url}'\nuser = 'x'\n", "proxy.toml")
        code, lines = await check(path, "--online", "--set", f"state_dir={tmp_path}")
    assert code == 69
    assert "does not work" in lines[-1]
    assert "2 extranonce bytes" in lines[-1]
