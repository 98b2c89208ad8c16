import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from miner.commands import mine

POOL = "stratum+tcp://127.0.0.1:1"
NODE = "bitcoind+http://127.0.0.1:18443"
MAINNET = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"  # BIP 173


def run(*args: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(mine, [*args, "--no-web"], env=env)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "nothing to mine on"),
        (["--user", "x"], "nothing to mine on"),
        (["--url", "startum+tcp://a:1", "--user", "x"], "startum+tcp"),
        (["--url", "no url at all", "--user", "x"], "no url at all"),
        (["--url", POOL], "needs a `user`"),
        (["--url", NODE], "needs an `address`"),
        (["--url", NODE, "--address", "bcrt1qqqq"], "bcrt1qqqq"),
        (["--url", NODE, "--address", MAINNET], MAINNET),
        (["--url", POOL, "--user", "x", "--kernel", "shiny"], "no kernel 'shiny'"),
        (["--url", POOL, "--user", "x", "--threads", "-1"], "threads = -1"),
        (["--url", POOL, "--user", "x", "--priority", "high"], 'priority = "high": expected'),
        (["--url", POOL, "--user", "x", "--pin", "first"], "pin = 'first': expected cores"),
        (["--url", POOL, "--user", "x", "--pin", "99999"], "may use the cores"),
        (["--url", POOL, "--user", "x", "--duty", "0"], "duty = 0"),
        (["--url", POOL, "--user", "x", "--duty", "101"], "duty = 101"),
        (["--url", POOL, "--user", "x", "--set", "thraeds=2"], "did you mean 'threads'"),
        (["--url", POOL, "--user", "x", "--set", "devices=toaster"], "toaster"),
        (["--url", POOL, "--user", "x", "--device", "toaster"], "toaster"),
        (["--url", POOL, "--user", "x", "--device", "python:7"], "no python:7"),
        (["--url", POOL, "--user", "x", "--device", "python", "--device", "gpu:99"], "gpu"),
        (["--url", POOL, "--user", "x", "--gpu-latency", "0"], "gpu_latency_ms = 0"),
        (["--url", POOL, "--user", "x", "--log-format", "xml"], "xml"),
        (["--url", POOL, "--user", "x", "--password-file", "/none"], "/none"),
        (["--config", "/no/such/file.toml"], "/no/such/file.toml"),
    ],
)
def test_bad_input_is_one_line_that_says_what_to_do(args: list[str], words: str) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.output


def test_an_unknown_option_is_refused() -> None:
    result = run("--ulr", POOL)
    assert result.exit_code == 2
    assert "--ulr" in result.stderr


def test_a_pool_that_cannot_be_reached_once_ends_with_69(tmp_path: Path) -> None:
    result = run(
        "--url", POOL, "--user", "x", "--once", "--threads", "1", "--state-dir", str(tmp_path)
    )
    assert result.exit_code == 69
    assert "127.0.0.1:1" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_settings_come_from_file_environment_and_flags(tmp_path: Path) -> None:
    file = tmp_path / "miner.toml"
    file.write_text(
        f'threads = 1\n[[upstreams]]\nurl = "{POOL}"\nuser = "of the file"\n[stop]\nonce = true\n'
    )
    assert run("--config", str(file)).exit_code == 69
    result = run("--config", str(file), env={"HEADFRAME_KERNEL": "shiny"})
    assert "no kernel 'shiny'" in result.stderr
    result = run("--config", str(file), "--user", "")
    assert "needs a `user`" in result.stderr, "a flag goes to the file's first upstream"


def test_a_url_on_the_command_line_gets_nothing_of_the_files_upstream(tmp_path: Path) -> None:
    file = tmp_path / "miner.toml"
    file.write_text(f'[[upstreams]]\nurl = "{POOL}"\nuser = "alice"\npassword = "secret"\n')
    result = run("--config", str(file), "--url", "stratum+tcp://127.0.0.1:2")
    assert result.exit_code == 2
    assert "127.0.0.1:2 needs a `user`" in result.stderr


def test_help_teaches_with_examples() -> None:
    result = CliRunner().invoke(mine, ["--help"])
    assert result.exit_code == 0
    assert "\n    headframe mine --url stratum+tcp://127.0.0.1:3333 --user rig1\n" in result.output


def test_it_can_be_run_as_a_module(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "miner", "--url", NODE, "--no-web"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: upstream bitcoind+http://127.0.0.1:18443 needs")
