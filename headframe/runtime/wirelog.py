"""`WireLog`: every line that was said and heard, in a file, for those who look into a fault.

One JSON object a line: `time` (UTC, milliseconds), `connection` (a number, new for each),
`leg` (which pool, or `rig`), `peer`, `direction` ("in", "out"), and `line`, the text as it
was on the wire; `hex` instead where it is no text. When a connection is made or is over,
`event` says so. Passwords are taken out of lines, which then have `redacted`; logins stay.

The event loop only hands over bytes. A thread of its own cuts, cleans and writes them; when
the disk is too slow for it, lines are left out and counted, and nothing waits.
"""

import datetime
import os
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final, Generic, Protocol, TypeVar

import msgspec

from headframe.runtime.clock import wall_milliseconds
from headframe.runtime.errors import ConfigError
from headframe.runtime.logs import HIDDEN, get_logger, redact_url

__all__ = ["RecordedCore", "Tap", "WireLog", "wire_log_at"]

_log = get_logger(__name__)

E_co = TypeVar("E_co", covariant=True)

LARGEST_BYTES: Final = 32 << 20
"""A file that has grown so large is put aside."""
KEEP: Final = 3
"""Files put aside that are kept, as NAME.1 (the newest) and so on."""
_MOST_WAITING: Final = 20_000
"""Pieces that may wait for the thread."""
_LONGEST_LINE: Final = 1 << 20
"""Bytes without an end of line that are kept together."""
_END_SECONDS: Final = 5.0
_LOGIN: Final = "mining.authorize"


