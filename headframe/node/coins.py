"""The unspent coins of the best chain: what the kernel keeps to itself.

Built from the blocks as they are connected, and kept in a file between runs. The file names
the block it belongs to, so it is never believed about another chain.
"""

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from headframe.node.tx import Block, TxOut, outpoint

__all__ = ["Coin", "CoinIndex"]

_LONGEST_SCRIPT: Final = 10_000  # consensus: a longer script can never run
_OP_RETURN: Final = 0x6A
_FORMAT: Final = 1
_SCRIPT_AT: Final = 12  # in a packed coin, after value and place


class Coin(NamedTuple):
    """An output that was, or still is, to be spent.

    Attributes:
        value: satoshi.
        script: the output script.
        height: of the block that made it.
        coinbase: whether a coinbase made it, so that it matures after 100 blocks.
    """

    value: int
    script: bytes
    height: int
    coinbase: bool


class _Snapshot(msgspec.Struct, frozen=True, array_like=True):
    format: int
    tip: bytes
    height: int
    coins: dict[bytes, bytes]


class CoinIndex:
    """Which outputs can be spent, as of one block.

    Attributes:
        tip: hash of that block; 32 bytes, header order.
        height: its height.
    """

    def __init__(self, genesis: bytes) -> None:
        self.tip = genesis
        self.height = 0
        # Packed, not as objects: a long chain has millions, and the collector skips bytes.
        self._coins: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self._coins)

    def get(self, point: bytes) -> Coin | None:
        """Return the coin of an outpoint (36 bytes, `tx.outpoint`), `None` if it is spent."""
        packed = self._coins.get(point)
        return None if packed is None else _unpack(packed)

    def of_scripts(self, scripts: Collection[bytes]) -> list[tuple[bytes, Coin]]:
        """Return all coins that pay one of these scripts, each with its outpoint."""
        return [
            (point, _unpack(packed))
            for point, packed in self._coins.items()
            if packed[_SCRIPT_AT:] in scripts
        ]

    def has_any(self, txid: bytes, outputs: int) -> bool:
        """Say whether any of a transaction's outputs is unspent."""
        return any(outpoint(txid, index) in self._coins for index in range(outputs))

    def connect(self, block: Block) -> None:
        """Go one block forward.

        Raises:
            ValueError: the block does not follow `tip`.
        """
        if block.header.prev_hash != self.tip:
            raise ValueError(f"block {block.hash[::-1].hex()} does not follow the index's")
        height = self.height + 1
        for tx in block.txs:
            coinbase = tx.is_coinbase
            if not coinbase:
                for spent in tx.inputs:
                    del self._coins[spent.outpoint]
            for index, output in enumerate(tx.outputs):
                if _spendable(output):
                    packed = _pack(Coin(output.value, output.script, height, coinbase))
                    self._coins[outpoint(tx.txid, index)] = packed
        self.tip, self.height = block.hash, height

    def disconnect(self, block: Block, spent: Sequence[Sequence[Coin]]) -> None:
        """Go one block back.

        Args:
            block: the one at `tip`.
            spent: the coins it spent, for each transaction but the coinbase.

        Raises:
            ValueError: the block is not the one at `tip`.
        """
        if block.hash != self.tip:
            raise ValueError(f"block {block.hash[::-1].hex()} is not the index's")
        undo = [(), *spent]
        for tx, coins in zip(reversed(block.txs), reversed(undo), strict=True):
            for index in range(len(tx.outputs)):
                self._coins.pop(outpoint(tx.txid, index), None)
            if not tx.is_coinbase:
                for tx_in, coin in zip(tx.inputs, coins, strict=True):
                    self._coins[tx_in.outpoint] = _pack(coin)
        self.tip, self.height = block.header.prev_hash, self.height - 1

    def save(self, path: Path) -> None:
        """Write the index to a file, whole or not at all."""
        snapshot = _Snapshot(_FORMAT, self.tip, self.height, self._coins)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            file.write(msgspec.msgpack.encode(snapshot))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def load(self, path: Path) -> bool:
        """Take over what `save` wrote; `False` (and no change) when that is not to be had."""
        try:
            snapshot = msgspec.msgpack.decode(path.read_bytes(), type=_Snapshot)
        except (OSError, msgspec.DecodeError):
            return False
        if snapshot.format != _FORMAT:
            return False
        self.tip, self.height, self._coins = snapshot.tip, snapshot.height, snapshot.coins
        return True


def _spendable(output: TxOut) -> bool:
    script = output.script
    return len(script) <= _LONGEST_SCRIPT and not (script and script[0] == _OP_RETURN)


def _pack(coin: Coin) -> bytes:
    place = coin.height << 1 | coin.coinbase
    return coin.value.to_bytes(8, "little") + place.to_bytes(4, "little") + coin.script


def _unpack(packed: bytes) -> Coin:
    place = int.from_bytes(packed[8:12], "little")
    return Coin(
        value=int.from_bytes(packed[:8], "little"),
        script=packed[_SCRIPT_AT:],
        height=place >> 1,
        coinbase=bool(place & 1),
    )
