"""A small mempool: what the next template may carry.

Kept small on purpose: no replacement, no packages, no relay policy beyond size. Whatever is
in it can be mined on the present tip in the order in which it came.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Protocol

from headframe.node.checks import check_alone, check_inputs, fee_of, is_final, locks_held
from headframe.node.coins import Coin
from headframe.node.errors import TxRefusedError
from headframe.node.sigops import sigop_cost
from headframe.node.tx import Tx

__all__ = ["ChainView", "Mempool", "MempoolEntry"]

_MAX_TX_WEIGHT: Final = 400_000  # bitcoind's policy: a tenth of a block
_MIN_STRIPPED_BYTES: Final = 65  # a stripped 64-byte transaction could pass for a merkle node
_MAX_TX_SIGOPS: Final = 16_000  # bitcoind's policy: a fifth of a block
_MAX_ANCESTORS: Final = 25  # itself included; bitcoind's policy
_MAX_TOTAL_WEIGHT: Final = 80_000_000  # twenty full blocks


class ChainView(Protocol):
    """What the mempool needs to know of the best chain."""

    @property
    def height(self) -> int:
        """Height of the tip."""

    def coin(self, point: bytes) -> Coin | None:
        """Return an unspent coin of the best chain by its outpoint (36 bytes)."""

    def median_time_at(self, height: int) -> int:
        """Return the median time past of the best chain's block at a height, in seconds."""

    def verifies(self, tx: Tx, spent: Sequence[Coin]) -> bool:
        """Run the scripts of all inputs."""


@dataclass(frozen=True)
class MempoolEntry:
    """A transaction that waits.

    Attributes:
        tx: the transaction.
        fee: satoshi.
        sigops: sigops cost.
        time: when it came, in seconds since 1970.
    """

    tx: Tx = field(repr=False)
    fee: int
    sigops: int
    time: int

    @cached_property
    def data(self) -> str:
        """The serialisation in hex, as templates carry it."""
        return self.tx.raw.hex()


