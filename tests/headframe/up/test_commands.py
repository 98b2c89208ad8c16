"""The command line of `headframe up`."""

from click.testing import CliRunner

from headframe.up.commands import up


def test_an_option_out_of_range_is_a_usage_error() -> None:
    result = CliRunner().invoke(up, ["--threads", "0"])
    assert result.exit_code == 2
    assert "--threads" in result.output


def test_transactions_are_for_the_embedded_node_alone() -> None:
    result = CliRunner().invoke(up, ["--tx-rate", "5", "--network", "signet"])
    assert result.exit_code == 2
    assert "--tx-rate is for the embedded node" in result.output
