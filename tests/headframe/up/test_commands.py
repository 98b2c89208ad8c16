"""The command line of `headframe up`."""

from click.testing import CliRunner

from headframe.up.commands import up


def test_an_option_out_of_range_is_a_usage_error() -> None:
    result = CliRunner().invoke(up, ["--threads", "0"])
    assert result.exit_code == 2
    assert "--threads" in result.output
