"""Walks every table that things are added to; a row that is not complete fails here."""

import importlib

import click
import pytest
from click.testing import CliRunner

from headframe import cli
from headframe.chain.share import Reason


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_command_loads_and_teaches(name: str) -> None:
    result = CliRunner().invoke(cli.main, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output
    assert len(result.output.splitlines()) > 10, "help that teaches says more than this"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_command_is_a_click_command_of_that_name(name: str) -> None:
    module, _, attribute = cli.COMMANDS[name][0].partition(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name


def test_help_lists_every_command_without_importing_one() -> None:
    result = CliRunner().invoke(cli.main, ["--help"])
    assert result.exit_code == 0
    for name, (_, about) in cli.COMMANDS.items():
        assert name in result.output
        assert about.split(",", maxsplit=1)[0] in result.output


def test_an_unknown_command_is_one_clear_error() -> None:
    result = CliRunner().invoke(cli.main, ["mien"])
    assert result.exit_code == 2
    assert "No such command 'mien'" in result.output


def test_every_reason_has_a_code_and_text_on_sv1() -> None:
    codes = importlib.import_module("headframe.stratum.sv1.codes")
    assert set(codes.CODES) == set(Reason)


def test_every_url_scheme_makes_a_source() -> None:
    settings = importlib.import_module("headframe.upstream.settings")
    assert {"stratum+tcp", "bitcoind+http"} <= set(settings.SCHEMES)
