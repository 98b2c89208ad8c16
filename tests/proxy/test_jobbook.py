import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import native
from headframe.chain.job import BIP320_MASK, Job, JobId
from headframe.chain.network import Network
from headframe.chain.share import MAX_FUTURE_SECONDS, NO_PROOF, Reason, check, proof_of
from headframe.chain.target import MAX_TARGET, Target, work_of
from headframe.stratum.core import Seat
from headframe.stratum.events import ShareSubmitted, Ticket
from headframe.upstream.base import REMEMBERED_TIPS
from headframe.upstream.payees import Payee
from proxy import jobbook
from proxy.jobbook import Entry, JobBook, widen
from proxy.proofs import ProofShelf
from proxy.slices import Layout, LayoutError, fit
from tests.fakes.mining import NTIME, JobMaker, PythonHasher

NOW = NTIME + 10
SEAT = Seat(channel=0, lane=b"", slice=b"\x00\x05", size=4, mask=BIP320_MASK)


def make_book(layout: Layout | None = None, **options: Any) -> JobBook:
    return JobBook(layout or fit(8), itertools.count(1), PythonHasher(), **options)


def share_for(entry: Entry, **changes: Any) -> ShareSubmitted:
    fields: dict[str, Any] = {
        "channel": 0,
        "ticket": Ticket(1),
        "worker": "rig",
        "job_id": entry.job.id,
        "extranonce": b"\x00\x00\x00\x01",
        "ntime": entry.job.ntime,
        "nonce": 7,
        "version": entry.job.version,
        "target": Target(MAX_TARGET),
    }
    return ShareSubmitted(**(fields | changes))


def reason(book: JobBook, share: ShareSubmitted, now: int = NOW, seat: Seat = SEAT) -> Reason:
    return book.check(seat, share, now).reason


@pytest.mark.parametrize("hasher", [PythonHasher(), native], ids=["hashlib", "native"])
@settings(max_examples=40, deadline=None)
@given(
    lane=st.binary(max_size=2),
    room=st.integers(0, 4),
    slice_=st.binary(min_size=2, max_size=2),
    extranonce=st.binary(min_size=4, max_size=4),
    bits=st.integers(0, 0xFFFF),
    nonce=st.integers(0, 2**32 - 1),
)
def test_the_proof_is_that_of_the_widened_share(
    *,
    hasher: jobbook.Hasher,
    lane: bytes,
    room: int,
    slice_: bytes,
    extranonce: bytes,
    bits: int,
    nonce: int,
) -> None:
    """Law 1, on the proxy's fast path, against the oracle."""
    layout = Layout(lane=lane, slice_size=2, rollable=4)
    book = JobBook(layout, itertools.count(1), hasher)
    upstream = JobMaker().make(size=layout.width + room)
    entry = book.add(upstream, 0.0)
    seat = Seat(channel=0, lane=lane, slice=slice_, size=4, mask=BIP320_MASK)
    share = share_for(
        entry, extranonce=extranonce, nonce=nonce, version=entry.job.version | bits << 13
    )
    wide = widen(entry, seat, share)
    checked = book.check(seat, share, NOW)
    assert wide.job_id == upstream.id
    assert checked.proof == proof_of(upstream, wide)
    assert checked == check(upstream, wide, target=share.target, now=NOW)


def test_the_class_job_has_the_free_bytes_of_the_layout():
    book = make_book()
    upstream = JobMaker().make(size=12)
    entry = book.add(upstream, 0.0)
    assert entry.job.extranonce_size == 6
    assert entry.job.id != upstream.id
    assert entry.upstream is upstream
    assert entry.work == work_of(upstream.target)


def test_a_job_with_too_little_room_is_refused():
    with pytest.raises(LayoutError, match="leaves 4"):
        make_book().add(JobMaker().make(size=4), 0.0)


def test_a_wrong_size_is_refused_unhashed():
    book = make_book()
    entry = book.add(JobMaker().make(), 0.0)
    checked = book.check(SEAT, share_for(entry, extranonce=b"abc"), NOW)
    assert (checked.reason, checked.proof) == (Reason.BAD_EXTRANONCE, NO_PROOF)


def test_an_id_that_was_never_ours_is_unknown():
    book = make_book()
    entry = book.add(JobMaker().make(), 0.0)
    assert reason(book, share_for(entry, job_id=JobId(-1))) is Reason.UNKNOWN_JOB


