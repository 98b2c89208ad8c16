import itertools

import pytest

from headframe.chain.share import Reason
from headframe.chain.target import MAX_TARGET, Target
from headframe.stratum.core import Seat
from headframe.stratum.events import ShareSubmitted, Ticket
from proxy.jobbook import Entry, JobBook
from proxy.policy import Stale, takes_late
from proxy.slices import fit
from tests.fakes.mining import NTIME, JobMaker, PythonHasher

SEAT = Seat(channel=0, lane=b"", slice=b"\x00\x05", size=4, mask=0)


@pytest.mark.parametrize(
    ("policy", "proof", "counts"),
    [
        (Stale.REFUSE, 1, False),
        (Stale.FORWARD, 1000, True),
        (Stale.FORWARD, 1001, False),
        (Stale.BLOCK, 10, True),
        (Stale.BLOCK, 11, False),
    ],
)
def test_a_late_share_counts_as_the_policy_says(policy: Stale, proof: int, counts: bool):
    job = JobMaker().make(target=Target(1000), block_target=Target(10))
    assert takes_late(policy, job, proof) is counts


def share_for(entry: Entry, nonce: int = 1) -> ShareSubmitted:
    return ShareSubmitted(
        channel=0,
        ticket=Ticket(1),
        worker="rig",
        job_id=entry.job.id,
        extranonce=bytes(4),
        ntime=entry.job.ntime,
        nonce=nonce,
        version=entry.job.version,
        target=Target(MAX_TARGET),
    )


def dead_job(policy: Stale, *, block: bool = False) -> tuple[JobBook, Entry]:
    """Make a book with a job that is dead, and whose every share is one for the pool."""
    book, maker = JobBook(fit(8), itertools.count(1), PythonHasher()), JobMaker()
    book.stale = policy
    everything = Target(2**256 - 1)
    entry = book.add(maker.make(target=everything, block_target=everything if block else 0), 0.0)
    maker.new_block()
    book.add(maker.make(), 0.0)
    assert not book.is_alive(entry.mark)
    return book, entry


@pytest.mark.parametrize("block", [False, True])
@pytest.mark.parametrize("policy", Stale)
def test_a_share_of_a_dead_job_is_judged_by_the_policy(policy: Stale, *, block: bool):
    book, entry = dead_job(policy, block=block)
    checked = book.check(SEAT, share_for(entry), NTIME)
    counts = policy is Stale.FORWARD or (block and policy is Stale.BLOCK)
    assert checked.reason is (Reason.ACCEPTED if counts else Reason.STALE)
    assert checked.block is block  # and so it goes up in any case


def test_a_late_share_counts_once_however_many_tips_have_passed():
    book, maker = JobBook(fit(8), itertools.count(1), PythonHasher()), JobMaker()
    book.stale = Stale.FORWARD
    entry = book.add(maker.make(target=2**256 - 1), 0.0)
    share = share_for(entry)
    assert book.check(SEAT, share, NTIME).reason is Reason.ACCEPTED
    for _ in range(2):
        maker.new_block()
        book.add(maker.make(), 0.0)
        assert book.check(SEAT, share, NTIME).reason is Reason.DUPLICATE


def test_other_faults_are_found_in_late_shares_too():
    book, entry = dead_job(Stale.FORWARD)
    share = share_for(entry)
    share.ntime = NTIME - 10**6
    assert book.check(SEAT, share, NTIME).reason is Reason.BAD_NTIME


def test_the_last_job_is_shown_on_though_dead_and_its_time_used_up():
    book, maker = JobBook(fit(8), itertools.count(1), PythonHasher()), JobMaker()
    entry = book.add(maker.make(ntime_max=NTIME + 10), 0.0)
    maker.new_block()
    book.note_generation(entry.mark[0], maker.lineage.generation)
    assert book.refresh(100.0) is None
    again = book.refresh(100.0, dry=True)
    assert again is not None
    assert again.job.ntime == NTIME + 100
    assert again.job.id != entry.job.id
    assert book.check(SEAT, share_for(again), NTIME).reason is Reason.STALE
