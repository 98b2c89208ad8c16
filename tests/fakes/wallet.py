"""A key of the tests' own on regtest, and payments from it, signed by embit.

Independent of our code: embit serialises and signs, so what a node says of these
transactions says nothing of ourselves.
"""

import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from embit import script
from embit.ec import PrivateKey
from embit.networks import NETWORKS
from embit.transaction import SIGHASH, Transaction, TransactionInput, TransactionOutput

__all__ = ["Wallet", "coinbase_of"]

Call = Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class Wallet:
    """One private key, its P2WPKH address, and a way to spend a matured coinbase."""

    key: PrivateKey

    @classmethod
    def numbered(cls, number: int) -> "Wallet":
        """The wallet of a small secret number: the same in every run."""
        return cls(PrivateKey(number.to_bytes(32, "big")))

    @property
    def script(self) -> bytes:
        """Output script of the address."""
        return bytes(script.p2wpkh(self.key).data)

    @property
    def address(self) -> str:
        """On regtest."""
        return str(script.p2wpkh(self.key).address(NETWORKS["regtest"]))

    def spend(self, coinbase: Transaction, *, fee: int) -> str:
        """Pay a coinbase's first output back to ourselves; return the raw transaction in hex."""
        value = coinbase.vout[0].value
        own = script.p2wpkh(self.key)
        tx = Transaction(
            vin=[TransactionInput(coinbase.txid(), 0)],
            vout=[TransactionOutput(value - fee, own)],
        )
        digest = tx.sighash_segwit(0, script.p2pkh_from_p2wpkh(own), value, SIGHASH.ALL)
        signature = self.key.sign(digest).serialize() + bytes([SIGHASH.ALL])
        tx.vin[0].witness = script.Witness([signature, self.key.get_public_key().serialize()])
        return bytes(tx.serialize()).hex()


async def coinbase_of(call: Call, height: int) -> Transaction:
    """Read the coinbase of a block over RPC, parsed by embit.

    Args:
        call: the node's JSON-RPC.
        height: of the block.
    """
    raw = bytes.fromhex(await call("getblock", await call("getblockhash", height), 0))
    at = 81  # header, and a transaction count below 253
    assert raw[80] < 0xFD
    return Transaction.read_from(io.BytesIO(raw[at:]))
