"""The sums of an audit: what the lines of a log add up to, against what the books say."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from headframe.chain.share import Reason
from proxy.sharelog_lines import Books, SentLine, ShareLine, VerdictLine

__all__ = ["Sums"]

_ZERO: Final = (0, 0)
_LEGS: Final = ("pool", "rescued")


class Sums:
    """Adds up the lines of a route, or of one worker, since its books were last compared.

    Args:
        books: what the books said before the first line; `None` when no line tells it. Then
            the first books that come are where the sums begin.
    """

    def __init__(self, books: Books | None) -> None:
        self._base = None if books is None else _numbers(books)
        self._shares: Counter[str] = Counter()
        self._work: Counter[str] = Counter()
        self._blocks_base: int | None = None
        self._blocks = 0
        self.uncompared = 0
        """Shares since the books were last compared."""
        self.left_out_before: Mapping[str, int] = {}

    def begin_at(self, books: Books | None) -> None:
        """Begin anew, at these books, or at the next that come."""
        self._base = None if books is None else _numbers(books)
        self._clear()

    def share(self, line: ShareLine) -> None:
        """Add a share."""
        self.uncompared += 1
        self._add("offered", line.work)
        accepted = line.verdict is Reason.ACCEPTED
        self._add("accepted" if accepted else f"refused.{line.verdict}", line.work)

    def sent(self, line: SentLine) -> None:
        """Add a share that goes up."""
        self._add("rescued.forwarded" if line.rescued else "pool.forwarded", line.work)
        self._blocks += line.block

    def answer(self, line: VerdictLine) -> None:
        """Add an answer."""
        leg = "rescued" if line.rescued else "pool"
        match line.verdict:
            case Reason.ACCEPTED:
                self._add(f"{leg}.acknowledged", line.work)
            case Reason.LOST:
                self._add(f"{leg}.lost", line.work)
            case reason:
                self._add(f"{leg}.refused.{reason}", line.work)

    def compare(
        self, books: Books, left_out: Mapping[str, int], blocks_found: int | None
    ) -> Iterator[str]:
        """Say in what the books differ from the sums, and go on from the books.

        Args:
            books: what they say.
            left_out: lines that the log had no room for, in all.
            blocks_found: what they say of blocks; `None` for a worker's.
        """
        now = _numbers(books)
        yield from _unbalanced(now)
        missing = {
            kind: count - self.left_out_before.get(kind, 0)
            for kind, count in left_out.items()
            if self.left_out_before or self._base is not None
        }
        if self._base is not None and not any(missing.values()):
            yield from self._compare(now)
            if None not in {self._blocks_base, blocks_found}:
                expected = (self._blocks_base or 0) + self._blocks
                if expected != blocks_found:
                    yield f"{blocks_found} blocks found, the lines say {expected}"
        elif self._base is not None and "share" in missing:
            expected = self._base.get("offered", _ZERO)[0] + self._shares["offered"]
            found = now.get("offered", _ZERO)[0]
            if found != expected + missing["share"]:
                yield (
                    f"{found} shares offered, the lines say {expected}, and {missing['share']} "
                    "were left out"
                )
        self._base = now
        self._blocks_base = blocks_found
        self.left_out_before = dict(left_out)
        self._clear()

    def _clear(self) -> None:
        self._shares.clear()
        self._work.clear()
        self._blocks = self.uncompared = 0

    def _add(self, account: str, work: str) -> None:
        self._shares[account] += 1
        self._work[account] += int(work)

    def _compare(self, now: Mapping[str, tuple[int, int]]) -> Iterator[str]:
        base = self._base or {}
        derived = {"kept", "pool.pending", "rescued.pending"}
        accounts = {*now, *base, *self._shares} - derived
        for account in sorted(accounts):
            shares, work = base.get(account, _ZERO)
            expected = (shares + self._shares[account], work + self._work[account])
            found = now.get(account, _ZERO)
            if found != expected:
                yield f"{account} is {_told(found)}, the lines say {_told(expected)}"
        stayed = self._shares["accepted"] - self._shares["pool.forwarded"]
        kept = base.get("kept", _ZERO)[0] + stayed
        if now.get("kept", _ZERO)[0] != kept:
            yield f"kept is {now.get('kept', _ZERO)[0]}, the lines say {kept}"


def _numbers(books: Books) -> dict[str, tuple[int, int]]:
    return {name: (shares, int(work)) for name, (shares, work) in books.items()}


def _told(account: tuple[int, int]) -> str:
    return f"{account[0]} shares of work {account[1]}"


def _sum(books: Mapping[str, tuple[int, int]], *names: str) -> tuple[int, int]:
    found = [
        account
        for name, account in books.items()
        if name in names or any(each.endswith(".") and name.startswith(each) for each in names)
    ]
    return (sum(shares for shares, _ in found), sum(work for _, work in found))


def _unbalanced(books: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    """Check the equations of the books themselves."""
    if _sum(books, "offered") != _sum(books, "accepted", "refused."):
        yield "offered is not accepted + refused"
    ways = sum(_sum(books, name)[0] for name in ("kept", "pool.forwarded"))
    if _sum(books, "accepted")[0] != ways:
        yield "accepted is not kept + forwarded"
    for leg in _LEGS:
        ends = (f"{leg}.{name}" for name in ("pending", "acknowledged", "lost", "refused."))
        if _sum(books, f"{leg}.forwarded") != _sum(books, *ends):
            yield f"{leg}: forwarded is not pending + acknowledged + refused + lost"
