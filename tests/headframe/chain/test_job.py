from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.job import (
    BIP320_MASK,
    FixedRoot,
    Job,
    JobId,
    Lineage,
    Slice,
    SourceId,
    SplitCoinbase,
)
from headframe.chain.share import Share, header_of, proof_of
from headframe.chain.target import MAX_TARGET, Target

SPLIT = SplitCoinbase(prefix=b"before", suffix=b"after", path=(b"\x11" * 32,), extranonce_size=8)
JOB = Job(
    id=JobId(1),
    source=SourceId("pool"),
    version=0x20000000,
    version_mask=BIP320_MASK,
    prev_hash=bytes(range(32)),
    nbits=0x207FFFFF,
    ntime=1_700_000_000,
    ntime_min=1_699_999_000,
    ntime_max=1_700_007_000,
    commitment=SPLIT,
    target=Target(1000),
    block_target=Target(10),
    epoch=3,
    generation=2,
)

U32 = st.integers(0, 2**32 - 1)
HASH = st.binary(min_size=32, max_size=32)


@st.composite
def split_jobs(draw):
    """A job with a coinbase that is open for 0 to 16 bytes."""
    commitment = SplitCoinbase(
        prefix=draw(st.binary(max_size=60)),
        suffix=draw(st.binary(max_size=60)),
        path=tuple(draw(st.lists(HASH, max_size=4))),
        extranonce_size=draw(st.integers(0, 16)),
    )
    mask = draw(U32)
    return replace(
        JOB,
        version=draw(U32) & ~mask,
        version_mask=mask,
        prev_hash=draw(HASH),
        commitment=commitment,
    )


@st.composite
def narrowings(draw):
    """A job, a slice that it can give away, and a share of what its owner sees."""
    job = draw(split_jobs())
    prefix = draw(st.binary(max_size=job.extranonce_size))
    taken = draw(U32) & job.version_mask
    slice_ = Slice(prefix=prefix, version_taken=taken, version_fixed=draw(U32) & taken)
    narrow = job.narrow(slice_, target=Target(5), id=JobId(2))
    size = narrow.extranonce_size
    share = Share(
        job_id=narrow.id,
        extranonce=draw(st.binary(min_size=size, max_size=size)),
        ntime=draw(U32),
        nonce=draw(U32),
        version=narrow.version | (draw(U32) & narrow.version_mask),
    )
    return job, slice_, narrow, share


@settings(max_examples=150, deadline=None)
@given(narrowings())
def test_a_share_of_a_slice_proves_the_same_to_the_whole_job(case):
    job, slice_, narrow, share = case
    wide = share.widen(slice_, job_id=job.id)
    assert header_of(narrow, share) == header_of(job, wide)
    assert proof_of(narrow, share) == proof_of(job, wide)
    assert wide.job_id == job.id
    assert (wide.version ^ job.version) & ~job.version_mask == 0
    assert wide.version & slice_.version_taken == slice_.version_fixed


@settings(max_examples=80, deadline=None)
@given(narrowings(), st.data())
def test_slices_nest(case, data):
    job, outer, narrow, _ = case
    inner = Slice(prefix=data.draw(st.binary(max_size=narrow.extranonce_size)))
    narrower = narrow.narrow(inner, target=Target(1), id=JobId(3))
    size = narrower.extranonce_size
    extranonce = data.draw(st.binary(min_size=size, max_size=size))
    share = Share(
        job_id=narrower.id, extranonce=extranonce, ntime=1, nonce=2, version=narrower.version
    )
    wide = share.widen(inner, job_id=narrow.id).widen(outer, job_id=job.id)
    assert proof_of(narrower, share) == proof_of(job, wide)
    assert len(wide.extranonce) == job.extranonce_size


