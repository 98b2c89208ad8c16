"""The extranonce of a process: one layout and one allocator, whatever routes there are.

A rig keeps its place when it goes from one route to another, so all rigs of the process
have places of the same shape, cut to fit the upstream that leaves the least. Whoever
offers less than any before makes the layout smaller, for good: then all rigs need another
place.
"""

from collections.abc import Callable
from dataclasses import dataclass

from headframe.chain.job import SourceId
from proxy.slices import Layout, LayoutError, Mark, Slices, fit

__all__ = ["Space", "SpaceSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceSettings:
    """How the extranonce is cut.

    Attributes:
        lane: extranonce bytes that name this process.
        slice_size: bytes of a slice; `None`: as the upstream's room allows.
        rollable: bytes that rigs roll; `None`: as the upstream's room allows.
        slice_first: the least slice that is ours.
        slice_end: one more than the largest; `None`: all there are.
        alone: where there is no room to share, one rig may have all of it.
        bound: so it may where the first upstream of all leaves no room.
    """

    lane: bytes = b""
    slice_size: int | None = None
    rollable: int | None = None
    slice_first: int = 0
    slice_end: int | None = None
    alone: bool = False
    bound: bool = False


class Space:
    """Layout and slices of a process.

    Args:
        settings: how it is cut.
    """

    def __init__(self, settings: SpaceSettings | None = None) -> None:
        self._settings = settings or SpaceSettings()
        self._generations: dict[SourceId, int] = {}
        self.watchers: list[Callable[[], None]] = []
        """Called when there is a new layout."""
        self.layout: Layout | None = None
        """How the extranonce is cut; `None` before the first job."""
        self.slices: Slices | None = None
        """The slices of that layout."""

    def fits(self, free: int) -> bool:
        """Say whether a job has room for the layout there is."""
        return self.layout is not None and free >= self.layout.width

    def shrink(self, free: int) -> Layout:
        """Make the layout for a job that has no room for the one before, if there was one.

        Args:
            free: the job's free extranonce bytes.

        Raises:
            LayoutError: it has no room for any; the layout stays.
        """
        known = self._settings
        try:
            layout = fit(
                free, lane=known.lane, slice_size=known.slice_size, rollable=known.rollable
            )
        except LayoutError:
            may = known.alone or (known.bound and self.layout is None)
            if not may or free < 1:
                raise
            layout, self.slices = Layout(slice_size=0, rollable=free), Slices(0)
        else:
            self.slices = Slices(layout.slice_size, first=known.slice_first, end=known.slice_end)
        self.layout = layout
        for watcher in tuple(self.watchers):
            watcher()
        return layout

    def note_generation(self, source: SourceId, generation: int) -> None:
        """Learn that a source's jobs of smaller generations are dead, and so their slices free."""
        if generation > self._generations.get(source, 0):
            self._generations[source] = generation
        if self.slices is not None:
            self.slices.sweep(self.is_alive)

    def bury(self, source: SourceId) -> None:
        """Learn that a source was taken out, and that all its jobs are dead."""
        self.note_generation(source, self._generations.get(source, 0) + 1)

    def is_alive(self, mark: Mark) -> bool:
        """Say whether shares of such jobs may still count."""
        source, generation = mark
        return generation >= self._generations.get(source, 0)
