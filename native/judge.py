"""Good shares, taken many at a time from what a rig sent; in C, or not at all.

What is good and plain is in `c/headframe.h`. All else a caller judges by itself, as it does
everything where the module in C was not built: this is a shortcut, not a rule.
"""

import re
import struct
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from native.compiled import extension_missing
from native.share import chosen_hasher
from native.table import CompiledTable, NumberTable

if not extension_missing:
    from native._native import ffi, lib

    _take = lib.hf_take_shares
    _SLOTS = lib.HF_SLOTS
    TOOK_ALL, TOOK_MANY = lib.HF_TOOK_ALL, lib.HF_TOOK_MANY
    OTHER_JOB, NOT_PLAIN = lib.HF_OTHER_JOB, lib.HF_NOT_PLAIN
else:
    TOOK_ALL, TOOK_MANY, OTHER_JOB, NOT_PLAIN = range(4)

__all__ = [
    "ANSWERS",
    "NOT_PLAIN",
    "OTHER_JOB",
    "TOOK_ALL",
    "TOOK_MANY",
    "Good",
    "Judge",
    "ProofState",
    "PythonProofState",
    "Task",
    "Terms",
    "link_table",
    "pack_rig",
    "proof_state",
    "unlink_table",
]

_HEAD: Final = struct.Struct("=9I").unpack_from
_SHARE: Final = struct.Struct("=32s8I")
ANSWERS: Final = 36
"""Where the answers begin in a judge's buffer."""
_SHARES: Final = ANSWERS + 2560
_WORD: Final = (1 << 32) - 1
_NUMBER: Final = (1 << 256) - 1
_MOST_NAMES: Final = 64
_is_plain: Final = re.compile(r"[ !#-\[\]-~]{0,256}").fullmatch
_pack_size: Final = struct.Struct("<H").pack
_pack_rig: Final = struct.Struct("<BBH").pack
_MOST_EXTRANONCE: Final = 64
_LONGEST_JOB: Final = 16


class ProofState(Protocol):
    """The numbers of a table of proofs; see `hf_proofs` in `c/headframe.h`."""

    past: int
    ahead: int
    limit: int
    floor: int
    shown: int


class PythonProofState:
    """The same without C."""

    __slots__ = ("ahead", "floor", "limit", "past", "shown")

    def __init__(self) -> None:
        self.past = self.ahead = self.limit = self.floor = self.shown = 0


def proof_state() -> ProofState:
    """Make the numbers of a table of proofs, all 0, of the best kind there is here."""
    if extension_missing:
        return PythonProofState()
    state: ProofState = ffi.new("hf_proofs *")
    return state


def link_table(state: ProofState, ntime: int, table: NumberTable) -> None:
    """Let shares of a time be judged by this table; does nothing without C.

    Args:
        state: the proofs'.
        ntime: the time.
        table: it must live until it is unlinked, or the state has gone.
    """
    if isinstance(table, CompiledTable) and not isinstance(state, PythonProofState):
        table.state.ntime = ntime
        state.tables[ntime % _SLOTS] = table.state  # type: ignore[attr-defined] # it is in C


def unlink_table(state: ProofState, ntime: int, table: NumberTable) -> None:
    """Leave shares of a time to others again; does nothing without C."""
    if isinstance(table, CompiledTable) and not isinstance(state, PythonProofState):
        known = state.tables  # type: ignore[attr-defined] # it is in C
        if known[ntime % _SLOTS] == table.state:
            known[ntime % _SLOTS] = ffi.NULL


class Terms(NamedTuple):
    """What a job asks of the shares of some rigs.

    Attributes:
        job: its name on the wire.
        context: from `pack_context`.
        version: of the block, none of the bits in `mask` set by a rig.
        mask: version bits that may be set.
        ntime_min: the earliest time.
        ntime_max: the latest time.
        target: a good share's hash is at most this,
        block: above this,
        up: and goes up if it is at most this.
    """

    job: bytes
    context: bytes
    version: int
    mask: int
    ntime_min: int
    ntime_max: int
    target: int
    block: int
    up: int


