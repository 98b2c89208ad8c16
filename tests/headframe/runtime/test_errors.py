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
