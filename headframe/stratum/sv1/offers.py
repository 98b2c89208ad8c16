"""What a rig was shown: its jobs with their targets, and the difficulty line."""

import struct
from functools import lru_cache
from typing import Final, NamedTuple

from headframe.chain.job import Job, JobId
from headframe.chain.share import Reason
from headframe.chain.target import Target
from headframe.stratum.errors import RemoteProtocolError
from headframe.stratum.events import ShareSubmitted, Ticket
from headframe.stratum.numbers import Numbers, difficulty_for, written
from headframe.stratum.sv1.chorus import MAX_OFFERS, Chorus, Song
from headframe.stratum.sv1.dialect import bytes_from_hex, u32_from_hex
from headframe.stratum.sv1.messages import SubmitParams

__all__ = ["MAX_OFFERS", "Offer", "Offers", "difficulty_line"]

_RECALLED: Final = 8
"""Jobs whose shares may still be under way when a rig connects again."""

_TWO_WORDS: Final = struct.Struct(">II").unpack_from
_UNKNOWN: Final = JobId(-1)
_USUAL_VERSION: Final = 0x20000000
_ID_DIGITS: Final = frozenset("0123456789abcdef")


class Offer(NamedTuple):
    """What was shown under a job id.

    Attributes:
        job_id: our id; -1 when the peer's text is none of ours.
        version: of the job.
        mask: version bits that the rig could roll when it was shown.
        size: bytes of extranonce2, or -1 when the job was not shown.
        target: what the rig was asked for; `None` when the job was not shown.
    """

    job_id: JobId
    version: int
    mask: int
    size: int
    target: Target | None


_NOTHING: Final[dict[str, Offer]] = {}
"""Of all who were shown nothing by themselves; never written to."""


@lru_cache(maxsize=1024)
def _shown(
    job_id: JobId, version: int, mask: int, size: int, target: Target | None
) -> tuple[str, Offer]:
    """Make an offer and its id on the wire: of thousands of rigs that are shown the same."""
    return f"{job_id:x}", Offer(job_id, version, mask, size, target)


