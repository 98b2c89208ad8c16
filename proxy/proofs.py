"""Proofs that counted, so that none counts twice. Pure."""

__all__ = ["Proofs"]


class Proofs:
    """The proofs that counted for one coinbase: low 64 bits each.

    Shared by all ids that stand for the same work. Bounded: when it is full, older ids
    die, and the next one asks for a time later than any shown before. What remains of
    the proofs then is only those whose time had been rolled ahead of that.

    Args:
        limit: so many are remembered.
        shown: the newest time that rigs were given.

    Attributes:
        seen: the proofs, as they were given.
        shown: the newest time that rigs were given.
    """

    __slots__ = ("_ahead", "_limit", "seen", "shown")

    def __init__(self, limit: int, shown: int) -> None:
        self._limit = limit
        self.seen: set[int] = set()
        self._ahead: set[int] = set()
        self.shown = shown

    @property
    def full(self) -> bool:
        """There is no room for more."""
        return len(self.seen) >= self._limit

    def record(self, key: int, ntime: int) -> bool:
        """Remember a proof; false when there is no room for more that were rolled ahead."""
        if ntime > self.shown:
            if len(self._ahead) >= self._limit:
                return False
            self._ahead.add(key)
        self.seen.add(key)
        return True

    def restart(self) -> None:
        """Forget all that the next id cannot see again."""
        self.seen, self._ahead = self._ahead, set()

    def clear(self) -> None:
        """Forget everything."""
        self.seen.clear()
        self._ahead.clear()