class Task:
    """Terms as C reads them, and the proofs that count.

    Args:
        terms: what is asked.
        state: of the proofs; from `proof_state`, in C.
        owner: what keeps the tables alive that the state knows.

    Raises:
        ValueError: the job's name is too long.
    """

    __slots__ = ("_kept", "head", "terms")

    def __init__(self, terms: Terms, state: ProofState, owner: object) -> None:
        if len(terms.job) > _LONGEST_JOB:
            raise ValueError(f"a job's name has at most {_LONGEST_JOB} bytes, not {terms.job!r}")
        head = ffi.new("hf_task *")
        head.context = context = ffi.from_buffer("uint8_t[]", terms.context)
        head.context_size = len(terms.context)
        head.hasher = chosen_hasher()
        head.job[0 : len(terms.job)] = terms.job
        head.job_size = len(terms.job)
        head.version, head.mask = terms.version, terms.mask
        head.ntime_min, head.ntime_max = terms.ntime_min, min(terms.ntime_max, _WORD)
        for name in ("target", "block", "up"):
            number = min(getattr(terms, name), _NUMBER)
            getattr(head, name)[0:32] = number.to_bytes(32, "little")
        head.proofs = state
        self.terms = terms
        self.head = head
        self._kept = (context, state, owner)


def pack_rig(slice_: bytes, size: int, names: Iterable[str]) -> tuple[bytes, Sequence[str]] | None:
    """Pack what a judge must know of a rig.

    Args:
        slice_: its part of the extranonce.
        size: bytes that it rolls.
        names: that it may send shares under. Those that are not plain ASCII, and those above
            64, are left out.

    Returns:
        The bytes for `Judge.take`, and the names that are in them; `None` where there is none.
    """
    known = [name for name in names if _is_plain(name)]
    del known[_MOST_NAMES:]
    if not known or len(slice_) + size > _MOST_EXTRANONCE:
        return None
    listed = b"".join([_pack_size(len(name)) + name.encode() for name in known])
    return _pack_rig(len(slice_), size, len(known)) + slice_ + listed, known


class Good(NamedTuple):
    """A good share; places are counted from the beginning of what was given.

    Attributes:
        hash: 32 bytes, header order.
        id_at: where its id stands, raw JSON,
        id_size: of so many bytes.
        extranonce_at: where the hex of its extranonce stands.
        name: which of the rig's names it came under.
        version: the whole block version.
        ntime: seconds since 1970.
        nonce: as the number in the header.
        up: 1 if it goes up, else 0.
    """

    hash: bytes
    id_at: int
    id_size: int
    extranonce_at: int
    name: int
    version: int
    ntime: int
    nonce: int
    up: int


Taken = tuple[int, int, int, int, int, int, int, int, int]
"""Good shares; how many of them go up; 1 if they came under several names, else 0; bytes of
their lines; why there are no more; with `OTHER_JOB` where the other job's name stands, and its
bytes; shares without version bits since the last one that has some; bytes of the answers."""


class Judge:
    """Takes good shares; one for a thread.

    What `answers` and `share` return is of the last `take`.
    """

    __slots__ = ("_taken", "buffer")

    def __init__(self) -> None:
        self._taken = ffi.new("hf_taken *")
        self.buffer = ffi.buffer(self._taken)
        """What the last `take` found; the answers begin at `ANSWERS`."""

    def take(self, task: Task, rig: bytes, latest: int, data: bytes) -> Taken:
        """Take the good shares from the front of some lines; their proofs count from now on.

        Args:
            task: what the job asks.
            rig: from `pack_rig`.
            latest: the latest time that counts now.
            data: what the rig sent, from the beginning of a line on.
        """
        if _take(self._taken, task.head, rig, len(rig), latest, data, len(data)):
            raise ValueError("these bytes are no rig; make them with pack_rig")
        return _HEAD(self.buffer)

    def answers(self, size: int) -> bytes:
        """Return the lines that answer them all with true."""
        lines: bytes = self.buffer[ANSWERS : ANSWERS + size]
        return lines

    def share(self, number: int) -> Good:
        """Return one of them."""
        return Good(*_SHARE.unpack_from(self.buffer, _SHARES + _SHARE.size * number))

    def shares(self, count: int) -> list[Good]:
        """Return so many of them."""
        return [self.share(number) for number in range(count)]
