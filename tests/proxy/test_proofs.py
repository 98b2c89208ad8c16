from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.share import Reason
from native.table import PythonTable
from proxy.proofs import IN_FLIGHT, Proofs, ProofShelf


def make(limit: int, shown: int = 100) -> Proofs:
    return Proofs(limit, shown, PythonTable)


def test_a_proof_is_remembered_with_its_time():
    proofs = make(limit=3)
    assert not proofs.has(1, 100)
    assert proofs.record(1, 100) is Reason.ACCEPTED
    assert proofs.has(1, 100)
    assert not proofs.has(2, 100)
    assert proofs.record(2, 90) is Reason.ACCEPTED
    assert proofs.has(2, 90)


def test_nothing_is_forgotten_before_it_is_full():
    proofs = make(limit=3)
    for time in (100, 130, 160):
        proofs.show(time)
        proofs.record(time, time)
        assert proofs.floor == 0
    assert proofs.full
    assert all(proofs.has(time, time) for time in (100, 130, 160))


def test_when_it_is_full_the_time_shown_last_stays_open():
    proofs = make(limit=3)
    for time in (100, 130, 160):
        proofs.show(time)
        proofs.record(time, time)
    proofs.show(190)
    assert not proofs.full
    assert proofs.floor == 160, "of an id shown 30 s ago shares are under way"
    assert proofs.has(160, 160)
    assert not proofs.has(130, 130)


def test_times_shown_in_quick_succession_stay_open_for_a_while():
    proofs = make(limit=1)
    for time in range(100, 130):
        proofs.show(time)
        proofs.record(time, time)
        assert proofs.floor <= time - IN_FLIGHT
    assert proofs.floor == 129 - IN_FLIGHT
    assert [time for time in range(100, 130) if proofs.has(time, time)] == list(
        range(proofs.floor, 130)
    )


def test_what_was_rolled_ahead_is_bounded_by_itself_and_kept_until_its_time_has_passed():
    proofs = make(limit=2)
    assert proofs.record(1, 170) is Reason.ACCEPTED
    assert proofs.record(2, 101) is Reason.ACCEPTED
    assert proofs.record(3, 101) is Reason.BAD_NTIME
    assert proofs.record(2, 101) is Reason.DUPLICATE
    full = [proofs.full]  # not yet: to show another time would not help
    proofs.show(130)
    assert proofs.has(2, 101)
    assert proofs.record(4, 131) is Reason.ACCEPTED, "one of them has been overtaken"
    proofs.record(5, 130)
    assert [*full, proofs.full] == [False, True]
    proofs.show(160)
    assert proofs.floor == 130
    assert not proofs.has(2, 101)
    assert proofs.has(1, 170)


def test_a_proof_that_is_recorded_twice_is_counted_once():
    proofs = make(limit=2)
    assert proofs.record(1, 100) is Reason.ACCEPTED
    assert proofs.record(1, 100) is Reason.DUPLICATE
    assert not proofs.full


def test_all_can_be_forgotten():
    proofs = make(limit=1)
    proofs.record(1, 100)
    proofs.record(2, 101)
    proofs.clear()
    assert not proofs.full
    assert not proofs.has(1, 100)
    assert proofs.record(3, 101) is Reason.ACCEPTED


steps = st.one_of(
    st.tuples(st.just("show"), st.integers(1, 40)),
    st.tuples(st.just("share"), st.integers(-50, 60)),
)


@settings(max_examples=100, deadline=None)
@given(limit=st.integers(1, 8), script=st.lists(st.tuples(steps, st.integers(0, 5)), max_size=80))
def test_what_counted_and_may_still_count_is_always_found(
    limit: int, script: list[tuple[tuple[str, int], int]]
) -> None:
    proofs, counted = make(limit, shown=100), set[tuple[int, int]]()
    for (what, amount), key in script:
        if what == "show":
            before = proofs.shown
            proofs.show(before + amount)
            assert proofs.floor <= before, "what was shown until now is open"
            continue
        ntime = proofs.shown + amount
        if ntime < proofs.floor:
            continue
        known = (key, ntime) in counted
        assert proofs.has(key, ntime) is known
        reason = proofs.record(key, ntime)
        assert (reason is Reason.DUPLICATE) is known
        if reason is Reason.ACCEPTED:
            counted.add((key, ntime))
        ahead = {each for each in counted if each[1] > proofs.shown}
        assert len(ahead) <= limit


def filled(shelf: ProofShelf, count: int, left_at: float | None = None) -> Proofs:
    """Proofs of a job, all of the time that was shown."""
    proofs = shelf.make(100)
    for key in range(1, count + 1):
        assert proofs.record(key, 100) is Reason.ACCEPTED
    proofs.left_at = left_at
    return proofs


def test_within_the_bound_of_all_nothing_is_forgotten():
    shelf = ProofShelf(total=10)
    jobs = [filled(shelf, 5, left_at=0.0), filled(shelf, 5)]
    shelf.look(1000.0)
    assert shelf.count == 10
    assert not any(each.full or each.floor for each in jobs)


def test_above_it_jobs_that_were_left_go_first_the_longest_ago_first():
    shelf = ProofShelf(total=10)
    left = [filled(shelf, 4, left_at=float(at)) for at in (7, 3, 5)]
    newest = filled(shelf, 6)
    shelf.look(500.0)
    assert [each.count for each in left] == [4, 0, 0]
    assert [each.floor for each in left] == [0, 101, 101]
    assert not newest.full


def test_shares_under_way_for_a_job_that_was_just_left_count():
    shelf = ProofShelf(total=10)
    left, newest = filled(shelf, 9, left_at=100.0), filled(shelf, 3)
    shelf.look(100.0 + IN_FLIGHT - 1)
    assert (left.count, left.floor) == (9, 0)
    wanted = [newest.full]  # it is the largest that rigs work on
    newest.show(130)
    assert [*wanted, newest.full] == [True, False]
    shelf.look(100.0 + IN_FLIGHT)
    assert left.count == 0


def test_the_largest_of_those_that_rigs_work_on_is_refreshed():
    shelf = ProofShelf(total=10)
    small, large = filled(shelf, 5), filled(shelf, 7)
    shelf.look(0.0)
    assert [small.full, large.full] == [False, True]
    large.show(130)
    assert (large.count, large.floor) == (7, 100), "what was shown last is under way"
    shelf.look(1.0)
    large.show(160)
    assert (large.count, large.floor) == (0, 130)
    assert not large.full


def test_given_up_proofs_never_count_again_and_later_times_do():
    shelf = ProofShelf(total=1)
    proofs = filled(shelf, 3, left_at=0.0)
    assert proofs.record(99, 140) is Reason.ACCEPTED, "rolled ahead"
    shelf.look(60.0)
    assert (proofs.floor, proofs.shown, proofs.count) == (141, 140, 0)
    proofs.left_at = None  # the same work is shown again
    proofs.show(proofs.shown + 1)
    assert proofs.record(5, proofs.shown) is Reason.ACCEPTED


def test_jobs_that_are_gone_do_not_count():
    shelf = ProofShelf(total=1)
    filled(shelf, 50)
    assert shelf.count == 0
