"""`Choir`: the rigs of a route that are shown each job in the same words, at the same time.

Nearly all of them are, nearly always: a rig's target, its version bits and its place change
seldom, and nothing else makes its line differ from that of the rig beside it. So for a member
nothing is done at a new job but to send the line. What it was shown last is the choir's entry.

A member leaves before anything about it changes: a new target, a request of its rig that is no
share, another place, route or payee. It is shown that by itself, and joins again at the
next job. Where the jobs themselves change in what rigs are told beside them (another upstream,
its target, its version mask) there is a new choir, and all are shown by themselves once.
"""

from headframe.stratum.sv1.chorus import Chorus
from proxy.jobbook import Entry

__all__ = ["Choir"]


class Choir:
    """What its members have in common.

    Attributes:
        chorus: remembers the jobs, for the connections.
        entry: what all were shown last; `None` before the first.
        epoch: of the last job that went to all of them; with another one they must drop
            their work. `None` when there was none, or a newer one cut the last short.
    """

    __slots__ = ("chorus", "entry", "epoch")

    def __init__(self) -> None:
        self.chorus = Chorus()
        self.entry: Entry | None = None
        self.epoch: int | None = None

    def takes(self, entry: Entry) -> bool:
        """Say whether an entry may follow the last one without a word beside its line."""
        last = self.entry
        return last is None or (
            last.upstream.source == entry.upstream.source
            and last.upstream.target == entry.upstream.target
            and last.job.version_mask == entry.job.version_mask
        )

    def begin(self, entry: Entry, lane: bytes) -> bytes:
        """Turn to an entry; return the line that is to be sent to each member.

        Args:
            entry: it takes this one.
            lane: of the layout that the members sit in.
        """
        clean, self.epoch = entry.upstream.epoch != self.epoch, None
        self.entry = entry
        return self.chorus.show(entry.job, lane, clean=clean)

    def finish(self) -> None:
        """Take note that the line went to all."""
        self.epoch = None if self.entry is None else self.entry.upstream.epoch
