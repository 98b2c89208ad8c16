"""Settings of what is kept of the books: the history, and the share log."""

from pathlib import Path
from typing import Annotated

import msgspec

from proxy.history_file import Retention
from proxy.sharelog import ShareLog, ShareLogStats
from proxy.sharelog_files import Rotation

__all__ = ["HistorySettings", "ShareLogSettings"]

Meta = msgspec.Meta


class HistorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of each worker and route, in SQLite, over restarts."""

    flush_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=60,
            description="Time between two writes: at most so much is missing after a crash.",
        ),
    ] = 30
    minutes_hours: Annotated[
        int, Meta(ge=1, le=24 * 90, description="Hours for which each minute is kept.")
    ] = 48
    hours_days: Annotated[
        int, Meta(ge=1, le=3660, description="Days for which each hour is kept.")
    ] = 400
    most_rows: Annotated[
        int,
        Meta(
            ge=10_000,
            description="Minutes of a worker that are kept, of all workers together, and hours "
            "likewise: the oldest go first. A million take some 100 MB.",
        ),
    ] = 4_000_000

    def retention(self) -> Retention:
        """Make what the store needs."""
        return Retention(
            minutes_hours=self.minutes_hours,
            hours_days=self.hours_days,
            most_rows=self.most_rows,
        )


class ShareLogSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line for each share, for `headframe audit`."""

    path: Annotated[
        str,
        Meta(
            description="The file, such as shares.jsonl; no share log if empty. A file put aside "
            "is called shares-20261122T213000Z.jsonl.gz, by the time (UTC).",
            examples=["/var/log/headframe/shares.jsonl"],
        ),
    ] = ""
    largest_mb: Annotated[
        int, Meta(ge=1, description="It is put aside when it has so many MB (2^20 bytes).")
    ] = 256
    longest_hours: Annotated[
        float, Meta(gt=0, description="It is put aside when it is so old.")
    ] = 24.0
    keep: Annotated[
        int, Meta(ge=1, description="Files put aside that are kept; the oldest go first.")
    ] = 60
    compress: Annotated[bool, Meta(description="Compress files put aside, with gzip.")] = True

    def log(self, stats: ShareLogStats | None = None) -> ShareLog | None:
        """Make the log, if it is wanted; it is not started yet.

        Args:
            stats: where its lines are counted; its own by default.
        """
        if not self.path:
            return None
        return ShareLog(Path(self.path).expanduser(), self.rotation(), stats=stats)

    def rotation(self) -> Rotation:
        """Make what says when it is put aside."""
        return Rotation(
            largest_bytes=self.largest_mb << 20,
            longest_seconds=self.longest_hours * 3600,
            keep=self.keep,
            compress=self.compress,
        )
