"""The one deployment that is signalled by version bit on regtest: `testdummy` (BIP 9).

It changes nothing, but bitcoind's templates carry its bit while it is voted on, and name it
as a rule once it is active; software that reads templates meets it there.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from headframe.node.kernel import Entry

__all__ = ["TESTDUMMY_BIT", "DeploymentState", "TestDummy"]

TESTDUMMY_BIT: Final = 28

_PERIOD: Final = 144
_THRESHOLD: Final = 108
_TOP_MASK: Final = 0xE0000000
_TOP_BITS: Final = 0x20000000


class DeploymentState(Enum):
    """Where a deployment stands, for the next block."""

    DEFINED = auto()
    STARTED = auto()
    LOCKED_IN = auto()
    ACTIVE = auto()

    @property
    def is_signalled(self) -> bool:
        """Whether templates carry the bit."""
        return self in (DeploymentState.STARTED, DeploymentState.LOCKED_IN)


class TestDummy:
    """Follows the vote, one period of 144 blocks after the other."""

    __test__ = False  # no test, whatever its name looks like to a collector

    def __init__(self, entry_at: Callable[[int], Entry | None]) -> None:
        """Make it.

        Args:
            entry_at: the best chain's block at a height; `None` above the tip.
        """
        self._entry_at = entry_at
        self._known: dict[bytes, DeploymentState] = {}  # by the hash of a period's last block

    def state(self, height: int) -> DeploymentState:
        """Say where it stands for the block after the best chain's block at a height."""
        last = (height + 1) // _PERIOD * _PERIOD - 1  # of the last whole period
        waiting: list[Entry] = []
        state = DeploymentState.DEFINED
        while last > 0 and (entry := self._entry_at(last)) is not None:
            if entry.hash in self._known:
                state = self._known[entry.hash]
                break
            waiting.append(entry)
            last -= _PERIOD
        for entry in reversed(waiting):
            state = self._after(state, entry.height)
            self._known[entry.hash] = state
        return state

    def _after(self, state: DeploymentState, last: int) -> DeploymentState:
        match state:
            case DeploymentState.DEFINED:
                return DeploymentState.STARTED  # it starts at time 0, so with the first period
            case DeploymentState.STARTED:
                votes = sum(map(self._signals, range(last - _PERIOD + 1, last + 1)))
                return DeploymentState.LOCKED_IN if votes >= _THRESHOLD else state
            case _:
                return DeploymentState.ACTIVE

    def _signals(self, height: int) -> bool:
        entry = self._entry_at(height)
        version = entry.header.version if entry else 0
        return version & _TOP_MASK == _TOP_BITS and bool(version >> TESTDUMMY_BIT & 1)
