import itertools

import pytest

import native
from headframe.chain.share import Reason
from headframe.chain.target import Target, work_of
from headframe.stratum.core import Seat
from headframe.stratum.sv1.offers import Offer
from native import Judge, pack_rig
from native.compiled import extension_missing
from proxy.jobbook import Entry, JobBook
from proxy.slices import Layout
from proxy.tasks import Tasks, weigh
from tests.fakes.mining import NTIME, JobMaker, PythonHasher

pytestmark = pytest.mark.skipif(bool(extension_missing), reason=extension_missing or "there")

ALL = Target(2**256 - 1)
MASK = 0x1FFFE000
SEAT = Seat(channel=0, lane=b"\xaa\x01", slice=b"\x01\x02", size=4, mask=MASK)
LAYOUT = Layout(lane=SEAT.lane, slice_size=2, rollable=4)


def book_of() -> tuple[JobBook, JobMaker]:
    return JobBook(LAYOUT, itertools.count(1), native), JobMaker()


def offer_of(entry: Entry, **changes: object) -> Offer:
    offer = Offer(entry.job.id, entry.job.version, MASK, 4, ALL)
    return offer._replace(**changes)  # type: ignore[arg-type] # a test's own business


def test_work_is_what_a_target_is_worth():
    assert weigh(Target(2**200)) == work_of(Target(2**200))


def test_rigs_with_the_same_terms_share_a_task():
    book, maker = book_of()
    tasks, entry = Tasks(book), book.add(maker.make(), 0.0)
    first = tasks.find("1", offer_of(entry), SEAT, MASK)
    assert first is not None
    other = Seat(channel=0, lane=SEAT.lane, slice=b"\x03\x04", size=4, mask=MASK)
    assert tasks.find("1", offer_of(entry), other, MASK) is first
    harder = offer_of(entry, target=Target(2**250))
    assert tasks.find("1", harder, SEAT, MASK) is not first
    assert tasks.find("1", offer_of(entry), SEAT, 0) is not first


def test_a_task_asks_what_the_job_does():
    book, maker = book_of()
    job = maker.make(target=2**240, block_target=2**230, mask=0x00FFE000)
    entry = book.add(job, 0.0)
    task = Tasks(book).find("1", offer_of(entry), SEAT, MASK)
    assert task is not None
    terms = task.terms
    assert (terms.job, terms.version, terms.mask) == (b"1", job.version, 0x00FFE000)
    assert (terms.target, terms.up, terms.block) == (ALL, 2**240, 2**230)
    assert (terms.ntime_min, terms.ntime_max) == (entry.job.ntime_min, entry.job.ntime_max)


@pytest.mark.parametrize(
    "changes", [{"job_id": 99}, {"target": None}, {"size": 3}, {"version": 4}], ids=str
)
def test_there_is_none_for_what_needs_looking_at(changes: dict[str, object]):
    book, maker = book_of()
    entry = book.add(maker.make(), 0.0)
    assert Tasks(book).find("1", offer_of(entry, **changes), SEAT, MASK) is None


def test_there_is_none_for_a_job_that_is_dead():
    book, maker = book_of()
    tasks, entry = Tasks(book), book.add(maker.make(), 0.0)
    assert tasks.find("1", offer_of(entry), SEAT, MASK) is not None
    maker.new_block()
    book.add(maker.make(), 1.0)
    assert tasks.find("1", offer_of(entry), SEAT, MASK) is None


def test_there_is_none_where_others_hash():
    book = JobBook(LAYOUT, itertools.count(1), PythonHasher())
    entry = book.add(JobMaker().make(), 0.0)
    assert Tasks(book).find("1", offer_of(entry), SEAT, MASK) is None


def test_what_the_judge_counts_the_book_has_counted():
    book, maker = book_of()
    entry = book.add(maker.make(target=0), 0.0)
    proofs = entry.proofs
    assert proofs.record(7, NTIME) is Reason.ACCEPTED  # which makes the table of that time
    task = Tasks(book).find("1", offer_of(entry), SEAT, MASK)
    packed = pack_rig(SEAT.slice, SEAT.size, ["w"])
    assert task is not None
    assert packed is not None
    line = b'{"id":1,"method":"mining.submit","params":["w","1","00000000","%08x","00000000"]}\n'
    judge = Judge()
    assert judge.take(task, packed[0], NTIME, line % NTIME)[0] == 1
    [good] = judge.shares(1)
    assert proofs.has(int.from_bytes(good.hash[:8], "little"), NTIME)
    assert judge.take(task, packed[0], NTIME, line % NTIME)[0] == 0


def test_tasks_are_kept_up_to_a_bound():
    book, maker = book_of()
    tasks, entry = Tasks(book), book.add(maker.make(), 0.0)
    first = tasks.find("1", offer_of(entry), SEAT, MASK)
    for number in range(1, 1025):
        tasks.find("1", offer_of(entry, target=Target(2**255 - number)), SEAT, MASK)
    assert tasks.find("1", offer_of(entry), SEAT, MASK) is not first