class _Core(Protocol[E_co]):
    """As `wire.Core`, which imports this."""

    def receive_data(self, data: bytes) -> Sequence[E_co]: ...
    def receive_eof(self) -> Sequence[E_co]: ...
    def data_to_send(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Piece:
    """What the event loop hands over; without data, an event."""

    time_ms: int
    connection: int
    leg: str
    peer: str
    direction: str
    data: bytes
    event: str = ""


class Tap:
    """One connection's way into the log.

    Args:
        put: takes the pieces.
        connection: its number.
        leg: which pool, or `rig`.
        peer: the other side, as host:port.
    """

    def __init__(self, put: Callable[[_Piece], None], connection: int, leg: str, peer: str) -> None:
        self._put = put
        self._place = (connection, leg, peer)
        self._event("opened")

    def heard(self, data: bytes) -> None:
        """Note bytes that came."""
        self._put(_Piece(wall_milliseconds(), *self._place, "in", data))

    def said(self, data: bytes) -> None:
        """Note bytes that were written."""
        self._put(_Piece(wall_milliseconds(), *self._place, "out", data))

    def over(self) -> None:
        """Note that the connection is over; to be called once."""
        self._event("closed")

    def _event(self, event: str) -> None:
        self._put(_Piece(wall_milliseconds(), *self._place, "", b"", event))


class RecordedCore(Generic[E_co]):
    """A core whose bytes are noted, both ways; the core itself knows nothing of it.

    Args:
        core: what understands the bytes.
        begin: makes the tap; called when there are first bytes, and so a connection.
    """

    def __init__(self, core: _Core[E_co], begin: Callable[[], Tap]) -> None:
        self._core = core
        self._begin = begin
        self._tap: Tap | None = None

    def receive_data(self, data: bytes) -> Sequence[E_co]:
        """Note bytes, and hand them on."""
        self._opened().heard(data)
        return self._core.receive_data(data)

    def receive_eof(self) -> Sequence[E_co]:
        """Note the end, and hand it on."""
        self._opened().over()
        return self._core.receive_eof()

    def data_to_send(self) -> bytes:
        """Hand on what is to be written, and note it."""
        data = self._core.data_to_send()
        if data:
            self._opened().said(data)
        return data

    def _opened(self) -> Tap:
        if self._tap is None:
            self._tap = self._begin()
        return self._tap


class WireLog:
    """The log; `close` it when its connections are over.

    Args:
        path: the file; it is added to. Only its owner may read it.
        largest_bytes: when it is put aside.
        keep: how many that were put aside are kept.
        most_waiting: pieces that may wait to be written.

    Raises:
        ConfigError: it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        largest_bytes: int = LARGEST_BYTES,
        keep: int = KEEP,
        most_waiting: int = _MOST_WAITING,
    ) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = _opened(path)
        except OSError as error:
            raise ConfigError(
                f"the wire log {path} cannot be written: {error.strerror or error}"
            ) from None
        self._writer = _Writer(path, file, largest_bytes, keep)
        self._waiting: queue.Queue[_Piece | None] = queue.Queue(most_waiting)
        self._left_out = 0
        self._connections = 0
        self._thread = threading.Thread(target=self._run, name="wire log", daemon=True)
        self._thread.start()

    def open(self, leg: str, peer: str) -> Tap:
        """Begin with a connection.

        Args:
            leg: which pool, or `rig`.
            peer: the other side, as host:port.
        """
        self._connections += 1
        return Tap(self._put, self._connections, leg, peer)

    def close(self) -> None:
        """Write what waits, and end; waits a few seconds at most."""
        with suppress(queue.Full):
            self._waiting.put(None, timeout=_END_SECONDS)
        self._thread.join(_END_SECONDS)

    def _put(self, piece: _Piece) -> None:
        """Hand a piece over, or leave it out; never waits."""
        try:
            self._waiting.put_nowait(piece)
        except queue.Full:
            self._left_out += 1

    def _run(self) -> None:
        told = 0
        while (piece := self._waiting.get()) is not None:
            self._writer.write(piece)
            if self._waiting.empty():
                told = self._tell_left_out(told)
                self._writer.flush()
        self._tell_left_out(told)
        self._writer.close()

    def _tell_left_out(self, told: int) -> int:
        """Write how many more were left out than was told; return how many that makes."""
        now = self._left_out
        if now != told:
            self._writer.note_left_out(now - told)
        return now


def wire_log_at(path: str) -> WireLog | None:
    """Open the log that a setting names; `None` for "".

    Raises:
        ConfigError: it cannot be written.
    """
    return WireLog(Path(path).expanduser()) if path else None


class _Writer:
    """Cuts, cleans and writes; used by the log's thread alone."""

    def __init__(self, path: Path, file: BinaryIO, largest_bytes: int, keep: int) -> None:
        self._path = path
        self._file = file
        self._size = file.tell()
        self._largest_bytes = largest_bytes
        self._keep = keep
        self._rests: dict[tuple[int, str], bytes] = {}
        self._failing = False

    def write(self, piece: _Piece) -> None:
        if piece.event:
            if piece.event == "closed":
                self._end(piece)
            self._record(piece, {"event": piece.event})
            return
        key = (piece.connection, piece.direction)
        *lines, rest = (self._rests.get(key, b"") + piece.data).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines.append(rest)
            rest = b""
        self._rests[key] = rest
        for line in lines:
            self._record(piece, _content(line))

    def note_left_out(self, pieces: int) -> None:
        now = wall_milliseconds()
        self._record(_Piece(now, 0, "", "", "", b""), {"event": "left_out", "pieces": pieces})

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()

    def _end(self, piece: _Piece) -> None:
        """Write what a connection left without an end of line."""
        for direction in ("in", "out"):
            rest = self._rests.pop((piece.connection, direction), b"")
            if rest:
                whole = replace(piece, direction=direction, event="")
                self._record(whole, {**_content(rest), "cut": True})

    def _record(self, piece: _Piece, content: dict[str, object]) -> None:
        record: dict[str, object] = {"time": _stamp(piece.time_ms)}
        if piece.connection:
            record |= {"connection": piece.connection, "leg": piece.leg, "peer": piece.peer}
        if piece.direction:
            record["direction"] = piece.direction
        text = msgspec.json.encode({**record, **content}) + b"\n"
        try:
            if self._file.closed:  # it could not be begun anew; perhaps now it can
                self._file = _opened(self._path)
            if self._size and self._size + len(text) > self._largest_bytes:
                self._put_aside()
            self._file.write(text)
            self._size += len(text)
        except OSError as error:
            if not self._failing:
                _log.warning("wire_log_failed", path=str(self._path), error=str(error))
            self._failing = True
        else:
            self._failing = False

    def _put_aside(self) -> None:
        """Begin a new file, and keep so many old ones."""
        self._file.close()
        for number in range(self._keep, 0, -1):
            older = self._path if number == 1 else _numbered(self._path, number - 1)
            with suppress(FileNotFoundError):
                older.replace(_numbered(self._path, number))
        if not self._keep:
            self._path.unlink()
        self._file = _opened(self._path)
        self._size = 0


def _opened(path: Path) -> BinaryIO:
    """Open a file to add to, for its owner alone."""
    return open(  # kept open; only `open` takes the rights it begins with
        path, "ab", opener=lambda name, flags: os.open(name, flags, 0o600)
    )


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _stamp(time_ms: int) -> str:
    when = datetime.datetime.fromtimestamp(time_ms / 1000, datetime.UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _content(line: bytes) -> dict[str, object]:
    """Say what a line was, without secrets."""
    try:
        text = line.decode().removesuffix("\r")
    except UnicodeDecodeError:
        return {"hex": line.hex()}
    clean = _without_password(line, text)
    return {"line": clean} if clean == text else {"line": clean, "redacted": True}


def _without_password(line: bytes, text: str) -> str:
    """Hide what an authorize has behind its login, and the userinfo of URLs."""
    try:
        message: Any = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Perhaps cut or broken, and still an authorize to whoever reads it leniently.
        return HIDDEN if "authorize" in text else redact_url(text)
    if not isinstance(message, dict):
        return HIDDEN if "authorize" in text else redact_url(text)
    if message.get("method") == _LOGIN:
        params = message.get("params")
        if isinstance(params, list):
            message["params"] = [*params[:1], *(HIDDEN for _ in params[1:])]
        elif params is not None:
            message["params"] = HIDDEN
        text = msgspec.json.encode(message).decode()
    return redact_url(text)