class Offers:
    """The newest jobs that were shown on one connection, by their id on the wire.

    Those that it was shown with many others are looked up in their chorus.
    """

    __slots__ = ("_alike", "_by_text", "_chorus", "_since")
    _alike: Offer  # what is the same in all that it hears
    _since: int  # the number of the first

    def __init__(self) -> None:
        self._by_text = _NOTHING
        self._chorus: Chorus | None = None

    def __len__(self) -> int:
        return len(self._all())

    def newest(self) -> "Offers | None":
        """Return the last few, for another connection of the same rig; `None` if there are none."""
        known = self._all()
        if not known:
            return None
        few = Offers()
        few._by_text = dict(list(known.items())[-_RECALLED:])
        return few

    def remember(self, job: Job, *, mask: int, size: int, target: Target) -> None:
        """Note a job; one that is shown again keeps the easier of its targets.

        The rig may still be working towards either.
        """
        known = self._by_text
        if known is _NOTHING:
            known = self._by_text = {}
        text, offer = _shown(job.id, job.version, mask, size, target)
        if text in known:
            before = known.pop(text).target
            if before is not None and before > target:
                offer = offer._replace(target=before)
        known[text] = offer
        if len(known) > MAX_OFFERS:
            del known[next(iter(known))]

    def join(self, chorus: Chorus, job: Job, *, mask: int, size: int, target: Target) -> None:
        """Have what is shown from now on looked up in a chorus.

        Args:
            chorus: the newest that it showed is
            job: this, and this connection was shown it, too,
            mask: with these version bits,
            size: so many bytes of extranonce2,
            target: and this target; so it will be with all that comes.
        """
        text, self._alike = _shown(job.id, job.version, mask, size, target)
        if self._by_text.get(text) == self._alike:
            del self._by_text[text]
            self._by_text = self._by_text or _NOTHING
        self._chorus, self._since = chorus, chorus.count

    def part(self) -> None:
        """Remember what was shown so far apart from the others."""
        self._by_text, self._chorus = self._all(), None

    def _all(self) -> dict[str, Offer]:
        """Return what it was shown, the oldest first; a dictionary of its own if some is heard."""
        chorus = self._chorus
        if chorus is None:
            return self._by_text
        known = dict(self._by_text)
        for text, song in chorus.heard(self._since).items():
            known.setdefault(text, self._heard(song))
        while len(known) > MAX_OFFERS:
            del known[next(iter(known))]
        return known

    def find(self, text: str) -> Offer:
        """Find what was shown under an id.

        Of a job that was forgotten, or shown to somebody else, only the id is known; its
        version is guessed to be the usual one, so that a block may still be recognised.
        """
        offer = self._by_text.get(text) or self._hear(text)
        if offer is not None:
            return offer
        ours = 1 <= len(text) <= 16 and _ID_DIGITS.issuperset(text)
        job_id = JobId(int(text, 16)) if ours else _UNKNOWN
        return Offer(job_id, _USUAL_VERSION, 0, -1, None)

    def _hear(self, text: str) -> Offer | None:
        """Find what it was shown with others."""
        song = None if self._chorus is None else self._chorus.find(text, self._since)
        return None if song is None else self._heard(song)

    def _heard(self, song: Song) -> Offer:
        alike = self._alike
        return _shown(song.job_id, song.version, alike.mask, alike.size, alike.target)[1]

    def share(
        self, params: SubmitParams, ticket: Ticket, *, size: int, mask: int
    ) -> ShareSubmitted | Reason:
        """Read a submit.

        Args:
            params: as they came.
            ticket: of the request.
            size: bytes of extranonce2 now; of a job that is remembered, its own count.
            mask: version bits that the rig may roll now; those that it could roll when
                the job was shown count as well.

        Returns:
            The share, or why it is none.
        """
        try:
            extranonce, ntime, nonce = _read_numbers(params)
            bits = u32_from_hex(params.bits) if params.bits else 0
        except RemoteProtocolError:
            return Reason.MALFORMED
        offer = self._by_text.get(params.job) or self.find(params.job)
        if len(extranonce) != (size if offer.size < 0 else offer.size):
            return Reason.BAD_EXTRANONCE
        return ShareSubmitted(
            channel=0,
            ticket=ticket,
            worker=params.worker,
            job_id=offer.job_id,
            extranonce=extranonce,
            ntime=ntime,
            nonce=nonce,
            # Bits inside the mask are clear in the job's version, so this is the mask
            # formula there; outside it any bit set makes a difference that is found.
            version=offer.version ^ bits,
            mask=offer.mask | mask,
            target=offer.target,
        )


def _read_numbers(params: SubmitParams) -> tuple[bytes, int, int]:
    """Read extranonce2, time and nonce: all at once where they have their usual sizes.

    Raises:
        RemoteProtocolError: one of them is not hex, or too long.
    """
    if len(params.ntime) == 8 and len(params.nonce) == 8:
        try:
            raw = bytes.fromhex(params.extranonce + params.ntime + params.nonce)
        except ValueError:
            raw = b""
        size = len(raw) - 8
        if 2 * size == len(params.extranonce):  # else there were blanks in it
            ntime, nonce = _TWO_WORDS(raw, size)
            return raw[:size], ntime, nonce
    return bytes_from_hex(params.extranonce), u32_from_hex(params.ntime), u32_from_hex(params.nonce)


@lru_cache(maxsize=4096)
def difficulty_line(target: Target, numbers: Numbers = Numbers.EXACT) -> tuple[bytes, Target]:
    """Make the `mining.set_difficulty` for a target.

    Args:
        target: what the peer shall aim at.
        numbers: which numbers it reads.

    Returns:
        The line, and the target that the peer computes from it.
    """
    number, sent = difficulty_for(target, numbers)
    text = written(number).encode()
    return b'{"id":null,"method":"mining.set_difficulty","params":[%b]}\n' % text, sent
