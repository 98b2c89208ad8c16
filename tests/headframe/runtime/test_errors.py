import re
from pathlib import Path

import pytest

from headframe.runtime import errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.HeadframeError, 1),
        (errors.ConfigError, 2),
        (errors.DialError, 69),
        (errors.ListenError, 2),
        (errors.PortInUseError, 2),
    ],
)
def test_each_error_has_the_exit_code_of_the_design(error: type[errors.HeadframeError], code: int):
    assert issubclass(error, errors.HeadframeError)
    assert error.exit_code == code


def test_interrupted_is_what_shells_report_for_sigint():
    assert errors.EXIT_INTERRUPTED == 128 + 2


def test_the_operators_page_tells_of_every_exit_code_and_no_other():
    page = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
    table = page.split("## Exit codes")[1].split("\n\n")[0]
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert told == {getattr(errors, name) for name in errors.__all__ if name.startswith("EXIT_")}
