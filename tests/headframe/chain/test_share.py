from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.hashes import hash_to_hex, sha256d
from headframe.chain.job import BIP320_MASK, FixedRoot, Job, JobId, SourceId, SplitCoinbase
from headframe.chain.share import (
    MAX_FUTURE_SECONDS,
    NO_PROOF,
    Checked,
    Reason,
    Share,
    Verdict,
    check,
    fault_of,
    header_of,
    proof_of,
)
from headframe.chain.target import (
    MAX_TARGET,
    Target,
    difficulty_from_target,
    target_from_difficulty,
    target_from_nbits,
)
from tests.fakes.vectors import cases, load

NOW = 1_700_000_000
JOB = Job(
    id=JobId(1),
    source=SourceId("pool"),
    version=0x20000000,
    version_mask=BIP320_MASK,
    prev_hash=bytes(32),
    nbits=0x207FFFFF,
    ntime=NOW,
    ntime_min=NOW - 100,
    ntime_max=NOW + 50,
    commitment=SplitCoinbase(prefix=b"a", suffix=b"b", path=(), extranonce_size=4),
    target=Target(MAX_TARGET),
    block_target=Target(0),
    epoch=0,
    generation=0,
)
SHARE = Share(job_id=JOB.id, extranonce=bytes(4), ntime=NOW, nonce=0, version=JOB.version)


def swap_words(data: bytes) -> bytes:
    """Turn the bytes of each 4-byte word around, as SV1 does with prevhash."""
    return b"".join(data[i : i + 4][::-1] for i in range(0, len(data), 4))


def job_of(vector) -> Job:
    """Make the job that a notify and an extranonce1 mean."""
    _, prev, coinb1, coinb2, branch, version, nbits, ntime, _ = vector["notify_params"]
    base = int(version, 16)
    bits = int(nbits, 16)
    easiest = target_from_nbits(bits)
    return Job(
        id=JobId(1),
        source=SourceId("pool"),
        version=base,
        version_mask=int(vector["version_mask"] or "0", 16) & ~base,
        prev_hash=swap_words(bytes.fromhex(prev)),
        nbits=bits,
        ntime=int(ntime, 16),
        ntime_min=int(ntime, 16),
        ntime_max=int(ntime, 16) + MAX_FUTURE_SECONDS,
        commitment=SplitCoinbase(
            prefix=bytes.fromhex(coinb1 + vector["extranonce1"]),
            suffix=bytes.fromhex(coinb2),
            path=tuple(bytes.fromhex(item) for item in branch),
            extranonce_size=vector["extranonce2_size"],
        ),
        target=target_from_difficulty(vector["pool_difficulty"])
        if "pool_difficulty" in vector
        else easiest,
        block_target=easiest,
        epoch=0,
        generation=0,
    )


def share_of(vector, job: Job) -> Share:
    _, _, extranonce, ntime, nonce, *bits = vector["submit_params"]
    return Share(
        job_id=job.id,
        extranonce=bytes.fromhex(extranonce),
        ntime=int(ntime, 16),
        nonce=int(nonce, 16),
        version=job.version | (int(bits[0], 16) if bits else 0),
    )


@pytest.mark.parametrize("vector", cases("stratum_jobs"))
def test_a_real_share_hashes_to_what_its_source_says(vector):
    job = job_of(vector)
    share = share_of(vector, job)
    expect = vector["expect"]
    assert isinstance(job.commitment, SplitCoinbase)
    coinbase = job.commitment.coinbase(share.extranonce)
    assert coinbase.hex() == expect["coinbase"]
    assert hash_to_hex(sha256d(coinbase)) == expect["coinbase_txid"]
    assert job.commitment.root(share.extranonce).hex() == expect["merkle_root_header_order"]
    assert f"{share.version:08x}" == expect["version"]
    assert header_of(job, share).hex() == expect["header"]
    assert proof_of(job, share) == int(expect["hash"], 16)
    difficulty = float(difficulty_from_target(proof_of(job, share)))
    assert difficulty == pytest.approx(expect["share_difficulty"], rel=1e-10)
    checked = check(job, share, now=share.ntime)
    assert checked == Checked(
        reason=Reason.ACCEPTED, proof=int(expect["hash"], 16), block=expect["is_block"]
    )


@pytest.mark.parametrize("vector", [*cases("gbt_blocks"), *cases("signet_blocks")])
def test_a_share_that_was_a_block_is_found_to_be_one(vector):
    stratum = vector["stratum"]
    job = job_of(stratum)
    share = share_of(stratum, job)
    assert header_of(job, share).hex() == vector["header"]
    job = replace(job, ntime_min=vector["template"]["mintime"])
    checked = check(job, share, now=share.ntime)
    assert checked == Checked(
        reason=Reason.ACCEPTED, proof=int(vector["block_hash"], 16), block=True
    )


@pytest.mark.parametrize(
    "vector", [v for v in load("stratum_jobs")["partial"] if v["what"] == "header"]
)
def test_a_header_of_another_miners_tests_is_built(vector):
    job = replace(
        JOB,
        version=int(vector["version"], 16),
        prev_hash=swap_words(bytes.fromhex(vector["prevhash_stratum"])),
        nbits=int(vector["nbits"], 16),
        ntime=int(vector["ntime"], 16),
        ntime_min=0,
        ntime_max=2**32 - 1,
    )
    header = header_of(
        replace(job, commitment=FixedRoot(value=bytes.fromhex(vector["merkle_root_header_order"]))),
        Share(
            job_id=job.id,
            extranonce=b"",
            ntime=job.ntime,
            nonce=int(vector["nonce"], 16),
            version=job.version,
        ),
    )
    assert header.hex() == vector["header"]
    assert hash_to_hex(sha256d(header)) == vector["hash"]


