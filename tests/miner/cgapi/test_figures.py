import dataclasses

import pytest
from msgspec.structs import replace

from headframe.upstream.base import SourceState
from headframe.upstream.options import StrategyName
from miner.cgapi.figures import condition_of, kind_of, number_of, url_of
from tests.fakes.cgminer import CPU, FIGURES, NODE, POOL, STATUS, views


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (SourceState.ACTIVE, "Alive"),
        (SourceState.DEGRADED, "Alive"),
        (SourceState.IDLE, "Alive"),
        (SourceState.CONNECTING, "Dead"),
        (SourceState.DOWN, "Dead"),
    ],
)
def test_a_pool_without_work_is_dead_unless_nobody_asked_it(state: SourceState, words: str) -> None:
    (view,) = views([replace(POOL, state=state)])
    assert condition_of(view) == words
    assert condition_of(dataclasses.replace(view, enabled=False)) == "Disabled"


def test_every_state_is_tried_above() -> None:
    assert len(SourceState) == 5


def test_a_pool_keeps_its_scheme_and_a_node_loses_it() -> None:
    assert url_of(POOL) == "stratum+tcp://pool.example:3333"
    assert url_of(replace(POOL, url="stratum+ssl://a:1")) == "stratum+ssl://a:1"
    assert url_of(NODE) == "127.0.0.1:18443"


@pytest.mark.parametrize(
    ("name", "kind", "number"),
    [("cpu:0", "CPU", 0), ("opencl:12", "OPENCL", 12), ("odd", "ODD", 0), ("odd:x", "ODD", 0)],
)
def test_a_device_is_told_by_kind_and_number(name: str, kind: str, number: int) -> None:
    device = replace(CPU, name=name)
    assert (kind_of(device), number_of(device)) == (kind, number)


def test_the_average_is_over_the_whole_time() -> None:
    figures = dataclasses.replace(FIGURES, status=replace(STATUS, hashes=500, uptime_seconds=10.0))
    assert figures.average_hps == 50
    new = dataclasses.replace(FIGURES, status=replace(STATUS, uptime_seconds=0.0))
    assert new.average_hps == 0


def test_nonces_are_counted_over_all_devices() -> None:
    assert (FIGURES.wrong, FIGURES.solutions) == (5, 40)


def test_every_strategy_has_a_name() -> None:
    names = {dataclasses.replace(FIGURES, strategy=each).strategy_name for each in StrategyName}
    assert names == {"Failover", "Rotate", "Load Balance"}


def test_a_share_of_the_first_difficulty_counts_one() -> None:
    assert FIGURES.difficulty_accepted == pytest.approx(6)
