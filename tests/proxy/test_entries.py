import itertools

from headframe.chain.share import Reason
from headframe.stratum.core import Seat
from headframe.stratum.events import ShareSubmitted, Ticket
from proxy.entries import Entry, Upstream, widen
from proxy.proofs import Proofs
from tests.fakes.mining import NTIME, JobMaker


def upstream(room: int = 8, limit: int = 1, **changes: object) -> Upstream:
    job = JobMaker(ids=itertools.count(5)).make(size=room)
    fields = {
        "job": job,
        "padding": b"\x00\x00",
        "since": 0.0,
        "mask": 0x1FFFE000,
        "work": 77,
        "proofs": Proofs(limit, NTIME),
        "mark": (job.source, job.generation),
    }
    return Upstream(**(fields | changes))  # type: ignore[arg-type] # a test's own business


def test_an_entry_tells_what_it_stands_for():
    up = upstream()
    entry = Entry(up.job, up)
    assert entry.upstream is up.job
    assert (entry.padding, entry.mask, entry.work) == (b"\x00\x00", 0x1FFFE000, 77)
    assert entry.mark == ("pool", 0)
    assert entry.payee == ""
    assert Entry(up.job, upstream(payee="address a")).payee == "address a"


def test_a_widened_share_has_all_that_stands_before_the_rigs_bytes():
    up = upstream()
    seat = Seat(channel=0, lane=b"\xaa", slice=b"\xbb\xcc", size=3, mask=0)
    share = ShareSubmitted(
        channel=0,
        ticket=Ticket(1),
        worker="w",
        job_id=up.job.id,
        extranonce=b"\x01\x02\x03",
        ntime=NTIME,
        nonce=9,
        version=up.job.version,
        target=None,
    )
    wide = widen(Entry(up.job, up), seat, share)
    assert wide.extranonce == bytes.fromhex("0000aabbcc010203")
    assert (wide.job_id, wide.ntime, wide.nonce) == (up.job.id, NTIME, 9)


def test_a_job_is_full_as_soon_as_one_payees_is():
    up, other = upstream(), upstream(payee="address a")
    up.variants[b"a"] = other
    assert not up.full
    assert other.proofs.record(1, NTIME) is Reason.ACCEPTED
    assert up.full
