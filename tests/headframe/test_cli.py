"""The command line itself; `tests/test_tables.py` walks the table of commands."""

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from headframe import __version__
from headframe.cli import main


def test_version_names_the_program() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.exit_code == 0
    assert result.output == f"headframe, version {__version__}\n"


def test_help_needs_no_program_to_be_imported() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from headframe.cli import main; "
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0; "
        "print([m for m in sys.modules if m.split('.')[0] in {'miner', 'proxy', 'aiohttp', 'pbk'}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_interrupt_while_a_command_is_loaded_is_told_by_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("raise KeyboardInterrupt  # as Ctrl-C does\n")
    code = "from headframe.cli import COMMANDS, main; COMMANDS['slow'] = ('slow:slow', ''); main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "slow"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
