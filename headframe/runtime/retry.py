"""`Backoff`: how long to wait before the next try.

Doubles up to a cap. Half of each pause is chance, so that a thousand clients that lost
the same pool do not come back in the same second.
"""

import random
from collections.abc import Callable

__all__ = ["Backoff"]


class Backoff:
    """Pauses that double from `first_seconds` to `cap_seconds`, with jitter.

    Args:
        first_seconds: the longest that the first pause can be.
        cap_seconds: the longest that any pause can be.
        jitter: gives a number from 0 up to 1, evenly spread; chance by default.
    """

    def __init__(
        self,
        first_seconds: float = 1.0,
        cap_seconds: float = 60.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if not 0 < first_seconds <= cap_seconds:
            raise ValueError(
                f"first pause {first_seconds} s must be above 0 and at most the cap {cap_seconds} s"
            )
        self._first = first_seconds
        self._cap = cap_seconds
        self._jitter = jitter
        self._ceiling = first_seconds

    def next(self) -> float:
        """Return the seconds to wait now: between half the current step and all of it."""
        ceiling = self._ceiling
        self._ceiling = min(ceiling * 2, self._cap)
        return ceiling * (1 + self._jitter()) / 2

    def reset(self) -> None:
        """Start small again, after something worked."""
        self._ceiling = self._first