def test_a_job_this_rig_was_never_shown_is_unknown():
    book = make_book()
    entry = book.add(JobMaker().make(), 0.0)
    assert reason(book, share_for(entry, target=None)) is Reason.UNKNOWN_JOB


def test_a_job_is_dead_once_its_source_has_a_new_tip():
    book, maker = make_book(), JobMaker()
    old = book.add(maker.make(), 0.0)
    maker.new_block()
    new = book.add(maker.make(), 1.0)
    assert reason(book, share_for(old)) is Reason.STALE
    assert reason(book, share_for(new)) is Reason.ACCEPTED


def test_a_status_alone_kills_jobs():
    book, maker = make_book(), JobMaker()
    entry = book.add(maker.make(), 0.0)
    book.note_generation(entry.upstream.source, 1)
    assert book.current is None
    assert book.refresh(30.0) is None
    assert reason(book, share_for(entry)) is Reason.STALE


def test_another_source_kills_nothing():
    book = make_book()
    first = book.add(JobMaker("a").make(coinbase=b"a"), 0.0)
    other = JobMaker("b")
    other.new_block()
    book.add(other.make(coinbase=b"b"), 1.0)
    assert reason(book, share_for(first)) is Reason.ACCEPTED


def test_an_older_job_of_the_same_tip_lives_on():
    book, maker = make_book(), JobMaker()
    old = book.add(maker.make(coinbase=b"1"), 0.0)
    book.add(maker.make(coinbase=b"2"), 1.0)
    assert reason(book, share_for(old)) is Reason.ACCEPTED


def test_dead_jobs_of_the_last_tips_are_remembered():
    book, maker = make_book(), JobMaker()
    entries = []
    for _ in range(2 + REMEMBERED_TIPS - 1):
        entries.append(book.add(maker.make(), 0.0))
        maker.new_block()
    book.add(maker.make(), 0.0)
    known = [book.find(e.job.id) is not None for e in entries]
    assert known == [False, False, *[True] * (REMEMBERED_TIPS - 1)]  # and the living one's
    assert reason(book, share_for(entries[0])) is Reason.UNKNOWN_JOB
    assert reason(book, share_for(entries[2])) is Reason.STALE


def test_ids_are_remembered_up_to_a_bound():
    book, maker = make_book(), JobMaker()
    first = book.add(maker.make(), 0.0)
    for i in range(jobbook.MAX_ENTRIES):
        book.refresh(float(i), dry=True)  # its time does not end
    assert book.find(first.job.id) is None
    assert book.current is not None
    assert reason(book, share_for(book.current), now=NOW + 40_000) is Reason.ACCEPTED


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"version": 0x20000000 | 1 << 3}, Reason.BAD_VERSION),
        ({"version": 0x40000000}, Reason.BAD_VERSION),
        ({"ntime": NTIME - 1}, Reason.BAD_NTIME),
        ({"ntime": NTIME + 7001}, Reason.BAD_NTIME),
        ({"target": Target(1)}, Reason.LOW_DIFFICULTY),
    ],
)
def test_each_rule_has_its_reason(changes: dict[str, Any], expected: Reason):
    book = make_book()
    entry = book.add(JobMaker().make(), 0.0)
    assert reason(book, share_for(entry, **changes)) is expected


def test_a_time_too_far_ahead_of_our_clock_is_refused():
    book = make_book()
    entry = book.add(JobMaker().make(), 0.0)
    share = share_for(entry, ntime=NTIME + 6000)
    assert reason(book, share, now=NTIME + 6000 - MAX_FUTURE_SECONDS - 1) is Reason.BAD_NTIME
    assert reason(book, share, now=NTIME + 6000 - MAX_FUTURE_SECONDS) is Reason.ACCEPTED


def test_a_seats_mask_binds_its_rig():
    book = make_book()
    entry = book.add(JobMaker().make(), 0.0)
    plain = Seat(channel=0, lane=b"", slice=b"\x00\x05", size=4, mask=0)
    share = share_for(entry, version=entry.job.version | 1 << 13)
    assert reason(book, share, seat=plain) is Reason.BAD_VERSION


