"""Walks the table: each row has its source, fits what it is for, and can be served."""

import re

import pytest

from headframe.chain.target import target_from_difficulty
from headframe.stratum.numbers import Numbers
from proxy.quirks import PLAIN, QUIRKS, Quirk, page, traits_of
from proxy.slices import fit

AGENTS = {
    "nerdminer": ("NerdMinerV2/1.8.3", "NerdMiner"),
    "cpuminer": ("cpuminer/2.5.1",),
    "cpuminer-opt": ("cpuminer-opt-25.3-x64L",),
    "cgminer": ("cgminer/4.12.1", "cgminer 4.10"),
    "cgminer-4.9": ("cgminer/4.9.2",),
    "avalon": ("cgminer/4.11.1", "Canaan Avalon 1246"),
    "bfgminer": ("bfgminer/5.5.0",),
    "whatsminer": ("whatsminer/v1.0", "btminer/3.4"),
    "antminer": ("Antminer S19/Tue Oct 4", "bmminer/2.0", "Antminer"),
    "antminer-s21": ("Antminer S21/Thu Oct 9",),
    "bosminer": (
        "2024-07-12-0-fc9fe388-24.06-plus;bosminer-plus-tuner 0.9.0",
        "bosminer/23.08",
    ),
    "closed-firmware": ("Antminer S21/Thu Oct 9", "whatsminer/v1.1"),
    "esp-miner": ("bitaxe/BM1370/v2.9.0", "NerdQAxe++/BM1370/v1.0.35", "NMAxe/v2.5.10"),
    "apollo": ("apollo", "futurebit-miner-v2"),
    "epic-vnish": ("PowerPlay-BM/1.0", "xminer-1.2.7"),
    "nicehash": ("NiceHash/1.0.0",),
    "ckpool": ("ckproxy/0.9",),
}
"""What such rigs call themselves."""
ROWS = pytest.mark.parametrize("row", QUIRKS, ids=lambda row: row.name)


def test_every_row_has_an_example_and_a_name_of_its_own() -> None:
    assert sorted(AGENTS) == sorted(row.name for row in QUIRKS)


@ROWS
def test_a_row_fits_the_rigs_that_it_is_for(row: Quirk) -> None:
    for agent in AGENTS[row.name]:
        assert row in traits_of(agent).rows
        assert row in traits_of(agent.upper()).rows


@ROWS
def test_a_row_says_who_says_so(row: Quirk) -> None:
    assert row.sources
    for source in row.sources:
        assert re.fullmatch(r"[\w-]+/[\w.-]+(#\d+|: [\w/.]+)", source)
    assert row.about.endswith(".")


@ROWS
def test_a_row_changes_something(row: Quirk) -> None:
    plain = Quirk(name="", agent="", about="", sources=())
    fields = ("extranonce1", "extranonce2", "login", "numbers", "clean", "coinbase", "least")
    assert any(getattr(row, name) != getattr(plain, name) for name in fields)


@ROWS
def test_the_layouts_we_choose_suit_every_row(row: Quirk) -> None:
    """Whatever room an upstream leaves: no setting is needed for any firmware."""
    for free in range(3, 33):
        layout = fit(free)
        told = traits_of(AGENTS[row.name][0]).problems(
            slice_size=layout.slice_size, size=layout.rollable, coinbase=0, user="rig"
        )
        assert list(told) == []


@ROWS
def test_a_rig_is_told_what_it_cannot_do_here(row: Quirk) -> None:
    traits = traits_of(AGENTS[row.name][0])
    told = list(traits.problems(slice_size=40, size=200, coinbase=20_000, user="u" * 200))
    assert f"{row.name} takes no extranonce1 of 40 bytes" in told
    ours = f"{row.name} takes no extranonce2 of 200 bytes: change extranonce.rollable"
    assert (ours in told) is (200 not in row.extranonce2)
    if row.coinbase:
        assert any("the coinbase has 20000 bytes" in line for line in told)
    if row.login:
        assert f"its name has 200 characters, such rigs cut off at {traits.login}" in told


@pytest.mark.parametrize("agent", ["", "headframe/1.0", "sgminer/5", "a nerdminer", "mybitaxe"])
def test_others_are_plain(agent: str) -> None:
    assert traits_of(agent) is PLAIN
    assert list(PLAIN.problems(slice_size=2, size=4, coinbase=20_000, user="u" * 200)) == []


def test_rows_that_fit_together_count_together() -> None:
    s21 = traits_of("Antminer S21/x")
    assert s21.names == ("antminer-s21", "closed-firmware")
    assert (s21.coinbase, s21.numbers) == (2250, Numbers.POWER_OF_TWO)
    old = traits_of("cgminer/4.9.2")
    assert (old.names, old.numbers) == (("cgminer", "cgminer-4.9"), Numbers.WHOLE)


def test_the_hardest_least_difficulty_is_that_of_rented_rigs() -> None:
    least = traits_of("NiceHash/1.0.0").least
    assert target_from_difficulty(least) < target_from_difficulty(500_000)


def test_the_page_has_a_line_for_each_row() -> None:
    lines = page().splitlines()
    cells = {len(re.findall(r"(?<!\\)\|", line)) for line in lines if line.startswith("|")}
    assert cells == {10}
    for row in QUIRKS:
        [line] = [line for line in lines if line.startswith(f"| `{row.name}` |")]
        assert row.about in line
        assert all(source.partition(": ")[0] in line for source in row.sources)
