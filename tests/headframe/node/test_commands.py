"""The command line: help that teaches, and one clear line for what cannot be."""

import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from headframe.node.commands import node

WITHOUT_KERNEL = """
import sys
sys.modules["pbk"] = None  # as on a Python for which there is no wheel
from headframe.node.commands import node
node(["--datadir", {folder!r}, "--rpc-port", "0"])
"""


def test_help_names_every_option_and_shows_how_to_begin() -> None:
    answer = CliRunner().invoke(node, ["--help"])
    assert answer.exit_code == 0
    for word in ("--datadir", "--rpc-port", "--listen", "--log-format", "curl", "headframe mine"):
        assert word in answer.output
    assert "\\b" not in answer.output


def test_an_unknown_setting_is_a_usage_error(tmp_path: Path) -> None:
    answer = CliRunner().invoke(node, ["--datadir", str(tmp_path), "--set", "rpc_prot=1"])
    assert answer.exit_code == 2
    assert "rpc_port" in answer.output


def test_a_port_out_of_range_is_a_usage_error(tmp_path: Path) -> None:
    answer = CliRunner().invoke(node, ["--datadir", str(tmp_path), "--rpc-port", "70000"])
    assert answer.exit_code == 2
    assert "70000" in answer.output
    assert not list(tmp_path.iterdir())


def test_importing_the_command_does_not_import_the_kernel() -> None:
    code = "import sys, headframe.node.commands; print('pbk' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"


def test_without_the_kernel_one_line_names_the_way_out(tmp_path: Path) -> None:
    code = WITHOUT_KERNEL.format(folder=str(tmp_path))
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    lines = [line for line in ended.stderr.splitlines() if line.strip()]
    assert len(lines) == 1
    assert lines[0].startswith("error: the embedded node needs libbitcoinkernel")
    assert "--node bitcoind" in lines[0]