# Version rolling


@pytest.mark.parametrize(
    "vector",
    [
        v
        for v in load("version_rolling")["vectors"]
        if v["allowed"] and v["id"] != "job-has-mask-bits"
    ],
    ids=lambda v: v["id"],
)
def test_a_rolled_version_is_the_jobs_with_bits_inside_the_mask(vector):
    mask = int(vector["mask"], 16)
    job = replace(JOB, version=int(vector["job_version"], 16), version_mask=mask)
    rolled = (job.version & ~mask) | int(vector["submitted_bits"], 16)
    assert rolled == int(vector["resulting_version"], 16)
    assert fault_of(job, replace(SHARE, version=rolled), mask=mask, now=NOW) is None


def test_a_bit_outside_a_small_mask_is_refused():
    vector = next(v for v in load("version_rolling")["vectors"] if v["id"] == "outside-small-mask")
    bits = int(vector["submitted_bits"], 16)
    job = replace(JOB, version_mask=int(vector["mask"], 16))
    share = replace(SHARE, version=job.version | bits)
    assert fault_of(job, share, mask=BIP320_MASK, now=NOW) is Reason.BAD_VERSION


def test_bits_that_the_pool_itself_has_set_are_never_rolled():
    # Pools disagree on what a bit means there (mask formula, OR, XOR), so it stays.
    vector = next(v for v in load("version_rolling")["vectors"] if v["id"] == "job-has-mask-bits")
    base, mask = int(vector["job_version"], 16), int(vector["mask"], 16)
    with pytest.raises(ValueError, match="bits inside the mask"):
        replace(JOB, version=base, version_mask=mask)
    job = replace(JOB, version=base, version_mask=mask & ~base)
    share = replace(SHARE, version=int(vector["resulting_version"], 16))
    assert fault_of(job, share, mask=mask, now=NOW) is Reason.BAD_VERSION


@pytest.mark.parametrize("vector", cases("version_rolling", "negotiation"))
def test_only_bits_that_both_sides_allow_may_be_rolled(vector):
    job = replace(JOB, version=0, version_mask=int(vector["server_mask"], 16))
    mask, result = int(vector["miner_mask"], 16), int(vector["result_mask"], 16)
    allowed = [
        bit
        for bit in range(32)
        if fault_of(job, replace(SHARE, version=1 << bit), mask=mask, now=NOW) is None
    ]
    assert sum(1 << bit for bit in allowed) == result
    assert len(allowed) == vector["bits"]


# Judgement


@pytest.mark.parametrize(
    ("ntime", "now", "reason"),
    [
        (NOW - 100, NOW, None),
        (NOW - 101, NOW, Reason.BAD_NTIME),
        (NOW + 50, NOW, None),
        (NOW + 51, NOW, Reason.BAD_NTIME),
        (NOW, NOW - MAX_FUTURE_SECONDS, None),
        (NOW, NOW - MAX_FUTURE_SECONDS - 1, Reason.BAD_NTIME),
    ],
)
def test_the_time_must_suit_the_source_and_the_clock(ntime, now, reason):
    assert fault_of(JOB, replace(SHARE, ntime=ntime), mask=0, now=now) is reason


def test_an_extranonce_of_the_wrong_size_has_no_proof():
    checked = check(JOB, replace(SHARE, extranonce=b"abc"), now=NOW)
    assert checked == Checked(reason=Reason.BAD_EXTRANONCE, proof=NO_PROOF, block=False)
    with pytest.raises(ValueError, match="4 bytes of extranonce, not 3"):
        proof_of(JOB, replace(SHARE, extranonce=b"abc"))


def test_a_share_that_just_meets_its_target_is_accepted():
    proof = proof_of(JOB, SHARE)
    assert check(JOB, SHARE, target=Target(proof), now=NOW).reason is Reason.ACCEPTED
    assert check(JOB, SHARE, target=Target(proof - 1), now=NOW).reason is Reason.LOW_DIFFICULTY
    tight = replace(JOB, target=Target(proof - 1))
    assert check(tight, SHARE, now=NOW).reason is Reason.LOW_DIFFICULTY


def test_a_block_is_a_block_whatever_else_is_wrong_with_its_share():
    job = replace(JOB, block_target=Target(MAX_TARGET))
    late = check(job, replace(SHARE, ntime=NOW + 51), now=NOW)
    assert (late.reason, late.block) == (Reason.BAD_NTIME, True)
    weak = check(job, SHARE, target=Target(0), now=NOW)
    assert (weak.reason, weak.block) == (Reason.LOW_DIFFICULTY, True)
    odd = check(job, replace(SHARE, version=4), now=NOW)
    assert (odd.reason, odd.block) == (Reason.BAD_VERSION, True)


@settings(max_examples=80, deadline=None)
@given(
    extranonce=st.binary(min_size=4, max_size=4),
    nonce=st.integers(0, 2**32 - 1),
    rolled=st.integers(0, 2**32 - 1),
)
def test_the_proof_is_the_hash_of_the_header(extranonce, nonce, rolled):
    share = replace(
        SHARE, extranonce=extranonce, nonce=nonce, version=JOB.version | rolled & BIP320_MASK
    )
    header = header_of(JOB, share)
    assert len(header) == 80
    assert proof_of(JOB, share) == int.from_bytes(sha256d(header), "little")
    assert check(JOB, share, now=NOW).reason is Reason.ACCEPTED


def test_a_verdict_is_bare_unless_told_more():
    assert Verdict(reason=Reason.STALE) == Verdict(reason=Reason("stale"), detail="", block=False)
