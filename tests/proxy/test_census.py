"""Rigs are counted in one walk, in parts."""

import itertools

from proxy.census import Census
from proxy.jobbook import JobBook
from proxy.rig import RigState
from proxy.slices import fit
from tests.fakes.crowd import Crowd
from tests.fakes.mining import JobMaker, PythonHasher


def count(census: Census, now: float) -> int:
    return sum(1 for _ in census.steps(now))


def test_each_rig_counts_once_for_its_worker_its_route_and_its_state() -> None:
    crowd = Crowd(140)
    now = crowd.clock.monotonic()
    census = Census(crowd)
    assert set(census.by_state.values()) == {0}
    count(census, now)
    assert sum(census.by_state.values()) == 140
    assert census.by_state["connecting"] == 10 + sum(
        each.rigs[0].state(now) is RigState.CONNECTING for each in crowd.guests if each.rigs
    )
    for state in ("silent", "invalid_only", "hashing"):
        assert census.by_state[state] == sum(
            each.rigs[0].state(now) == state for each in crowd.guests if each.rigs
        )
    one = crowd.guests[5]
    assert census.workers[one.user].rigs == 1
    assert census.workers[one.user].hps == one.rigs[0].hps(now)
    assert census.workers[""].rigs == 0, "those without a seat"
    rate = sum(each.rigs[0].hps(now) for each in crowd.guests if each.rigs)
    assert abs(sum(census.hps_by_route.values()) / rate - 1) < 1e-9
    assert set(census.hps_by_route) == {"default", "lease"}
    assert census.stopped_rolling == 0
    entry = JobBook(fit(8), itertools.count(1), PythonHasher()).add(JobMaker().make(), now)
    for rig in one.rigs:
        rig._entry = entry
        for version in (entry.job.version ^ 1 << 20, *[entry.job.version] * 50):
            rig.note_version(version)
    count(census, now)
    assert census.stopped_rolling == 1


def test_thousands_are_counted_a_few_at_a_time_and_told_when_all_are() -> None:
    crowd = Crowd(10_000)
    census = Census(crowd)
    steps = census.steps(crowd.clock.monotonic())
    for number, _ in enumerate(steps, start=1):
        if number == 3:
            del crowd.guests[:100]  # rigs leave while others have their turn
            break
    assert census.workers == {}, "the last whole count stands until the next one is"
    assert number + sum(1 for _ in steps) == 40
    assert sum(census.by_state.values()) == 10_000
    assert count(census, crowd.clock.monotonic()) == 39
    assert sum(census.by_state.values()) == 9_900