def test_a_narrower_mask_binds_the_earlier_jobs_too():
    book, maker = make_book(), JobMaker()
    old = book.add(maker.make(), 0.0)
    book.add(maker.make(mask=0x00006000), 1.0)
    assert reason(book, share_for(old, version=old.job.version | 1 << 20)) is Reason.BAD_VERSION
    assert reason(book, share_for(old, version=old.job.version | 1 << 13)) is Reason.ACCEPTED


def test_a_share_counts_once():
    book = make_book()
    entry = book.add(JobMaker().make(), 0.0)
    assert reason(book, share_for(entry)) is Reason.ACCEPTED
    assert reason(book, share_for(entry)) is Reason.DUPLICATE


def test_a_share_counts_once_under_all_our_ids_for_the_same_work():
    book = make_book()
    entry = book.add(JobMaker().make(), 0.0)
    refreshed = book.refresh(30.0)
    assert refreshed is not None
    ntime = refreshed.job.ntime
    assert reason(book, share_for(entry, ntime=ntime)) is Reason.ACCEPTED
    assert reason(book, share_for(refreshed, ntime=ntime)) is Reason.DUPLICATE


def test_a_share_counts_once_when_the_source_tells_its_job_again():
    book, maker = make_book(), JobMaker()
    old = book.add(maker.make(), 0.0)
    again = book.add(maker.make(target=2**200), 1.0)
    assert again.job.ntime > old.job.ntime
    assert reason(book, share_for(old)) is Reason.ACCEPTED
    assert reason(book, share_for(again, ntime=old.job.ntime)) is Reason.DUPLICATE


def test_a_share_counts_once_when_a_source_is_left_and_returned_to():
    book, maker = make_book(), JobMaker("a")
    job = maker.make(coinbase=b"a")
    first = book.add(job, 0.0)
    assert reason(book, share_for(first)) is Reason.ACCEPTED
    book.add(JobMaker("b").make(coinbase=b"b"), 1.0)
    back = book.add(replace(job, epoch=9), 2.0)
    assert back.job.id != first.job.id
    assert reason(book, share_for(back, ntime=first.job.ntime)) is Reason.DUPLICATE


def test_a_share_counts_once_when_a_pool_gives_the_same_work_after_a_new_connection():
    """As ckpool does for a session that is resumed; also for a clean job with a new difficulty."""
    book, maker = make_book(), JobMaker()
    first = book.add(maker.make(), 0.0)
    assert reason(book, share_for(first)) is Reason.ACCEPTED
    maker.lineage.end()
    book.note_generation(first.upstream.source, maker.lineage.generation)
    again = book.add(maker.make(), 5.0)
    assert reason(book, share_for(again, ntime=first.job.ntime)) is Reason.DUPLICATE
    assert again.job.ntime > first.job.ntime  # so that rigs do not search the same again
    assert reason(book, share_for(again)) is Reason.ACCEPTED


def test_a_share_counts_once_though_one_of_two_sources_of_the_same_work_moves_on():
    """As two addresses of one pool may be."""
    book, one, other = make_book(), JobMaker("a"), JobMaker("b")
    first = book.add(one.make(), 0.0)
    book.add(other.make(), 1.0)
    assert reason(book, share_for(first)) is Reason.ACCEPTED
    other.new_block()
    book.add(other.make(), 2.0)
    assert reason(book, share_for(first)) is Reason.DUPLICATE


def test_the_time_of_a_job_told_again_with_a_newer_time_does_not_run_ahead():
    book, maker = make_book(), JobMaker()
    book.add(maker.make(), 0.0)
    book.add(maker.make(ntime=NTIME + 60), 60.0)
    refreshed = book.refresh(90.0)
    assert refreshed is not None
    assert refreshed.job.ntime == NTIME + 90


def test_a_refused_share_may_come_again_under_an_easier_target():
    book = make_book()
    entry = book.add(JobMaker().make(), 0.0)
    assert reason(book, share_for(entry, target=Target(1))) is Reason.LOW_DIFFICULTY
    assert reason(book, share_for(entry)) is Reason.ACCEPTED


def submit_first(book: JobBook, entry: Entry) -> None:
    assert reason(book, share_for(entry)) is Reason.ACCEPTED


def kill(book: JobBook, entry: Entry) -> None:
    book.note_generation(entry.upstream.source, 1)


def nothing(_book: JobBook, _entry: Entry) -> None:
    """Leave all as it is."""


