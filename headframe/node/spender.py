"""`Spender`: makes transactions, so that the blocks of a lonely chain are not empty.

It spends coins of its own, in turn to each usual kind of output, with fees as they are found
on busy chains. Only confirmed coins are spent: what a block or a reorganisation changes is
read from the chain again.
"""

import asyncio
from collections import deque
from random import Random
from typing import Final

from headframe.node.checks import COINBASE_MATURITY
from headframe.node.coins import Coin
from headframe.node.core import NETWORK, NodeCore
from headframe.node.errors import TxRefusedError
from headframe.node.keyring import KINDS, KeyRing
from headframe.node.service import NodeService
from headframe.node.tx import TxOut, parse_tx
from headframe.runtime.logs import get_logger

__all__ = ["Spender"]

_log = get_logger(__name__)

_OWN_BLOCKS: Final = COINBASE_MATURITY + 1
"""Mined on a chain that has nothing for us: then the first of them can be spent."""
_TRIES: Final = 1_000
"""Nonces for one block; every second does on regtest."""
_TICK_SECONDS: Final = 0.05
_AHEAD_SECONDS: Final = 60
"""There are coins for so long without a block, once there was time to split them."""
_FEWEST_COINS: Final = 50
_SPLIT: Final = 10
_WORTH_SPLITTING: Final = 1_000_000
"""Satoshi."""
_FEE_RATES: Final = (1, 2, 3, 5, 8, 13, 21, 40)
"""Satoshi per virtual byte."""
_INPUT_VBYTES: Final = 160
_OUTPUT_VBYTES: Final = 43


class Spender:
    """Makes transactions at a steady rate.

    Args:
        node: takes them.
        ring: whose coins are spent.
        per_second: transactions.
        rng: chooses the fees.
    """

    def __init__(
        self, node: NodeService, ring: KeyRing, *, per_second: float, rng: Random | None = None
    ) -> None:
        self._node = node
        self._ring = ring
        self._per_second = per_second
        self._rng = rng or Random()  # noqa: S311 - fees are no secret
        self._ready: deque[tuple[bytes, Coin]] = deque()
        self._seen = b""
        self._made = 0

    async def run(self) -> None:
        """Make transactions until cancelled.

        Raises:
            RpcError: the node is shutting down.
        """
        due = 0.0
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            due = min(due + self._per_second * _TICK_SECONDS, max(self._per_second, 1.0))
            while due >= 1:
                due -= 1
                await self._make_one()

    async def provide(self) -> bool:
        """See to it that there are coins of ours, now or in some blocks.

        Returns:
            There are; if not, there can never be on this chain.

        Raises:
            RpcError: the node is shutting down.
        """
        if await self._node.run(self._coins):
            return True
        height = self._node.tip.height
        if NETWORK.subsidy(height + 1) == 0:
            _log.warning(
                "no_coins_to_spend",
                height=height,
                consequence="no transactions are made: blocks create no coins at this height",
                what_to_do="start a new chain in another folder",
            )
            return False
        script = self._ring.scripts["p2wpkh"]
        for _ in range(_OWN_BLOCKS):
            await self._node.run(lambda core: core.mine(script, _TRIES))
        _log.info("coins_mined", blocks=_OWN_BLOCKS, height=self._node.tip.height)
        return True

    def _coins(self, core: NodeCore) -> list[tuple[bytes, Coin]]:
        return core.coins_of(frozenset(self._ring.scripts.values()))

    async def _make_one(self) -> None:
        if self._node.tip.hash != self._seen:
            self._seen = self._node.tip.hash
            next_height = self._node.tip.height + 1
            self._ready = deque(
                (point, coin)
                for point, coin in await self._node.run(self._coins)
                if not coin.coinbase or next_height - coin.height >= COINBASE_MATURITY
            )
        if not self._ready:
            return  # until the next block
        point, coin = self._ready.popleft()
        outputs = self._outputs(coin)
        if not outputs:
            return
        tx = parse_tx(self._ring.spend(point, coin, outputs))
        try:
            await self._node.run(lambda core: core.send(tx, 0))
        except TxRefusedError as error:  # a transaction of before the last restart has the coin
            _log.debug("transaction_not_taken", reason=str(error))

    def _outputs(self, coin: Coin) -> list[TxOut]:
        """Pay a coin to the next kinds; to many while we have few, empty if it is too small."""
        goal = max(_FEWEST_COINS, self._per_second * _AHEAD_SECONDS)
        split = len(self._ready) < goal and coin.value >= _WORTH_SPLITTING
        count = _SPLIT if split else 1
        fee = self._rng.choice(_FEE_RATES) * (_INPUT_VBYTES + count * _OUTPUT_VBYTES)
        value = (coin.value - fee) // count
        if value < fee:
            return []
        self._made += 1
        kinds = [KINDS[(self._made + index) % len(KINDS)] for index in range(count)]
        return [TxOut(value, self._ring.scripts[kind]) for kind in kinds]