@settings(max_examples=80, deadline=None)
@given(split_jobs(), st.data())
def test_a_job_with_its_extranonce_chosen_has_the_same_root(job, data):
    size = job.extranonce_size
    extranonce = data.draw(st.binary(min_size=size, max_size=size))
    fixed = job.fix(extranonce)
    assert isinstance(fixed.commitment, FixedRoot)
    assert fixed.commitment.root(b"") == job.commitment.root(extranonce)
    assert replace(fixed, commitment=job.commitment) == job


def test_narrowing_changes_only_what_the_slice_and_the_caller_say():
    slice_ = Slice(prefix=b"ab", version_taken=0x6000, version_fixed=0x2000)
    narrow = JOB.narrow(slice_, target=Target(MAX_TARGET), id=JobId(9))
    assert narrow == replace(
        JOB,
        id=JobId(9),
        target=Target(MAX_TARGET),
        version=0x20002000,
        version_mask=BIP320_MASK & ~0x6000,
        commitment=replace(SPLIT, prefix=b"beforeab", extranonce_size=6),
    )


def test_an_empty_slice_leaves_even_a_fixed_root_as_it_is():
    fixed = JOB.fix(bytes(8))
    assert fixed.narrow(Slice(), target=fixed.target, id=fixed.id) == fixed


@pytest.mark.parametrize(
    ("job", "prefix", "free"), [(JOB, bytes(9), 8), (JOB.fix(bytes(8)), b"x", 0)]
)
def test_a_slice_that_does_not_fit_is_refused(job, prefix, free):
    with pytest.raises(ValueError, match=f"{len(prefix)} bytes does not fit in {free}"):
        job.narrow(Slice(prefix=prefix), target=Target(1), id=JobId(2))


def test_a_slice_cannot_take_version_bits_that_nobody_may_roll():
    with pytest.raises(ValueError, match="80000000 outside the mask 1fffe000"):
        JOB.narrow(Slice(version_taken=0x80000000), target=Target(1), id=JobId(2))


def test_a_slice_cannot_fix_bits_that_it_does_not_take():
    with pytest.raises(ValueError, match="00002000 lie outside 00004000"):
        Slice(version_fixed=0x2000, version_taken=0x4000)


@pytest.mark.parametrize("size", [0, 7, 9])
def test_an_extranonce_of_another_size_has_no_root(size):
    with pytest.raises(ValueError, match=f"8 bytes of extranonce, not {size}"):
        SPLIT.root(bytes(size))
    with pytest.raises(ValueError, match="8 bytes of extranonce"):
        JOB.fix(bytes(size))


def test_a_fixed_root_takes_no_extranonce():
    with pytest.raises(ValueError, match="has no extranonce, 2 bytes were given"):
        FixedRoot(value=bytes(32)).root(b"ab")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prev_hash": bytes(31)}, "32 bytes, not 31"),
        ({"version": 0x20002000}, "20002000 has bits inside the mask 1fffe000"),
        ({"ntime": 1_699_998_999}, "1699998999 lies outside 1699999000 .. 1700007000"),
        ({"ntime_max": 1_699_999_999}, "lies outside"),
    ],
)
def test_a_job_that_contradicts_itself_cannot_be_made(change, message):
    with pytest.raises(ValueError, match=message):
        replace(JOB, **change)


def test_a_lineage_numbers_jobs_and_tells_switching_from_ending():
    ids = count(1)
    lineage = Lineage(source=SourceId("a"), ids=ids)
    other = Lineage(source=SourceId("b"), ids=ids)
    assert [lineage.next_id(), other.next_id(), lineage.next_id()] == [1, 2, 3]
    lineage.switch()
    assert (lineage.epoch, lineage.generation) == (1, 0)
    lineage.end()
    assert (lineage.epoch, lineage.generation) == (2, 1)


def test_the_height_is_what_the_coinbase_says():
    """BIP 34: the script begins with the height, little-endian behind its length."""
    start = bytes.fromhex("0100000001" + "00" * 32 + "ffffffff20030f730d")
    job = replace(JOB, commitment=replace(SPLIT, prefix=start))
    assert job.height == 881_423
    assert (JOB.height, job.fix(bytes(8)).height) == (None, None)