FAULTS: list[tuple[str, Callable[[JobBook, Entry], None], dict[str, Any], Reason]] = [
    ("low", nothing, {"target": Target(1)}, Reason.LOW_DIFFICULTY),
    ("never shown", nothing, {"target": None}, Reason.UNKNOWN_JOB),
    ("odd time", nothing, {"ntime": 5}, Reason.BAD_NTIME),
    ("odd version", nothing, {"version": 0xFFFFFFFF}, Reason.BAD_VERSION),
    ("duplicate", submit_first, {}, Reason.DUPLICATE),
    ("stale", kill, {}, Reason.STALE),
]


@pytest.mark.parametrize(
    ("spoil", "changes", "expected"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS]
)
def test_a_block_is_seen_whatever_else_is_wrong(
    spoil: Callable[[JobBook, Entry], None], changes: dict[str, Any], expected: Reason
):
    """Law 13."""
    book = make_book()
    entry = book.add(JobMaker().make(block_target=MAX_TARGET), 0.0)
    spoil(book, entry)
    checked = book.check(SEAT, share_for(entry, **changes), NOW)
    assert (checked.reason, checked.block) == (expected, True)


def test_a_block_is_told_from_a_share_by_the_block_target_alone():
    book = make_book()
    entry = book.add(JobMaker().make(block_target=0), 0.0)
    checked = book.check(SEAT, share_for(entry), NOW)
    assert (checked.reason, checked.block) == (Reason.ACCEPTED, False)


@given(st.lists(st.floats(0, 40), min_size=1, max_size=20))
@settings(max_examples=30, deadline=None)
def test_a_refresh_has_a_new_id_and_a_later_time(pauses: list[float]):
    book = make_book()
    entry = book.add(JobMaker().make(ntime_max=NTIME + 300), 0.0)
    seen = [(entry.job.id, entry.job.ntime)]
    now = 0.0
    for pause in pauses:
        now += pause
        refreshed = book.refresh(now)
        if refreshed is None:
            assert seen[-1][1] >= NTIME + 300 or now >= 300
            continue
        assert refreshed.job.commitment == entry.job.commitment
        assert refreshed.job.id not in {job_id for job_id, _ in seen}
        assert seen[-1][1] < refreshed.job.ntime <= NTIME + 300
        seen.append((refreshed.job.id, refreshed.job.ntime))


def test_without_a_job_there_is_nothing_to_refresh():
    book = make_book()
    assert book.refresh(1.0) is None
    assert book.full is False


def test_a_full_table_is_refreshed_and_nothing_under_way_is_refused():
    book = make_book(shelf=ProofShelf(each=3))
    first = book.add(JobMaker().make(), 0.0)
    second = book.refresh(30.0)
    assert second is not None
    ahead = share_for(second, ntime=second.job.ntime + 60, nonce=99)
    shares = [ahead, share_for(first, nonce=1), share_for(second, nonce=2)]
    assert [reason(book, s) for s in shares] == [Reason.ACCEPTED] * 3
    assert not book.full
    assert reason(book, share_for(second, nonce=3)) is Reason.ACCEPTED
    full, third = book.full, book.refresh(60.0)
    assert third is not None
    assert (full, book.full) == (True, False)
    assert reason(book, share_for(second, nonce=4)) is Reason.ACCEPTED, "it was under way"
    assert reason(book, shares[2]) is Reason.DUPLICATE
    assert reason(book, share_for(third, nonce=2, ntime=second.job.ntime)) is Reason.DUPLICATE


def test_of_times_that_are_forgotten_no_share_counts_under_any_id():
    book = make_book(shelf=ProofShelf(each=1))
    first = book.add(JobMaker().make(), 0.0)
    share = share_for(first, nonce=1)
    assert reason(book, share) is Reason.ACCEPTED
    second, third = book.refresh(30.0), book.refresh(60.0)
    assert second is not None
    assert third is not None
    assert reason(book, share) is Reason.STALE
    assert reason(book, share_for(second, nonce=1, ntime=share.ntime)) is Reason.STALE
    assert reason(book, share_for(third, nonce=1, ntime=share.ntime)) is Reason.BAD_NTIME
    ahead = share_for(first, nonce=1, ntime=third.job.ntime)
    assert reason(book, ahead) is Reason.ACCEPTED, "the id lives"
    assert reason(book, share_for(third, nonce=1)) is Reason.DUPLICATE


