"""Jobs that thousands of rigs are shown in the same words, remembered once for all of them.

What a job costs a proxy is mostly what it does for each rig. A connection whose difficulty,
version bits and place stay as they are needs nothing of its own when there is a new job: the
line is the same for all, and so is what is to be remembered. Such connections hear a `Chorus`;
one leaves it by itself before anything about it changes.
"""

from typing import Final, NamedTuple, Protocol

from headframe.chain.job import Job, JobId
from headframe.stratum.sv1.jobs import NOTIFY_LINES

__all__ = ["MAX_OFFERS", "Chorus", "Member", "Song"]

MAX_OFFERS: Final = 64
"""Jobs remembered for a connection. With a new one each 30 s that is half an hour, longer
than any pool takes shares for a job; it costs some 10 kB where each is remembered apart."""


class Member(Protocol):
    """Whose connection hears a chorus."""

    def parted(self) -> None:
        """Take note that it hears it no more: what it was shown last is the chorus's newest."""


class Song(NamedTuple):
    """A job that was shown to all.

    Attributes:
        number: counts what the chorus showed, from 1 on.
        job_id: our id.
        version: of the job.
    """

    number: int
    job_id: JobId
    version: int


class Chorus:
    """The newest jobs that many connections were shown together.

    Attributes:
        count: the number of the newest.
    """

    __slots__ = ("_songs", "count")

    def __init__(self) -> None:
        self._songs: dict[str, Song] = {}  # by the job's id on the wire
        self.count = 0

    def show(self, job: Job, lane: bytes, *, clean: bool) -> bytes:
        """Note a job; return the line that shows it, which goes to every connection.

        Args:
            job: one that was not shown before, of the same version mask and as many free bytes
                as those before it.
            lane: the extranonce bytes that come before those of the connections.
            clean: they must drop their earlier work.

        Raises:
            LocalProtocolError: the job's root is fixed.
        """
        line = NOTIFY_LINES.line(job, lane, clean=clean)
        self.count += 1
        self._songs[f"{job.id:x}"] = Song(self.count, job.id, job.version)
        if len(self._songs) > MAX_OFFERS:
            del self._songs[next(iter(self._songs))]
        return line

    def find(self, text: str, since: int) -> Song | None:
        """Find a job by its id on the wire, if it was shown by then: `since` is its number."""
        song = self._songs.get(text)
        return None if song is None or song.number < since else song

    def heard(self, since: int) -> dict[str, Song]:
        """Return what was shown from a number on, by its id on the wire, the oldest first."""
        return {text: song for text, song in self._songs.items() if song.number >= since}
