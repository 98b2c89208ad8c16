import dataclasses

import pytest

from headframe.chain.job import JobId
from headframe.chain.share import Reason, check
from headframe.chain.target import MAX_TARGET
from headframe.stratum.events import NewJob, Notice, PeerFault, ShareSubmitted, Ticket
from tests.fakes.stratum_v1 import NTIME, job_of


def submitted(**changes: object) -> ShareSubmitted:
    fields: dict[str, object] = {
        "channel": 0,
        "ticket": Ticket(1),
        "worker": "w",
        "job_id": JobId(17),
        "extranonce": bytes(8),
        "ntime": NTIME,
        "nonce": 0,
        "version": 0x20000000,
        "target": None,
    }
    return ShareSubmitted(**(fields | changes))  # type: ignore[arg-type]


def test_a_submitted_share_is_judged_as_a_share_is() -> None:
    job = job_of(target=MAX_TARGET)
    assert check(job, submitted(), now=NTIME).reason is Reason.ACCEPTED
    assert check(job, submitted(ntime=NTIME - 1), now=NTIME).reason is Reason.BAD_NTIME


def test_without_a_word_on_the_mask_the_jobs_own_counts() -> None:
    assert submitted().mask == 0xFFFFFFFF


@pytest.mark.parametrize(
    "event",
    [Notice(kind="x", text="y"), PeerFault(what="x", fatal=True), NewJob(job=job_of())],
)
def test_events_do_not_change(event: Notice | PeerFault | NewJob) -> None:
    name = dataclasses.fields(event)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(event, name, None)
