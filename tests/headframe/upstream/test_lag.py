"""Which of several sources still builds on a block that another has left behind."""

import itertools
from dataclasses import replace

import pytest

from headframe.chain.coinbase import height_in
from headframe.chain.job import Job, JobId, SourceId, SplitCoinbase
from headframe.upstream.lag import Lags
from tests.fakes.source import make_job

A, B, C = SourceId("a"), SourceId("b"), SourceId("c")
IDS = itertools.count(1)
NBITS = 0x1D00FFFF


def work(height: int | None, prev: str, nbits: int = NBITS) -> Job:
    """A job for a block of that height upon a block of that name."""
    push = b"" if height is None else b"\x03" + height.to_bytes(3, "little")  # BIP 34
    prefix = bytes.fromhex("0100000001" + "00" * 32 + "ffffffff20") + push
    commitment = make_job().commitment
    assert isinstance(commitment, SplitCoinbase)
    assert height_in(prefix) == height
    return replace(
        make_job(),
        id=JobId(next(IDS)),
        prev_hash=prev.encode().ljust(32, b"\0"),
        nbits=nbits,
        commitment=replace(commitment, prefix=prefix),
    )


def until(lags: Lags) -> float | None:
    return lags.until


def test_who_stays_on_a_block_that_another_has_left_lags_after_a_while() -> None:
    lags = Lags()
    old = work(800_001, "x")
    assert lags.look({A: old, B: work(800_001, "x")}, 0.0, 60) == {}
    assert until(lags) is None
    ahead = work(800_002, "y")
    assert lags.look({A: old, B: ahead}, 10.0, 60) == {}
    assert until(lags) == 70.0
    again = work(800_001, "x")  # jobs go on coming
    assert lags.look({A: again, B: work(800_003, "z")}, 69.0, 60) == {}
    late = lags.look({A: again, B: work(800_003, "z")}, 70.0, 60)
    assert late == {
        A: "a is behind: its work is for block 800001, that of b for 800003; it is used again "
        "when it has caught up"
    }
    assert until(lags) is None
    assert lags.look({A: work(800_003, "z"), B: work(800_003, "z")}, 71.0, 60) == {}
    assert lags.look({A: work(800_003, "z"), B: work(800_004, "u")}, 72.0, 60) == {}
    assert until(lags) == 132.0, "it begins anew"


def test_who_comes_with_old_work_lags_when_it_is_two_blocks_behind() -> None:
    lags = Lags()
    one = {A: work(800_001, "x"), B: work(800_002, "y")}
    assert lags.look(one, 0.0, 60) == {}
    assert until(lags) is None, "one block ahead, and nobody knows on what"
    two = {A: work(800_001, "x"), B: work(800_003, "z")}
    assert lags.look(two, 1.0, 60) == {}
    assert until(lags) == 61.0
    assert list(lags.look(two, 61.0, 60)) == [A]


@pytest.mark.parametrize(
    "others",
    [
        {B: work(900_000, "other chain", 0x1B00FFFF)},
        {B: work(800_001, "sibling of x")},
        {B: work(None, "y")},
        {B: None},
        {},
    ],
)
def test_who_cannot_be_compared_or_is_not_behind_does_not_lag(
    others: dict[SourceId, Job | None],
) -> None:
    lags, jobs = Lags(), {A: work(800_001, "x"), **others}
    for now in (0.0, 1000.0):
        assert lags.look(jobs, now, 60) == {}


def test_a_reorganisation_to_a_sibling_is_no_lag() -> None:
    lags, mine = Lags(), work(800_001, "x")
    lags.look({A: mine, B: work(800_001, "x")}, 0.0, 60)
    jobs = {A: mine, B: work(800_001, "x'")}
    assert [lags.look(jobs, now, 60) for now in (1.0, 100.0)] == [{}, {}]


def test_when_the_one_ahead_is_gone_nobody_lags() -> None:
    lags = Lags()
    jobs: dict[SourceId, Job | None] = {
        A: work(800_001, "x"),
        B: work(800_003, "z"),
        C: work(800_003, "z"),
    }
    lags.look(jobs, 0.0, 60)
    assert list(lags.look(jobs, 60.0, 60)) == [A]
    assert list(lags.look({**jobs, B: None}, 61.0, 60)) == [A], "there is another one"
    assert lags.look({A: jobs[A]}, 62.0, 60) == {}
    assert lags.look(jobs, 63.0, 60) == {}, "that begins anew"
    assert lags.look({**jobs, A: None}, 123.0, 60) == {}


def test_without_a_limit_nobody_lags() -> None:
    lags, jobs = Lags(), {A: work(800_001, "x"), B: work(800_009, "z")}
    assert [lags.look(jobs, now, 0) for now in (0.0, 1e9)] == [{}, {}]
    assert until(lags) is None
