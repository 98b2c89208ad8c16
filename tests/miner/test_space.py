from dataclasses import replace
from itertools import islice, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headframe.chain.job import BIP320_MASK, Job, JobId, Slice
from headframe.chain.share import header_of
from headframe.chain.target import DIFFICULTY_1
from miner.devices.base import Work
from miner.space import MAX_AHEAD_SECONDS, Dry, SearchSpace, join, slices
from tests.fakes.source import make_job

NOW = 1_700_000_000
masks = st.one_of(
    st.sampled_from([0, BIP320_MASK, 0x1FFFFFE0, 0x2000, 0x6000, 0xE000]),
    st.integers(0, 0x1FFFFFFF),
)
sizes = st.sampled_from([0, 1, 2, 4, 8])


def works_of(space: SearchSpace, now: int = NOW, most: int = 300) -> list[Work]:
    works: list[Work] = []
    while len(works) < most:
        work = space.next(now)
        if isinstance(work, Dry):
            break
        works.append(work)
    return works


def headers_of(works: list[Work]) -> list[bytes]:
    return [header_of(w.job, w.share(i, 0)) for w in works for i in range(len(w.versions))]


@given(sizes, masks, st.sampled_from([1, 4]))
def test_no_header_is_handed_out_twice(size: int, mask: int, versions: int) -> None:
    headers = headers_of(works_of(SearchSpace(make_job(size=size, mask=mask), versions=versions)))
    assert headers
    assert len(set(headers)) == len(headers)


@given(sizes, masks, st.sampled_from([1, 4]), st.integers(NOW - 100, NOW + 8000))
def test_no_work_leaves_the_mask_or_the_time_bounds(
    size: int, mask: int, versions: int, now: int
) -> None:
    job = make_job(size=size, mask=mask)
    for work in works_of(SearchSpace(job, versions=versions), now):
        assert len(work.extranonce) == size
        assert all((version ^ job.version) & ~mask == 0 for version in work.versions)
        assert job.ntime_min <= work.ntime <= job.ntime_max
        assert work.ntime <= max(job.ntime, now + MAX_AHEAD_SECONDS)


@given(sizes, masks, st.integers(1, 300), st.data())
def test_slices_are_disjoint(size: int, mask: int, count: int, data: st.DataObject) -> None:
    job = make_job(size=size, mask=mask)
    parts = slices(job, count)
    assert 1 <= len(parts) <= count
    first, second = data.draw(st.tuples(*[st.integers(0, len(parts) - 1)] * 2))
    if first != second:
        mine, theirs = (
            headers_of(works_of(SearchSpace(job, parts[i]), most=64)) for i in (first, second)
        )
        assert not set(mine) & set(theirs)


@given(sizes, masks, st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 4]))
def test_works_of_a_slice_are_the_narrowed_jobs_widened(
    size: int, mask: int, devices: int, threads: int, versions: int
) -> None:
    job = make_job(size=size, mask=mask)
    outer = slices(job, devices)[-1]
    device_job = job.narrow(outer, target=job.target, id=JobId(job.id + 1))
    inner = slices(device_job, threads)[-1]
    thread_job = device_job.narrow(inner, target=job.target, id=JobId(job.id + 2))
    slice_ = join(outer, inner)
    wide = works_of(SearchSpace(job, slice_, versions=versions), most=20)
    narrow = works_of(SearchSpace(thread_job, versions=versions), most=20)
    assert headers_of(wide) == headers_of(narrow)
    for w, n in zip(wide, narrow, strict=True):
        assert w.share(0, 5) == n.share(0, 5).widen(slice_, job_id=job.id)


def test_a_small_space_is_searched_completely_and_in_order() -> None:
    job = make_job(size=1, mask=0x6000)
    space = SearchSpace(job, versions=1)
    works = works_of(space, most=256 * 4)
    expected = product([0, 0x2000, 0x4000, 0x6000], range(256))
    assert [(w.versions[0] & 0x6000, w.extranonce[0]) for w in works] == list(expected)
    assert {w.ntime for w in works} == {job.ntime}
    following = space.next(NOW)
    assert isinstance(following, Work)
    assert following.ntime == job.ntime + 1


def test_four_versions_go_together_where_the_mask_has_two_bits() -> None:
    space = SearchSpace(make_job(mask=0xE000), versions=4)
    work = space.next(NOW)
    assert isinstance(work, Work)
    assert [v & 0xE000 for v in work.versions] == [0, 0x2000, 0x4000, 0x6000]
    assert space.group == 4


