"""The node without its network face: kernel, unspent coins and mempool kept in step.

Everything here runs on one thread, the kernel's. What others need to know at any moment is
one immutable `Tip`, handed over whenever it changes.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from headframe.chain.coinbase import Output, build, with_witness
from headframe.chain.errors import WireError
from headframe.chain.hashes import hash_to_hex, hash_to_int, sha256d
from headframe.chain.header import Header
from headframe.chain.merkle import merkle_root
from headframe.chain.network import Network
from headframe.chain.target import target_from_nbits, work_of
from headframe.chain.wire import compact_size
from headframe.node.coins import Coin, CoinIndex
from headframe.node.deployments import TestDummy
from headframe.node.errors import BlockDecodeError, Code, KernelError, RpcError
from headframe.node.kernel import Entry, Kernel
from headframe.node.mempool import Mempool
from headframe.node.template import Draft, least_time, positions, select
from headframe.node.tx import Block, Tx, add_coinbase_witness, parse_block, parse_tx
from headframe.runtime.logs import get_logger

__all__ = ["NETWORK", "NodeCore", "Tip"]

NETWORK: Final = Network.REGTEST
"""The one network of this node: it has no peers, so others would be of no use."""

_MEDIAN_SPAN: Final = 11
_TIMES_KEPT: Final = 4_096
_NONCES: Final = 1 << 32
_RATE_SPAN: Final = 120
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    """Where the node stands.

    Attributes:
        hash: of the best block; 32 bytes, header order.
        height: of it.
        time: of it, in seconds since 1970.
        changes: the mempool's counter of changes.
        pooled: transactions in the mempool.
    """

    hash: bytes
    height: int
    time: int
    changes: int
    pooled: int


class NodeCore:
    """One regtest chain: take blocks and transactions in, say what to mine next.

    Attributes:
        folder: where the chain is.
        kernel: consensus and the blocks.
        mempool: what waits for a block.
    """

    def __init__(
        self, folder: Path, *, clock: Callable[[], int], changed: Callable[[Tip], None]
    ) -> None:
        """Open the chain in a folder.

        Args:
            folder: of this chain alone; made if it is not there.
            clock: seconds since 1970.
            changed: told of each change of tip or mempool, on the calling thread.

        Raises:
            NodeError: the folder is in use or unreadable, or there is no kernel.
        """
        self.folder = folder
        self._clock = clock
        self._changed = changed
        self._times: dict[bytes, int] = {}
        self.kernel = Kernel(folder)
        self.mempool = Mempool(self, clock)
        self._dummy = TestDummy(self.kernel.entry_at)
        self._coins = self._load_coins()
        self._load_mempool()
        self._tip = self._look()

    def close(self) -> None:
        """Write everything to disk; the object is of no use afterwards.

        Raises:
            KernelError: the chain's state could not be written.
        """
        try:
            self._coins.save(self.folder / "coins.dat")
            raw = [entry.tx.raw for entry in self.mempool.entries.values()]
            (self.folder / "mempool.dat").write_bytes(msgspec.msgpack.encode(raw))
        except OSError as error:  # both can be done without: the blocks are what counts
            _log.warning("node_state_not_saved", reason=str(error))
        self.kernel.close()

    @property
    def tip(self) -> Tip:
        """Where the node stands; safe to read from any thread."""
        return self._tip

    @property
    def height(self) -> int:
        """Height of the best block."""
        return self._coins.height

    def submit(self, raw: bytes) -> str | None:
        """Take a block as `submitblock` does: a missing coinbase witness is put in.

        Returns:
            `None` for a new best block, else BIP 22's word.

        Raises:
            BlockDecodeError: there is no whole block.
            KernelError: the library can no longer write.
        """
        try:
            block = parse_block(raw)
        except WireError as error:
            raise BlockDecodeError(str(error)) from error
        answer = self.kernel.submit(add_coinbase_witness(block))
        self._follow(block if answer is None else None)
        return answer

    def send(self, tx: Tx, fee_rate_limit: int) -> None:
        """Take a transaction into the mempool; one that is in it already stays.

        Args:
            tx: the transaction.
            fee_rate_limit: the most it may pay, in satoshi per 1000 virtual bytes; 0 for any.

        Raises:
            TxRefusedError: it is not taken.
            RpcError: it pays too much, or is in the chain.
        """
        if tx.txid in self.mempool.entries:
            return
        if self._coins.has_any(tx.txid, len(tx.outputs)):
            raise RpcError(Code.VERIFY_ALREADY_IN_CHAIN, "Transaction outputs already in utxo set")
        entry = self.mempool.check(tx)
        if fee_rate_limit and entry.fee * 1000 > fee_rate_limit * tx.vsize:
            raise RpcError(
                Code.VERIFY,
                "Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)",
            )
        self.mempool.put(entry)
        self._publish()

    def draft(self) -> Draft:
        """Say what the next block must be like, and what goes into it."""
        last = self._last()
        mintime = least_time(last.height + 1, last.header.ntime, self.median_time(last))
        entries = select(self.mempool)
        return Draft(
            prev_hash=last.hash,
            height=last.height + 1,
            nbits=last.header.nbits,
            subsidy=NETWORK.subsidy(last.height + 1),
            mintime=mintime,
            curtime=max(mintime, self._clock()),
            dummy=self._dummy.state(last.height),
            changes=self.mempool.changes,
            entries=entries,
            positions=positions(entries),
        )

    def mine(self, script: bytes, tries: int) -> tuple[bytes | None, int]:
        """Mine one block on the tip, with what the mempool has.

        Args:
            script: the output script that is paid.
            tries: nonces to try at most.

        Returns:
            The block's hash (32 bytes, header order), `None` if the tries did not do; and
            the tries that are left.

        Raises:
            KernelError: the block was refused, which is a bug of ours.
        """
        draft = self.draft()
        outputs = [
            Output(value=draft.value, script=script),
            Output(value=0, script=draft.commitment),
        ]
        coinbase = build(
            height=draft.height, outputs=outputs, extranonce_size=0, tag=b"/headframe/"
        )
        stripped = coinbase.prefix + coinbase.suffix
        txids = [sha256d(stripped), *(entry.tx.txid for entry in draft.entries)]
        header, left = _solve(draft, merkle_root(txids), tries)
        if header is None:
            return None, left
        raws = [with_witness(stripped), *(entry.tx.raw for entry in draft.entries)]
        answer = self.submit(header.encode() + compact_size(len(raws)) + b"".join(raws))
        if answer is not None:
            raise KernelError(f"our own block {hash_to_hex(header.hash())} was refused: {answer}")
        return header.hash(), left

    def hashes_per_second(self) -> int:
        """Estimate how fast the last 120 blocks were mined, as `getmininginfo` does."""
        last = self._last()
        first = self.kernel.entry_at(max(last.height - _RATE_SPAN, 0))
        if first is None or last.header.ntime <= first.header.ntime:
            return 0
        hashes = (last.height - first.height) * work_of(target_from_nbits(last.header.nbits))
        return hashes // (last.header.ntime - first.header.ntime)

    def coin(self, point: bytes) -> Coin | None:
        """Return an unspent coin of the best chain by its outpoint (36 bytes)."""
        return self._coins.get(point)

    def coins_of(self, scripts: Collection[bytes]) -> list[tuple[bytes, Coin]]:
        """Return the unspent coins of these scripts, each with its outpoint."""
        return self._coins.of_scripts(scripts)

    def verifies(self, tx: Tx, spent: Sequence[Coin]) -> bool:
        """Run the scripts of all inputs of a transaction."""
        return self.kernel.verifies(tx.raw, spent)

    def median_time_at(self, height: int) -> int:
        """Return the median time past of the best chain's block at a height, in seconds."""
        entry = self.kernel.entry_at(height)
        if entry is None:
            raise KernelError(f"the best chain has no block at height {height}")
        return self.median_time(entry)

    def median_time(self, entry: Entry) -> int:
        """Return the median of the times of a block and the ten before it, in seconds."""
        known = self._times.get(entry.hash)
        if known is not None:
            return known
        times = [entry.header.ntime]
        before = entry
        while len(times) < _MEDIAN_SPAN and before.height > 0:
            parent = self.kernel.entry(before.header.prev_hash)
            if parent is None:  # an index without a parent is broken
                raise KernelError(f"block {hash_to_hex(before.hash)} has no parent")
            times.append(parent.header.ntime)
            before = parent
        if len(self._times) >= _TIMES_KEPT:
            self._times.clear()
        median = sorted(times)[len(times) // 2]
        self._times[entry.hash] = median
        return median

    def _last(self) -> Entry:
        return self.kernel.tip()

    def _load_coins(self) -> CoinIndex:
        index = CoinIndex(self._genesis())
        if index.load(self.folder / "coins.dat"):
            try:
                self._walk(index, None)
            except (KernelError, LookupError, ValueError) as error:
                _log.warning("coin_index_rebuilt", reason=str(error))
                index = CoinIndex(self._genesis())
        self._walk(index, None)
        return index

    def _genesis(self) -> bytes:
        entry = self.kernel.entry_at(0)
        if entry is None:  # the library itself puts it there
            raise KernelError(f"the chain in {self.folder} has no genesis block")
        return entry.hash

    def _load_mempool(self) -> None:
        try:
            raws = msgspec.msgpack.decode(
                (self.folder / "mempool.dat").read_bytes(), type=list[bytes]
            )
            self.mempool.rebuild([parse_tx(raw) for raw in raws])
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError, WireError) as error:
            _log.warning("mempool_not_loaded", reason=str(error))

    def _follow(self, fresh: Block | None) -> None:
        """Bring coins and mempool to the kernel's tip, and tell who wants to know."""
        if self._last().hash == self._coins.tip:
            return
        connected: list[Block] = []
        returned = self._walk(self._coins, connected, fresh)
        if returned:
            self.mempool.rebuild(returned)
        else:
            for block in connected:
                self.mempool.confirm(block.txs[1:])
        self._publish()

    def _walk(
        self, index: CoinIndex, connected: list[Block] | None, fresh: Block | None = None
    ) -> list[Tx]:
        """Move a coin index to the best chain's end.

        Args:
            index: what to move.
            connected: gets the blocks that were connected, where that is wanted.
            fresh: a block that need not be read from disk, as it just came.

        Returns:
            The transactions, coinbases left out, of the blocks that were disconnected, oldest
            first.
        """
        returned: list[Tx] = []
        while not self._is_active(index.tip):
            gone = self._read(index.tip)
            index.disconnect(gone, self.kernel.spent_by(gone.hash))
            returned = [*gone.txs[1:], *returned]
        while (entry := self.kernel.entry_at(index.height + 1)) is not None:
            known = fresh is not None and fresh.hash == entry.hash
            block = fresh if fresh is not None and known else self._read(entry.hash)
            index.connect(block)
            if connected is not None:
                connected.append(block)
        return returned

    def _is_active(self, block_hash: bytes) -> bool:
        entry = self.kernel.entry(block_hash)
        return entry is not None and self.kernel.is_active(entry)

    def _read(self, block_hash: bytes) -> Block:
        raw = self.kernel.block(block_hash)
        if raw is None:
            raise KernelError(f"block {hash_to_hex(block_hash)} cannot be read from disk")
        return parse_block(raw)

    def _look(self) -> Tip:
        last = self._last()
        return Tip(
            hash=last.hash,
            height=last.height,
            time=last.header.ntime,
            changes=self.mempool.changes,
            pooled=len(self.mempool.entries),
        )

    def _publish(self) -> None:
        self._tip = self._look()
        self._changed(self._tip)


def _solve(draft: Draft, root: bytes, tries: int) -> tuple[Header | None, int]:
    """Search the nonce; on regtest every second hash will do."""
    target = target_from_nbits(draft.nbits)
    for nonce in range(min(tries, _NONCES)):
        header = Header(
            version=draft.version,
            prev_hash=draft.prev_hash,
            root=root,
            ntime=draft.curtime,
            nbits=draft.nbits,
            nonce=nonce,
        )
        if hash_to_int(header.hash()) <= target:
            return header, tries - nonce - 1
    return None, 0
