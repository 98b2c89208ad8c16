from dataclasses import replace

import pytest

from headframe.chain.job import Job
from headframe.chain.share import Share
from headframe.chain.target import DIFFICULTY_1, Target
from headframe.stratum.errors import LocalProtocolError
from headframe.stratum.sv1.jobs import Room, WireJob
from headframe.stratum.sv1.pooljobs import MAX_JOBS, PoolJobs, Told
from tests.fakes.stratum_v1 import new_lineage

MASK = 0x1FFFE000
ROOM = Room(extranonce1=b"\x01\x02", size=4)
WIRE = WireJob(
    wire_id="a",
    prev_hash=bytes(32),
    prefix=b"p",
    suffix=b"s",
    path=(),
    version=0x20000000,
    nbits=0x207FFFFF,
    ntime=1_700_000_000,
    clean=False,
)


def subscribed() -> PoolJobs:
    jobs = PoolJobs(new_lineage(), roll_seconds=7000)
    assert jobs.subscribed(ROOM) is None
    return jobs


def told(job: Job | None) -> Job:
    assert job is not None
    return job


def test_a_job_before_the_subscription_waits_with_its_difficulty() -> None:
    jobs = PoolJobs(new_lineage(), roll_seconds=7000)
    jobs.aim(Target(DIFFICULTY_1 // 2))
    assert jobs.notify(WIRE) is None
    jobs.aim(Target(DIFFICULTY_1 // 3))
    job = told(jobs.subscribed(ROOM))
    assert job.target == DIFFICULTY_1 // 2
    assert job.extranonce_size == 4
    assert jobs.room == ROOM


def test_the_newest_of_the_jobs_that_wait_counts() -> None:
    jobs = PoolJobs(new_lineage(), roll_seconds=7000)
    jobs.notify(WIRE)
    jobs.notify(replace(WIRE, wire_id="b"))
    found = jobs.find(told(jobs.subscribed(ROOM)).id)
    assert found is not None
    assert found.wire.wire_id == "b"


def test_difficulty_before_the_first_is_1_and_then_binds_to_the_next_job() -> None:
    jobs = subscribed()
    assert told(jobs.notify(WIRE)).target == DIFFICULTY_1
    jobs.aim(Target(DIFFICULTY_1 // 5))
    assert told(jobs.notify(replace(WIRE, wire_id="b"))).target == DIFFICULTY_1 // 5
    assert told(jobs.notify(replace(WIRE, wire_id="c"))).target == DIFFICULTY_1 // 5


def test_the_first_job_of_a_connection_ends_what_was_before() -> None:
    lineage = new_lineage()
    for generation in (1, 2):
        jobs = PoolJobs(lineage, roll_seconds=7000)
        jobs.subscribed(ROOM)
        assert told(jobs.notify(WIRE)).generation == generation


@pytest.mark.parametrize(
    ("changes", "dies"),
    [
        ({"wire_id": "b"}, False),
        ({"wire_id": "b", "clean": True}, True),
        ({"wire_id": "b", "prev_hash": b"\x01" * 32}, True),
    ],
)
def test_earlier_jobs_die_with_a_new_tip_or_when_the_pool_says_so(
    changes: dict[str, object], dies: bool
) -> None:
    jobs = subscribed()
    first = told(jobs.notify(WIRE))
    second = told(jobs.notify(replace(WIRE, **changes)))  # type: ignore[arg-type]
    assert second.generation - first.generation == int(dies)
    assert second.epoch - first.epoch == int(dies)


@pytest.mark.parametrize("clean", [True, False])
def test_the_running_job_sent_again_is_not_told_again(clean: bool) -> None:
    jobs = subscribed()
    first = told(jobs.notify(WIRE))
    assert jobs.notify(replace(WIRE, clean=clean)) is None
    assert jobs.find(first.id) is not None
    jobs.aim(Target(DIFFICULTY_1 // 2))
    assert told(jobs.notify(WIRE)).target == DIFFICULTY_1 // 2
    assert jobs.find(first.id) is not None


def test_a_new_extranonce_waits_for_the_next_job() -> None:
    jobs = subscribed()
    first = told(jobs.notify(WIRE))
    room = Room(extranonce1=b"\x09", size=7)
    jobs.move(room)
    assert (jobs.room, jobs.next_room) == (ROOM, room)
    second = told(jobs.notify(WIRE))  # the same words, but other work
    assert second.extranonce_size == 7
    assert second.epoch == first.epoch + 1
    assert second.generation == first.generation
    assert jobs.room == jobs.next_room == room


def test_a_mask_counts_at_once_under_a_new_id() -> None:
    jobs = subscribed()
    first = told(jobs.notify(WIRE))
    wider = told(jobs.set_mask(MASK))
    assert (wider.version_mask, wider.epoch) == (MASK, first.epoch)
    assert wider.id != first.id
    narrower = told(jobs.set_mask(0x3000 & MASK))
    assert narrower.epoch == wider.epoch + 1  # work with the bits that are gone is in vain
    assert narrower.generation == wider.generation
    assert jobs.find(first.id) is not None
    assert jobs.find(wider.id) is not None


def test_a_mask_that_means_nothing_to_the_job_changes_nothing() -> None:
    jobs = subscribed()
    assert jobs.set_mask(MASK) is None
    jobs.notify(replace(WIRE, version=0x2000_2000))
    assert jobs.set_mask(MASK & ~0x2000) is None
    assert jobs.set_mask(MASK & ~0x2000) is None


def test_a_name_used_again_means_the_newest_job() -> None:
    """btcpool numbers its jobs 0 to 255, over and over."""
    jobs = subscribed()
    first = told(jobs.notify(WIRE))
    other = told(jobs.notify(replace(WIRE, wire_id="b")))
    again = told(jobs.notify(replace(WIRE, ntime=WIRE.ntime + 30)))
    assert jobs.find(first.id) is None
    assert jobs.find(other.id) is not None
    assert jobs.find(again.id) is not None


def test_jobs_remembered_are_bounded() -> None:
    jobs = subscribed()
    ids = [told(jobs.notify(replace(WIRE, wire_id=number))).id for number in range(MAX_JOBS + 3)]
    assert [jobs.find(job_id) is not None for job_id in ids] == [False] * 3 + [True] * MAX_JOBS


def share_of(version: int, extranonce: bytes = b"\x00\x01\x02\x03") -> Share:
    return Share(
        job_id=subscribed_job().id, extranonce=extranonce, ntime=7, nonce=0xA, version=version
    )


def subscribed_job() -> Job:
    return told(subscribed().notify(WIRE))


TOLD = Told(wire=WIRE, version=0x20000000, size=4)


@pytest.mark.parametrize(
    ("version", "mask", "rest"),
    [
        (0x20000000, None, []),
        (0x20000000, 0, ["00000000"]),
        (0x20000000, MASK, ["00000000"]),
        (0x20002000, MASK, ["00002000"]),
    ],
)
def test_the_sixth_item_is_sent_once_negotiated(
    version: int, mask: int | None, rest: list[str]
) -> None:
    expected = ["w", "a", "00010203", "00000007", "0000000a", *rest]
    assert TOLD.params(share_of(version), "w", mask=mask) == expected


@pytest.mark.parametrize(("version", "mask"), [(0x20002000, None), (0x60000000, MASK), (0, MASK)])
def test_a_version_that_cannot_be_said_is_our_mistake(version: int, mask: int | None) -> None:
    with pytest.raises(LocalProtocolError, match="cannot be said"):
        TOLD.params(share_of(version), "w", mask=mask)


def test_an_extranonce_of_another_size_is_our_mistake() -> None:
    with pytest.raises(LocalProtocolError, match="takes 4 bytes of extranonce, not 3"):
        TOLD.params(share_of(0x20000000, b"abc"), "w", mask=None)
