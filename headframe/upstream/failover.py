"""`FailoverSource`: several sources, in order of preference, that look like one.

The first source is always wanted. The next one is started when all before it have
failed, or, as a hot standby, at once. A source that is back is taken again when it has
been stable for a while, so that one that comes and goes does not pull us to and fro.
"""

from collections.abc import Callable, Sequence

from headframe.runtime.retry import Backoff
from headframe.upstream.base import JobSource
from headframe.upstream.group import GroupOptions, SourceGroup
from headframe.upstream.strategy import FailoverStrategy

__all__ = ["FailoverSource"]


class FailoverSource(SourceGroup):
    """A `JobSource` that uses the first of its sources that works.

    Args:
        sources: at least one, the preferred first.
        standby: keep the source after the one in use connected, so that a switch loses no
            time.
        hold_seconds: how long the last job is kept when no source has work.
        linger_seconds: how long a source stays connected when one before it is back.
        stable_seconds: how long a source must have had work before it is preferred to one
            that is in use.
        backoff: makes the pauses between two tries of one source.
    """

    def __init__(
        self,
        sources: Sequence[JobSource],
        *,
        standby: bool = False,
        hold_seconds: float = 60.0,
        linger_seconds: float = 30.0,
        stable_seconds: float = 60.0,
        backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
        options = GroupOptions(
            hold_seconds=hold_seconds,
            linger_seconds=linger_seconds,
            stable_seconds=stable_seconds,
            backoff=backoff,
        )
        super().__init__(sources, FailoverStrategy(standby=standby), options)
