from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.share import Reason
from native.table import PythonTable
from proxy.proofs import IN_FLIGHT, Proofs


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