@pytest.mark.parametrize("mask", [0, 0x2000])
def test_versions_go_singly_where_the_mask_has_not_two_bits(mask: int) -> None:
    space = SearchSpace(make_job(mask=mask), versions=4)
    assert space.group == 1


def test_without_any_room_there_is_a_header_a_second_up_to_a_minute_ahead() -> None:
    space = SearchSpace(make_job(size=0, mask=0))
    works = works_of(space, NOW)
    assert [w.ntime - NOW for w in works] == list(range(MAX_AHEAD_SECONDS + 1))
    assert space.next(NOW) == Dry(until=NOW + 1)
    later = space.next(NOW + 1)
    assert isinstance(later, Work)
    assert later.ntime == NOW + 1 + MAX_AHEAD_SECONDS


def test_past_the_jobs_last_second_only_another_job_helps() -> None:
    space = SearchSpace(make_job(size=0, mask=0, ntime_max=NOW + 2))
    assert len(works_of(space, NOW + 100)) == 3
    assert space.next(NOW + 100) == Dry(until=None)


def test_time_ends_with_its_32_bits() -> None:
    last = 0xFFFFFFFF
    job = make_job(size=0, mask=0, ntime=last, ntime_max=last + 10, ntime_min=last)
    space = SearchSpace(job)
    assert len(works_of(space, last + 100)) == 1
    assert space.next(last + 100) == Dry(until=None)


def test_a_jobs_own_time_is_used_even_when_our_clock_is_years_behind() -> None:
    assert len(works_of(SearchSpace(make_job()), now=0, most=3)) == 3


@given(sizes, masks, st.integers(0, 50))
def test_the_same_job_told_again_goes_on_where_it_was(size: int, mask: int, done: int) -> None:
    job = make_job(size=size, mask=mask)
    before = SearchSpace(job, versions=4)
    seen = headers_of(works_of(before, most=done))
    again = SearchSpace(replace(job, id=JobId(job.id + 1), target=DIFFICULTY_1), versions=4)
    again.follow(before)
    assert not set(seen) & set(headers_of(works_of(again, most=50)))


def test_with_another_mask_the_extranonce_goes_on() -> None:
    job = make_job(size=2, mask=0xE000)
    before = SearchSpace(job, versions=4)
    seen = headers_of(works_of(before, most=100))
    again = SearchSpace(replace(job, version_mask=0x6000), versions=4)
    again.follow(before)
    assert not set(seen) & set(headers_of(works_of(again, most=100)))


def test_another_job_starts_from_the_beginning() -> None:
    before = SearchSpace(make_job())
    works_of(before, most=10)
    again = SearchSpace(make_job(prev_hash=b"\x08" * 32))
    again.follow(before)
    work = again.next(NOW)
    assert isinstance(work, Work)
    assert work.extranonce == bytes(8)


@pytest.mark.parametrize(
    ("size", "count", "prefix"),
    [(8, 1, 0), (8, 2, 1), (1, 256, 1), (8, 257, 2), (2, 65536, 2)],
)
def test_prefixes_have_the_fewest_bytes(size: int, count: int, prefix: int) -> None:
    parts = slices(make_job(size=size), count)
    assert len(parts) == count
    assert {len(p.prefix) for p in islice(parts, 300)} == {prefix}
    assert not any(p.version_taken for p in parts)


def test_version_bits_are_split_from_the_top_and_leave_two_to_each() -> None:
    parts = slices(make_job(size=0, mask=0x1E000), 4)
    assert [p.version_taken for p in parts] == [0x18000] * 4
    assert {p.version_fixed for p in parts} == {0, 0x8000, 0x10000, 0x18000}
    assert all(SearchSpace(make_job(size=0, mask=0x1E000), p, versions=4).group == 4 for p in parts)


@pytest.mark.parametrize(("mask", "room"), [(0, 1), (0x2000, 2), (0x6000, 4)])
def test_with_too_little_room_the_rest_gets_nothing(mask: int, room: int) -> None:
    assert len(slices(make_job(size=0, mask=mask), 8)) == room


def test_a_job_is_split_among_one_or_more() -> None:
    with pytest.raises(ValueError, match="not 0"):
        slices(make_job(), 0)


@pytest.mark.parametrize(
    ("job", "slice_", "words"),
    [
        (make_job(size=1), Slice(prefix=b"ab"), "2 bytes does not fit in 1"),
        (make_job(mask=0x2000), Slice(version_taken=0x4000), "outside the mask"),
    ],
)
def test_a_slice_that_does_not_fit_is_refused(job: Job, slice_: Slice, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SearchSpace(job, slice_)
