"""Pace: how hard a block must be so that one is found every so many seconds.

On regtest every second hash is a block and on a private signet ten a second are, so a
chain that is mined as it comes floods. `Pace` steers a target that is harder than the
chain's own, from the one thing that a source sees: when its blocks were accepted. Pure:
it is told the time and keeps no clock.

The estimate: the time a block took, divided by the hashes its target stands for, is
exponentially distributed with the hash rate as its rate, whatever the target was. So the
rate is the (weighted) number of blocks over the (weighted) sum of those quotients.
"""

from typing import Final

from headframe.chain.target import Target

__all__ = ["EASIEST_WORK", "MAX_STEP", "SILENT_PACES", "Pace"]

EASIEST_WORK: Final = 2**20
"""Hashes per block to start from, and the fewest that steering asks for: two seconds for
the slowest device, so that the first block comes soon; and few enough hits in one scan of
the fastest CPU that it does not find a dozen blocks of one height before it hears of the
first."""
MAX_STEP: Final = 4
"""The most by which one step makes blocks harder or easier."""
SILENT_PACES: Final = 5
"""Paces without a block after which the miners must have become slower: by chance alone
that happens to one block in 150."""
_SILENT_REPEAT: Final = 2
"""Further paces of silence until the next step."""
_KEEP: Final = 0.85
"""Weight of a block against that of the one after it: about the last dozen count."""
_NEVER: Final = float("inf")


class Pace:
    """Steers the block target; one for a source's whole life.

    Args:
        seconds: time between blocks to aim at, above zero.
        now: the present, in monotonic seconds.
        easiest_work: hashes per block to start from, and the fewest to ask for.
    """

    def __init__(self, seconds: float, *, now: float, easiest_work: int = EASIEST_WORK) -> None:
        if not 0 < seconds < _NEVER:
            raise ValueError(f"a pace is a time above zero, not {seconds} s")
        self._seconds = seconds
        self._easiest_work = self._work = float(easiest_work)
        self._since = now  # when the running interval, or the running step of it, began
        self._effort = 0.0  # of the running interval: time over work, step by step
        self._blocks = 0.0  # weighted count
        self._efforts = 0.0  # weighted sum
        self._step_at = now + SILENT_PACES * seconds

    @property
    def step_at(self) -> float:
        """When `on_silence` is due, in monotonic seconds."""
        return self._step_at

    def target(self, nbits_target: Target) -> Target:
        """Return the block target: the paced one, never easier than the chain's."""
        return min(nbits_target, Target(min(int(2**256 / self._work), 2**256) - 1))

    def on_block(self, now: float) -> None:
        """Take note that a block of ours was accepted."""
        effort = self._effort + max(now - self._since, 0.0) / self._work
        self._blocks = self._blocks * _KEEP + 1
        self._efforts = self._efforts * _KEEP + effort
        hash_rate = self._blocks / self._efforts if self._efforts > 0 else _NEVER
        self._turn_to(hash_rate * self._seconds)
        self._since, self._effort = now, 0.0
        self._step_at = now + SILENT_PACES * self._seconds

    def on_silence(self, now: float, *, waiting: bool = False) -> bool:
        """Make blocks easier if none came for long.

        Args:
            now: the present, in monotonic seconds.
            waiting: a block has been found and is not judged yet. Then the node is what
                takes long, and easier blocks would only be more of them.

        Returns:
            The target changed.
        """
        if now < self._step_at:
            return False
        if waiting:
            self._step_at = now + _SILENT_REPEAT * self._seconds
            return False
        self._effort += max(now - self._since, 0.0) / self._work
        self._since = now
        self._blocks = self._efforts = 0.0  # what was measured before no longer holds
        self._step_at = now + _SILENT_REPEAT * self._seconds
        before = self._work
        self._turn_to(0.0)
        return self._work != before

    def _turn_to(self, work: float) -> None:
        bounded = min(max(work, self._work / MAX_STEP), self._work * MAX_STEP)
        self._work = min(max(bounded, self._easiest_work), float(2**255))
