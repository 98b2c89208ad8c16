"""`QuotaSource` and `RotateSource`: several sources, each worked for in turn.

There is one newest job at a time, so a share of the work is a share of the time. All
sources stay connected, so that a turn begins with a job that is there, and late shares
of the turn before reach the pool that made their job.
"""

from collections.abc import Sequence

from headframe.upstream.base import JobSource
from headframe.upstream.group import GroupOptions, SourceGroup
from headframe.upstream.strategy import QuotaStrategy, RotateStrategy

__all__ = ["QuotaSource", "RotateSource"]


class QuotaSource(SourceGroup):
    """A `JobSource` that shares the work out by weight.

    Args:
        sources: at least one.
        weights: of each source; one with 0 is used only when none of the others works.
        turn_seconds: how long one is worked for before the shares are compared again.
        options: how patient it is.

    Raises:
        ValueError: not a weight for each source, or none above zero.
    """

    def __init__(
        self,
        sources: Sequence[JobSource],
        weights: Sequence[float],
        *,
        turn_seconds: float,
        options: GroupOptions,
    ) -> None:
        if len(weights) != len(sources):
            raise ValueError(f"{len(sources)} sources need as many weights, not {len(weights)}")
        super().__init__(sources, QuotaStrategy(weights, turn_seconds), options)


class RotateSource(SourceGroup):
    """A `JobSource` that works for each source in turn, for the same time.

    Args:
        sources: at least one.
        turn_seconds: how long one is worked for.
        options: how patient it is.
    """

    def __init__(
        self, sources: Sequence[JobSource], *, turn_seconds: float, options: GroupOptions
    ) -> None:
        super().__init__(sources, RotateStrategy(turn_seconds), options)
