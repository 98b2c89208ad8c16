"""What is judged, booked and sent up, and under which name."""

import itertools

import pytest

from headframe.chain.share import Reason, Verdict
from headframe.chain.target import MAX_TARGET, Target
from headframe.stratum.core import Seat
from headframe.stratum.events import ShareSubmitted, Ticket
from proxy.court import Court
from proxy.jobbook import Entry, JobBook
from proxy.names import Naming
from proxy.slices import Layout
from proxy.terms import HubSettings
from tests.fakes.mining import JobMaker, ManualSource, PythonHasher
from tests.fakes.proxying import HARD, ManualClock

SEAT = Seat(
    channel=0,
    lane=b"",
    slice=b"\x00\x01",
    size=4,
    mask=0x1FFFE000,
    address="10.0.0.7",
    agent="raw/1",
)


class Stage:
    """A court with a book, and its surroundings."""

    def __init__(self, settings: HubSettings | None = None) -> None:
        self.source = ManualSource(verdict=Verdict(reason=Reason.ACCEPTED))
        self.time = ManualClock()
        self.maker = JobMaker()
        self.court = Court(self.source, settings or HubSettings(), clock=self.time.clock)
        assert self.court.finds(1) is None  # type: ignore[arg-type] # an id
        layout = Layout(slice_size=2, rollable=4)
        self.court._book = JobBook(layout, itertools.count(1), PythonHasher())

    def show(self, **changes: object) -> Entry:
        assert self.court.book is not None
        job = self.maker.make(**changes)  # type: ignore[arg-type] # a test's own business
        self.source.publish(job)
        return self.court.book.add(job, 0.0)


def share_of(entry: Entry, nonce: int = 0, **changes: object) -> ShareSubmitted:
    fields = {
        "channel": 0,
        "ticket": Ticket(1),
        "worker": "w",
        "job_id": entry.job.id,
        "extranonce": bytes(4),
        "ntime": entry.job.ntime,
        "nonce": nonce,
        "version": entry.job.version,
        "target": Target(MAX_TARGET),
    }
    return ShareSubmitted(**(fields | changes))  # type: ignore[arg-type] # a test's own business


@pytest.mark.parametrize(
    ("job", "share", "reason", "kept", "sent"),
    [
        ({"target": MAX_TARGET}, {}, Reason.ACCEPTED, 0, 1),
        ({"target": 1}, {}, Reason.ACCEPTED, 1, 0),
        ({"target": 1, "block_target": MAX_TARGET}, {}, Reason.ACCEPTED, 0, 1),
        ({"block_target": MAX_TARGET}, {"target": Target(1)}, Reason.LOW_DIFFICULTY, 0, 1),
        ({"block_target": MAX_TARGET}, {"target": None}, Reason.UNKNOWN_JOB, 0, 1),
        ({"block_target": MAX_TARGET}, {"extranonce": b""}, Reason.BAD_EXTRANONCE, 0, 0),
        ({"block_target": MAX_TARGET}, {"job_id": 77}, Reason.UNKNOWN_JOB, 0, 0),
        ({"target": 1}, {"ntime": 1}, Reason.BAD_NTIME, 0, 0),
    ],
)
def test_a_share_is_judged_booked_and_sent(
    job: dict[str, object], share: dict[str, object], reason: Reason, kept: int, sent: int
):
    stage = Stage()
    entry = stage.show(**job)
    row = stage.court.ledger.worker("w")
    checked, _ = stage.court.judge(SEAT, share_of(entry, **share), row)  # type: ignore[arg-type] # as above
    assert checked.reason is reason
    assert stage.court.ledger.total.kept == kept
    assert len(stage.source.sent) == sent
    forwarded = sent if reason is Reason.ACCEPTED else 0
    assert stage.court.ledger.total.pool.forwarded.shares == forwarded
    stage.court.ledger.verify()


def test_nothing_goes_up_that_misses_both_targets_and_nothing_twice():
    """Law 6."""
    stage = Stage()
    entry = stage.show(target=HARD, block_target=HARD)
    row = stage.court.ledger.worker("w")
    for nonce in [*range(600), *range(600)]:
        stage.court.judge(SEAT, share_of(entry, nonce), row)
    proofs = stage.source.proofs()
    assert proofs
    assert all(proof <= HARD for proof in proofs)
    assert len(set(proofs)) == len(proofs)
    assert stage.court.ledger.total.refused[Reason.DUPLICATE].shares == 600
    stage.court.ledger.verify()


def test_names_may_tell_where_a_rig_is():
    naming = Naming(mode="template", template="{worker}/{address}/{agent}")
    stage = Stage(HubSettings(worker_sent=naming.rule()))
    entry = stage.show(target=1, block_target=MAX_TARGET)
    stage.court.judge(SEAT, share_of(entry), stage.court.ledger.worker("w"))
    assert stage.source.sent[0][1] == "w/10.0.0.7/raw/1"
    assert stage.court.finds(entry.job.id) is entry
