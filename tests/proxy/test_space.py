"""One allocator for all routes: no two rigs ever search the same, wherever they go."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from headframe.chain.job import SourceId
from proxy.slices import Layout, LayoutError, Lease, NoSliceLeftError
from proxy.space import Space, SpaceSettings

SOURCES = tuple(map(SourceId, ("a", "b", "c")))


def test_the_layout_fits_the_upstream_that_leaves_the_least():
    space = Space()
    assert space.layout is None
    assert not space.fits(8)
    assert space.shrink(8) == Layout(slice_size=2, rollable=4)
    assert space.fits(6)
    assert not space.fits(4)
    first = space.slices
    assert space.shrink(4) == Layout(slice_size=2, rollable=2)
    assert space.slices is not first


def test_one_that_leaves_nothing_changes_nothing():
    space = Space()
    layout, slices = space.shrink(8), space.slices
    with pytest.raises(LayoutError, match="leaves 2 extranonce bytes"):
        space.shrink(2)
    assert (space.layout, space.slices) == (layout, slices)


def test_settings_are_kept_to():
    space = Space(SpaceSettings(lane=b"\x09", slice_size=1, rollable=3, slice_first=4, slice_end=5))
    assert space.shrink(8) == Layout(lane=b"\x09", slice_size=1, rollable=3)
    assert space.slices is not None
    assert space.slices.take().value == b"\x04"
    with pytest.raises(NoSliceLeftError):
        space.slices.take()


def test_a_slice_waits_for_every_route_it_was_shown_on():
    space = Space(SpaceSettings(slice_first=0, slice_end=1))
    space.shrink(8)
    slices = space.slices
    assert slices is not None
    lease = slices.take()
    for source in SOURCES[:2]:
        space.note_generation(source, 1)
        lease.mark((source, 1))
    lease.release()
    space.note_generation(SOURCES[0], 2)
    assert slices.quarantined == 1, "the other route's job still lives"
    space.note_generation(SOURCES[1], 2)
    assert slices.quarantined == 0


def test_what_was_taken_out_holds_no_slice_for_ever():
    space = Space()
    space.shrink(8)
    assert space.slices is not None
    lease = space.slices.take()
    space.note_generation(SOURCES[0], 5)
    lease.mark((SOURCES[0], 5))
    lease.release()
    space.bury(SOURCES[0])
    assert space.slices.quarantined == 0
    assert not space.is_alive((SOURCES[0], 5))


def test_one_rig_may_have_what_cannot_be_shared():
    alone = Space(SpaceSettings(alone=True))
    assert alone.shrink(8).slice_size == 2
    layout = alone.shrink(2)
    assert (layout.slice_size, layout.rollable) == (0, 2)
    assert alone.slices is not None
    assert alone.slices.take().value == b""
    with pytest.raises(NoSliceLeftError):
        alone.slices.take()
    with pytest.raises(LayoutError):
        alone.shrink(0)


def test_where_there_is_one_upstream_that_is_so_for_what_it_leaves_at_first_alone():
    space = Space(SpaceSettings(bound=True))
    assert space.shrink(1).slice_size == 0
    later = Space(SpaceSettings(bound=True))
    later.shrink(8)
    with pytest.raises(LayoutError, match="rigs_per_connection = 1"):
        later.shrink(2)


class Moves(RuleBasedStateMachine):
    """Rigs that join, move between routes and leave, and routes whose jobs die."""

    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.space = Space(SpaceSettings(slice_first=0, slice_end=6))
        self.space.shrink(8)
        self.now = dict.fromkeys(SOURCES, 1)
        self.shown: dict[int, set[tuple[SourceId, int]]] = {}
        self.held: dict[int, Lease] = {}
        self.gone: list[tuple[bytes, set[tuple[SourceId, int]]]] = []

    def show(self, lease: Lease, source: SourceId) -> None:
        mark = (source, self.now[source])
        lease.mark(mark)
        self.shown[id(lease)].add(mark)

    @rule(target=leases, source=st.sampled_from(SOURCES))
    def join(self, source: SourceId) -> Lease | None:
        assert self.space.slices is not None
        try:
            lease = self.space.slices.take()
        except NoSliceLeftError:
            return None
        for value, marks in self.gone:
            if value == lease.value:
                assert not any(self.now[each] <= number for each, number in marks)
        self.shown[id(lease)] = set()
        self.held[id(lease)] = lease
        self.show(lease, source)
        return lease

    @rule(lease=leases, source=st.sampled_from(SOURCES))
    def move(self, lease: Lease | None, source: SourceId) -> None:
        if lease is not None and id(lease) in self.held:
            self.show(lease, source)

    @rule(lease=consumes(leases))
    def leave(self, lease: Lease | None) -> None:
        if lease is not None:
            self.gone.append((lease.value, self.shown.pop(id(lease))))
            del self.held[id(lease)]
            lease.release()

    @rule(source=st.sampled_from(SOURCES))
    def new_block(self, source: SourceId) -> None:
        self.now[source] += 1
        self.space.note_generation(source, self.now[source])

    @invariant()
    def no_slice_is_held_twice(self) -> None:
        values = [lease.value for lease in self.held.values()]
        assert len(set(values)) == len(values)


Moves.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestMoves = Moves.TestCase