def test_too_many_times_rolled_ahead_are_refused():
    book = make_book(shelf=ProofShelf(each=2))
    entry = book.add(JobMaker().make(), 0.0)
    shares = [share_for(entry, ntime=entry.job.ntime + 1, nonce=n) for n in range(3)]
    assert [reason(book, s) for s in shares] == [
        Reason.ACCEPTED,
        Reason.ACCEPTED,
        Reason.BAD_NTIME,
    ]


def test_a_reader_that_skips_jobs_still_refuses_every_dead_one():
    """Law 11: two tips passed by between two looks."""
    book, maker = make_book(), JobMaker()
    old: Job = maker.make(coinbase=b"1")
    entry = book.add(old, 0.0)
    maker.new_block()
    maker.make()
    maker.new_block()
    book.add(maker.make(), 2.0)
    assert reason(book, share_for(entry)) is Reason.STALE


A, B = (
    Payee(address=f"address {name}", script=name.encode(), networks=frozenset(Network))
    for name in ("a", "b")
)


def payer(maker: JobMaker, payee: Payee) -> Callable[[Job], Job]:
    """Make jobs for a payee: of the same tip and life as the one given, with other bytes."""

    def make(job: Job) -> Job:
        other = maker.make(coinbase=payee.script * 9)
        return replace(job, id=other.id, commitment=other.commitment)

    return make


def test_each_payee_has_a_job_of_its_own():
    book, maker = make_book(), JobMaker()
    entry = book.add(maker.make(), 0.0)
    a, b = (book.vary(entry, each, payer(maker, each)) for each in (A, B))
    assert a is not None
    assert b is not None
    assert len({entry.job.id, a.job.id, b.job.id}) == 3
    assert len({entry.upstream.id, a.upstream.id, b.upstream.id}) == 3
    assert (entry.payee, a.payee, b.payee) == ("", "address a", "address b")
    assert book.current is entry
    assert book.find(a.job.id) is a
    assert book.vary(entry, A, lambda _: pytest.fail("it is known")) is a
    for each in (entry, a, b):  # the same nonce: other bytes, so another proof
        share = share_for(each)
        assert reason(book, share) is Reason.ACCEPTED
        assert reason(book, share) is Reason.DUPLICATE
        wide = widen(each, SEAT, share)
        assert wide.job_id == each.upstream.id
        assert proof_of(each.upstream, wide) == book.check(SEAT, share, NOW).proof


def test_a_payees_job_lives_and_dies_with_the_others():
    book, maker = make_book(), JobMaker()
    a = book.vary(book.add(maker.make(), 0.0), A, payer(maker, A))
    assert a is not None
    maker.new_block()
    book.add(maker.make(), 1.0)
    assert reason(book, share_for(a)) is Reason.STALE
    for _ in range(REMEMBERED_TIPS):
        maker.new_block()
        book.add(maker.make(), 2.0)
    assert book.find(a.job.id) is None


def test_a_refresh_is_one_for_each_payee_too_and_counts_nothing_twice():
    book, maker = make_book(), JobMaker()
    first = book.vary(book.add(maker.make(), 0.0), A, payer(maker, A))
    again = book.refresh(30.0)
    assert first is not None
    assert again is not None
    later = book.vary(again, A, lambda _: pytest.fail("its job is known"))
    assert later is not None
    assert later.job.id != first.job.id
    assert later.job.ntime == again.job.ntime > first.job.ntime
    assert later.upstream is first.upstream
    assert reason(book, share_for(first)) is Reason.ACCEPTED
    assert reason(book, share_for(later, ntime=first.job.ntime)) is Reason.DUPLICATE


def test_a_payees_proofs_are_kept_when_the_source_tells_its_job_again():
    book, maker = make_book(), JobMaker()
    job = maker.make()
    paying = payer(maker, A)
    first = book.vary(book.add(job, 0.0), A, paying)
    again = book.vary(book.add(replace(job, id=JobId(900)), 1.0), A, paying)
    assert first is not None
    assert again is not None
    assert reason(book, share_for(first)) is Reason.ACCEPTED
    assert reason(book, share_for(again, ntime=first.job.ntime)) is Reason.DUPLICATE


