"""`FeeWatch`: notices that enough fees have come in for a new template to be worth it.

The fees of all that waits are a cheap question, where a template is a dear one. On a full
mempool they rise by more than a block would: then a template comes sooner than it must,
never later.
"""

import asyncio
import contextlib
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from headframe.upstream.base import UnreachableError
from headframe.upstream.node import NodeRpc, RpcError

__all__ = ["FeeWatch"]

_LOOK_SECONDS: Final = 6.5
"""Nodes give the same transactions again for five seconds after a template, by a clock of
whole seconds."""
_CALM_SECONDS: Final = 0.1
"""Rigs are being given the new template's job at that time."""
_COIN: Final = 100_000_000


class FeeWatch:
    """Compares the mempool's fees with what they were when the last template came.

    Args:
        rpc: the node.
        percent: by how much of a block's value fees must have risen.
        rose: told so.
        look_seconds: time between two looks.
    """

    def __init__(
        self,
        rpc: NodeRpc,
        *,
        percent: float,
        rose: Callable[[], None],
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        self._rpc = rpc
        self._percent = percent
        self._rose = rose
        self._look_seconds = look_seconds
        self._value: int | None = None
        self._base: int | None = None
        self._noted = asyncio.Event()

    def note(self, value: int) -> None:
        """Take note of a new template.

        Args:
            value: what its block is worth, subsidy and fees, in satoshi.
        """
        self._value = value
        self._base = None
        self._noted.set()

    async def run(self) -> None:
        """Look until cancelled; returns where the node does not tell its fees."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_seconds):
                    await self._noted.wait()  # what waits then is what later looks compare with
                    await asyncio.sleep(_CALM_SECONDS)
            self._noted.clear()
            try:
                fees = _total_fees(await self._rpc.call("getmempoolinfo"))
            except UnreachableError:
                continue  # the watch of the tip decides what that means
            except RpcError:
                return
            if fees is None:
                return
            if self._value is None:
                continue
            if self._base is None or fees < self._base:  # a block took them
                self._base = fees
            elif (fees - self._base) * 100 >= self._percent * self._value and fees > self._base:
                self._value = None  # until the template that this brings
                self._rose()


def _total_fees(info: object) -> int | None:
    """Read the fees of a whole mempool, in satoshi; before version 23 nodes do not tell them."""
    fees = info.get("total_fee") if isinstance(info, dict) else None
    if isinstance(fees, bool) or not isinstance(fees, int | Decimal):
        return None
    return int(fees * _COIN)