class Mempool:
    """Transactions that wait for a block, in the order in which they came.

    Attributes:
        entries: by txid; parents stand before their children.
        changes: rises with each change.
    """

    def __init__(self, view: ChainView, clock: Callable[[], int]) -> None:
        """Make an empty one.

        Args:
            view: the best chain.
            clock: seconds since 1970.
        """
        self._view = view
        self._clock = clock
        self._spent: dict[bytes, bytes] = {}
        self._weight = 0
        self.entries: dict[bytes, MempoolEntry] = {}
        self.changes = 0

    def check(self, tx: Tx) -> MempoolEntry:
        """Judge whether a transaction can be taken in; nothing changes yet.

        Raises:
            TxRefusedError: it cannot be mined next, or breaks a limit of ours.
        """
        reason = check_alone(tx) or ("coinbase" if tx.is_coinbase else None) or self._limits(tx)
        if reason:
            raise TxRefusedError(reason)
        if tx.txid in self.entries:
            raise TxRefusedError("txn-already-in-mempool")
        if any(tx_in.outpoint in self._spent for tx_in in tx.inputs):
            raise TxRefusedError("txn-mempool-conflict")
        return self._judge(tx, self._coins_for(tx))

    def put(self, entry: MempoolEntry) -> None:
        """Take in what `check` found good, before anything else changes."""
        tx = entry.tx
        self.entries[tx.txid] = entry
        self._spent.update((tx_in.outpoint, tx.txid) for tx_in in tx.inputs)
        self._weight += tx.weight
        self.changes += 1

    def confirm(self, txs: Iterable[Tx]) -> None:
        """Follow a block that was connected: what is in it, or contradicts it, goes."""
        for tx in txs:
            if tx.txid in self.entries:
                self._drop({tx.txid})
            rivals = {self._spent.get(tx_in.outpoint) for tx_in in tx.inputs}
            self._drop(self._with_descendants({rival for rival in rivals if rival}))
        self.changes += 1

    def rebuild(self, returned: Iterable[Tx]) -> None:
        """Follow a change of the best chain: keep what can be mined on the new one.

        Args:
            returned: transactions of the blocks that left the best chain, oldest first.
        """
        candidates = [*returned, *(entry.tx for entry in self.entries.values())]
        self.entries.clear()
        self._spent.clear()
        self._weight = 0
        for tx in candidates:
            try:
                self.put(self.check(tx))
            except TxRefusedError:
                continue  # mined on the new chain as well, or no longer possible
        self.changes += 1

    def parents(self, tx: Tx) -> list[bytes]:
        """Name the transactions in here that one spends from; once per input."""
        return [tx_in.outpoint[:32] for tx_in in tx.inputs if tx_in.outpoint[:32] in self.entries]

    def spends(self, point: bytes) -> bool:
        """Say whether anything in here spends an outpoint (36 bytes)."""
        return point in self._spent

    def ancestors(self, tx: Tx) -> set[bytes]:
        """Name all transactions in here that one cannot be mined without, but itself."""
        found: set[bytes] = set()
        front = set(self.parents(tx))
        while front:
            found |= front
            front = {
                parent
                for txid in front
                for parent in self.parents(self.entries[txid].tx)
                if parent not in found
            }
        return found

    def _limits(self, tx: Tx) -> str | None:
        if tx.weight > _MAX_TX_WEIGHT:
            return "tx-size"
        if len(tx.stripped) < _MIN_STRIPPED_BYTES:
            return "tx-size-small"
        next_height = self._view.height + 1
        if not is_final(tx, next_height, self._view.median_time_at(next_height - 1)):
            return "non-final"
        return None

    def _coins_for(self, tx: Tx) -> list[Coin]:
        coins = [self.coin(tx_in.outpoint) for tx_in in tx.inputs]
        found = [coin for coin in coins if coin is not None]
        if len(found) != len(coins):
            raise TxRefusedError("bad-txns-inputs-missingorspent", missing=True)
        return found

    def coin(self, point: bytes) -> Coin | None:
        """Return a coin of the best chain or of what waits here, by its outpoint (36 bytes).

        One of ours has the next block's height. Whether it is spent in here is not looked at.
        """
        parent = self.entries.get(point[:32])
        if parent is None:
            return self._view.coin(point)
        index = int.from_bytes(point[32:], "little")
        if index >= len(parent.tx.outputs):
            return None
        output = parent.tx.outputs[index]
        return Coin(output.value, output.script, self._view.height + 1, coinbase=False)

    def _judge(self, tx: Tx, spent: list[Coin]) -> MempoolEntry:
        next_height = self._view.height + 1
        if not locks_held(tx, spent, next_height, self._view.median_time_at):
            raise TxRefusedError("non-BIP68-final")
        reason = check_inputs(tx, spent, next_height)
        if reason:
            raise TxRefusedError(reason)
        sigops = sigop_cost(tx, spent)
        if sigops > _MAX_TX_SIGOPS:
            raise TxRefusedError("bad-txns-too-many-sigops")
        if len(self.ancestors(tx)) >= _MAX_ANCESTORS:
            raise TxRefusedError("too-long-mempool-chain")
        if self._weight + tx.weight > _MAX_TOTAL_WEIGHT:
            raise TxRefusedError("mempool full")
        if not self._view.verifies(tx, spent):
            raise TxRefusedError("mempool-script-verify-flag-failed")
        return MempoolEntry(tx, fee_of(tx, spent), sigops, self._clock())

    def _with_descendants(self, txids: set[bytes]) -> set[bytes]:
        if txids:
            for txid, entry in self.entries.items():  # parents come first: one pass finds all
                if not txids.isdisjoint(self.parents(entry.tx)):
                    txids.add(txid)
        return txids

    def _drop(self, txids: set[bytes]) -> None:
        for txid in txids:
            tx = self.entries.pop(txid).tx
            self._weight -= tx.weight
            for tx_in in tx.inputs:
                del self._spent[tx_in.outpoint]