def test_a_full_table_of_one_payee_asks_for_a_refresh():
    book, maker = make_book(shelf=ProofShelf(each=1)), JobMaker()
    a = book.vary(book.add(maker.make(), 0.0), A, payer(maker, A))
    assert a is not None
    assert not book.full
    assert reason(book, share_for(a)) is Reason.ACCEPTED
    assert book.full


def test_a_narrower_mask_binds_the_payees_jobs_too():
    book, maker = make_book(), JobMaker()
    a = book.vary(book.add(maker.make(), 0.0), A, payer(maker, A))
    assert a is not None
    book.add(maker.make(coinbase=b"2", mask=0x1C000000), 1.0)
    assert a.mask == BIP320_MASK & 0x1C000000


def test_who_is_paid_already_shares_the_entry_and_who_cannot_be_has_none():
    book, maker = make_book(), JobMaker()
    entry = book.add(maker.make(), 0.0)
    assert book.vary(entry, A, lambda job: job) is entry
    assert book.vary(entry, B, lambda _: None) is None
    assert entry.variants == {}


def other_layouts() -> tuple[JobBook, JobBook]:
    """Make a book, and the one that follows when a pool leaves less room."""
    ids = itertools.count(1)
    before = JobBook(fit(8), ids, PythonHasher())
    return before, JobBook(fit(4), ids, PythonHasher(), before=before)


def test_shares_of_the_layout_before_are_judged_by_their_own_book():
    before, book = other_layouts()
    maker = JobMaker()
    old = before.add(maker.make(), 0.0)
    new = book.add(maker.make(coinbase=b"2", size=4), 1.0)
    seat = msgspec.structs.replace(SEAT, slice=b"\x00\x07", size=2)
    assert book.find(old.job.id) is old
    assert book.layout_of(old.job.id) is before.layout
    assert book.layout_of(new.job.id) is book.layout
    assert reason(book, share_for(old)) is Reason.ACCEPTED
    assert reason(book, share_for(old)) is Reason.DUPLICATE
    assert reason(book, share_for(new, extranonce=b"ab"), seat=seat) is Reason.ACCEPTED
    book.note_generation(maker.lineage.source, 1)
    assert reason(book, share_for(old)) is Reason.STALE
    book.before = None
    assert reason(book, share_for(old)) is Reason.UNKNOWN_JOB
    assert book.layout_of(old.job.id) is book.layout


def test_a_share_counts_once_though_the_layout_changed_in_between():
    before, book = other_layouts()
    maker = JobMaker()
    job = maker.make()
    old = before.add(job, 0.0)
    new = book.add(job, 1.0)
    assert new.job.ntime > old.job.ntime  # so that nobody hashes the same again
    # The free bytes are 0000 | 0000 | 00056162 then, and 00000000 | 0005 | 6162 now.
    seat, now = (
        msgspec.structs.replace(SEAT, slice=b"\x00\x00"),
        msgspec.structs.replace(SEAT, slice=b"\x00\x05", size=2),
    )
    share = share_for(old, extranonce=b"\x00\x05ab")
    twin = share_for(new, extranonce=b"ab", ntime=old.job.ntime)
    assert widen(old, seat, share) == widen(new, now, twin)
    assert reason(book, share, seat=seat) is Reason.ACCEPTED
    assert reason(book, twin, seat=now) is Reason.DUPLICATE


def test_the_jobs_of_a_book_are_within_one_bound():
    shelf = ProofShelf(total=2)
    book, maker = make_book(shelf=shelf), JobMaker()
    first = book.add(maker.make(coinbase=b"1"), 0.0)
    shares = [share_for(first, nonce=nonce) for nonce in range(3)]
    assert [reason(book, each) for each in shares] == [Reason.ACCEPTED] * 3
    book.add(maker.make(coinbase=b"2"), 5.0)
    shelf.look(6.0)
    assert reason(book, shares[0]) is Reason.DUPLICATE, "shares are under way still"
    shelf.look(60.0)
    assert reason(book, shares[0]) is Reason.STALE, "whether it counted is forgotten"
    assert reason(book, share_for(first, nonce=9)) is Reason.STALE
    again = book.add(maker.make(coinbase=b"1"), 61.0)
    assert reason(book, share_for(again, nonce=0)) is Reason.ACCEPTED, "at a later time"
