import subprocess
import sys


def test_a_process_that_logs_has_no_rich_in_memory_and_may_still_import_it():
    code = (
        "import sys, headframe.runtime.logs; assert 'rich' not in sys.modules; "
        "from rich.console import Console; Console(file=sys.stdout).print('here')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "here\n"
