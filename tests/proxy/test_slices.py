from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headframe.chain.job import SourceId
from proxy.slices import Layout, LayoutError, Lease, NoSliceLeftError, Slices, fit

POOL = SourceId("pool")


@pytest.mark.parametrize(
    ("free", "slice_size", "rollable", "padding"),
    [(3, 1, 2, 0), (4, 2, 2, 0), (5, 2, 2, 1), (6, 2, 4, 0), (7, 2, 4, 1), (8, 2, 4, 2)],
)
def test_the_default_layout_is_the_one_documented(free, slice_size, rollable, padding):
    layout = fit(free)
    assert (layout.slice_size, layout.rollable) == (slice_size, rollable)
    assert len(layout.padding(free)) == padding


def test_a_second_proxy_fits_behind_the_first():
    first = fit(8)
    assert fit(first.rollable) == Layout(slice_size=2, rollable=2)


@pytest.mark.parametrize("free", [0, 1, 2])
def test_too_little_room_is_refused_with_what_would_do(free):
    with pytest.raises(LayoutError, match=rf"leaves {free} extranonce bytes.*at least 3"):
        fit(free)


def test_a_configured_size_that_does_not_fit_is_refused():
    assert fit(8, slice_size=4, rollable=4) == Layout(slice_size=4, rollable=4)
    with pytest.raises(LayoutError, match="at least 9"):
        fit(8, slice_size=4, rollable=4, lane=b"\x01")


def test_a_lane_takes_its_bytes_from_the_job():
    layout = fit(5, lane=b"\x07")
    assert layout == Layout(lane=b"\x07", slice_size=2, rollable=2)
    assert layout.width == 5


def test_a_smaller_job_later_does_not_fit_the_layout():
    with pytest.raises(LayoutError, match=r"leaves 4 extranonce bytes.*layout of 6"):
        fit(8).padding(4)


def test_whoever_comes_back_with_its_session_gets_its_slice():
    slices = Slices(1, end=4)
    lease = slices.take()
    session = slices.session_of(lease.value)
    slices.take()
    lease.mark((POOL, 1))
    assert slices.take(session).value != lease.value, "not while it is held"
    lease.release()
    again = slices.take(session)
    assert again.value == lease.value
    assert again.marks == {(POOL, 1)}, "it rests on as before when it is given back"
    again.release()
    slices.sweep(lambda _mark: False)
    last = slices.take(session)
    assert last.value == lease.value
    assert slices.held == 3
    assert slices.free == 1


def test_what_a_holder_leaves_for_itself_rests_with_its_slice():
    slices = Slices(2)
    left, plain = slices.take(), slices.take()
    left.keepsake, plain.keepsake = "shown", None
    for lease in (left, plain):
        lease.mark((POOL, 1))
        lease.release()
    assert slices.take(slices.session_of(plain.value)).keepsake is None
    again = slices.take(slices.session_of(left.value))
    assert again.keepsake == "shown"
    again.release()
    slices.sweep(lambda _mark: False)  # its jobs are dead
    assert slices.take(slices.session_of(left.value)).keepsake is None


def test_only_so_many_keepsakes_are_kept():
    slices = Slices(2)
    leases = [slices.take() for _ in range(5000)]
    for lease in leases:
        lease.keepsake = "shown"
        lease.mark((POOL, 1))
        lease.release()
    kept = [lease.keepsake is not None for lease in leases]
    assert kept == [False] * (5000 - 4096) + [True] * 4096


@pytest.mark.parametrize("session", ["", "00", "zz", "00ffffffff", "0000000000 ", "\u0661" * 10])
def test_a_session_that_was_never_given_is_nobodys(session):
    slices = Slices(1, key=b"key")
    slices.take().release()
    with slices.take(session) as lease:
        assert lease.value == b"\x01"


def test_sessions_are_those_of_one_allocator():
    one, two = Slices(2, key=b"one"), Slices(2, key=b"two")
    assert one.session_of(b"\0\0") != two.session_of(b"\0\0")
    assert Slices(2).session_of(b"\0\0") != Slices(2).session_of(b"\0\0")


