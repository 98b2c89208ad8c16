"""The words are those of cgminer's own table, as far as a miner without USB has a use for it."""

import re
import string

import pytest

from headframe import __version__
from miner.cgapi.codes import Code, status_row

OF_CGMINER = """
7 S %d Pool(s)
8 E No pools
11 S Summary
14 E Invalid command
15 E Missing device id parameter
22 S CGMiner versions
23 E Invalid JSON
24 E Missing JSON 'command'
25 E Missing pool id parameter
27 S Switching to pool %d:'%s'
33 S CGMiner config
45 E Access denied to '%s' command
46 S Privileged access OK
47 S Enabling pool %d:'%s'
48 S Disabling pool %d:'%s'
49 I Pool %d:'%s' already enabled
50 I Pool %d:'%s' already disabled
51 E Cannot disable last active pool %d:'%s'
52 E Missing addpool details
53 E Invalid addpool details '%s'
55 S Added pool %d: '%s'
59 S PGA count
60 S Notify
66 E Cannot remove last pool %d:'%s'
67 E Cannot remove active pool %d:'%s'
68 S Removed pool %d:'%s'
69 S Device Details
70 S CGMiner stats
71 E Missing check cmd
72 S Check command
73 S Changed pool priorities
74 E Duplicate pool specified %d
78 S CGMiner coin
104 S ASC count
106 S ASC%d
107 E Invalid ASC id %d - range is 0 - %d
125 S LCD
"""
"""Number, severity and words in the table `codes` of cgminer's api.c (4.11.1)."""


@pytest.mark.parametrize("line", OF_CGMINER.strip().splitlines())
def test_numbers_severities_and_words_are_cgminers(line: str) -> None:
    number, severity, words = line.split(" ", 2)
    code = next(each for each in Code if each.number == int(number))
    assert code.value == (int(number), severity, re.sub("%[ds]", "{}", words))


def test_no_number_stands_for_two_outcomes() -> None:
    assert len({code.number for code in Code}) == len(Code)


def test_a_status_has_the_fields_of_cgminers() -> None:
    assert status_row(Code.SUMMARY, (), 1_400_000_000) == {
        "STATUS": "S",
        "When": 1_400_000_000,
        "Code": 11,
        "Msg": "Summary",
        "Description": f"headframe {__version__}",
    }


def test_an_invalid_command_is_not_told_what_answers() -> None:
    assert "headframe" not in str(status_row(Code.INVALID_COMMAND, (), 1))


@pytest.mark.parametrize("code", Code, ids=lambda code: code.name)
def test_words_take_values_as_they_are(code: Code) -> None:
    places = sum(name is not None for _, name, _, _ in string.Formatter().parse(code.value[2]))
    message = status_row(code, ("{0} %s",) * places, 1)["Msg"]
    assert str(message).count("{0} %s") == places