@given(st.integers(3, 40), st.binary(max_size=3))
def test_padding_lane_slice_and_rollable_fill_the_job_exactly(free, lane):
    if free < len(lane) + 3:
        with pytest.raises(LayoutError):
            fit(free, lane=lane)
        return
    layout = fit(free, lane=lane)
    assert layout.rollable >= 2
    assert len(layout.padding(free)) + layout.width == free


def test_slices_stay_within_their_range():
    slices = Slices(1, first=10, end=12)
    with slices.take() as one, slices.take() as two:
        assert {one.value, two.value} == {b"\x0a", b"\x0b"}
        with pytest.raises(NoSliceLeftError, match=r"all 2 extranonce slices.*2 in use"):
            slices.take().__enter__()


@pytest.mark.parametrize(("first", "end"), [(5, 5), (0, 257), (-1, 4)])
def test_a_range_outside_the_slice_is_refused(first, end):
    with pytest.raises(ValueError, match="do not lie in"):
        Slices(1, first=first, end=end)


def test_a_slice_rests_until_all_jobs_it_was_shown_on_are_dead():
    slices = Slices(1, end=1)
    with slices.take() as lease:
        lease.marks |= {(POOL, 1), (POOL, 2)}
    slices.sweep(lambda mark: mark[1] >= 2)
    assert (slices.quarantined, slices.free) == (1, 0)
    with pytest.raises(NoSliceLeftError, match="1 resting"):
        slices.take().__enter__()
    slices.sweep(lambda mark: mark[1] >= 3)
    with slices.take() as again:
        assert again.value == lease.value


def test_a_slice_that_was_never_shown_is_free_at_once():
    slices = Slices(1, end=1)
    with slices.take():
        pass
    assert (slices.held, slices.quarantined, slices.free) == (0, 0, 1)


class SlicesMachine(RuleBasedStateMachine):
    """Law 12: over joins, leaves and dying jobs, no two live or resting slices meet."""

    def __init__(self):
        super().__init__()
        self.slices = Slices(1, first=3, end=9)
        self.generation = 0
        self.seats: list[tuple[ExitStack, Lease]] = []
        self.resting: list[Lease] = []

    def alive(self, mark):
        return mark[1] >= self.generation

    @rule()
    def join(self):
        stack = ExitStack()
        try:
            lease = stack.enter_context(self.slices.take())
        except NoSliceLeftError:
            assert len(self.seats) + len(self.resting) == 6
            return
        self.seats.append((stack, lease))

    @rule(index=st.integers(0, 5))
    def show(self, index):
        if index < len(self.seats):
            self.seats[index][1].mark((POOL, self.generation))

    @precondition(lambda self: self.seats)
    @rule(index=st.integers(0, 5))
    def leave(self, index):
        stack, lease = self.seats.pop(index % len(self.seats))
        stack.close()
        if lease.marks:
            self.resting.append(lease)

    @precondition(lambda self: self.resting)
    @rule(index=st.integers(0, 5))
    def come_back(self, index):
        before = self.resting.pop(index % len(self.resting))
        stack = ExitStack()
        session = self.slices.session_of(before.value)
        lease = stack.enter_context(self.slices.take(session))
        assert (lease.value, lease.marks) == (before.value, before.marks)
        self.seats.append((stack, lease))

    @rule()
    def new_block(self):
        self.generation += 1
        self.slices.sweep(self.alive)
        self.resting = [x for x in self.resting if any(map(self.alive, x.marks))]

    @invariant()
    def nobodys_bytes_begin_anothers(self):
        values = [lease.value for _, lease in self.seats] + [x.value for x in self.resting]
        for i, one in enumerate(values):
            assert not any(one.startswith(other) for other in values[:i] + values[i + 1 :])

    @invariant()
    def every_slice_is_somewhere(self):
        assert self.slices.held == len(self.seats)
        assert self.slices.quarantined == len(self.resting)
        assert self.slices.free == 6 - len(self.seats) - len(self.resting)


SlicesMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestSlices = SlicesMachine.TestCase
