"""`KeyRing`: one private key, and coins of it in every usual kind of output.

For regtest alone: its coins are worth nothing. Signing is embit's.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from headframe.node.coins import Coin
from headframe.node.tx import TxOut
from headframe.runtime.errors import ConfigError

__all__ = ["KINDS", "KeyRing", "load_key_ring"]

KINDS: Final = ("p2pkh", "p2sh-p2wpkh", "p2wpkh", "p2wsh", "p2tr")
"""Kinds of outputs that a key ring owns."""
_KEY_BYTES: Final = 32
_SEQUENCE: Final = 0xFFFFFFFD  # may be replaced (BIP 125), as wallets have it


class KeyRing:
    """Owns coins of one key, and spends them.

    Args:
        secret: the private key, 32 bytes.

    Attributes:
        scripts: output script of each kind.

    Raises:
        ValueError: the secret is no private key.
    """

    def __init__(self, secret: bytes) -> None:
        from embit import script  # an optional part, loaded when used
        from embit.base import EmbitError
        from embit.ec import PrivateKey

        try:
            self._key = PrivateKey(secret)
        except EmbitError:
            raise ValueError("this is no private key") from None
        self._public: bytes = self._key.get_public_key().serialize()
        self._wpkh = script.p2wpkh(self._key)
        # The simplest script of a witness: the key, and the check of its signature.
        self._witness_script = script.Script(bytes((len(self._public),)) + self._public + b"\xac")
        made = {
            "p2pkh": script.p2pkh(self._key),
            "p2sh-p2wpkh": script.p2sh(self._wpkh),
            "p2wpkh": self._wpkh,
            "p2wsh": script.p2wsh(self._witness_script),
            "p2tr": script.p2tr(self._key),
        }
        self.scripts: Mapping[str, bytes] = {kind: bytes(each.data) for kind, each in made.items()}
        self._signers: Mapping[bytes, Callable[[Any, Coin], None]] = {
            self.scripts["p2pkh"]: self._sign_legacy,
            self.scripts["p2sh-p2wpkh"]: self._sign_nested,
            self.scripts["p2wpkh"]: self._sign_key_hash,
            self.scripts["p2wsh"]: self._sign_script_hash,
            self.scripts["p2tr"]: self._sign_taproot,
        }

    def spend(self, point: bytes, coin: Coin, outputs: Sequence[TxOut]) -> bytes:
        """Spend one coin of ours; return the signed transaction, serialised.

        Args:
            point: its outpoint, 36 bytes.
            coin: what it is.
            outputs: where to; what is left is the fee.

        Raises:
            KeyError: the coin is not ours.
        """
        from embit.script import Script
        from embit.transaction import Transaction, TransactionInput, TransactionOutput

        tx = Transaction(
            version=2,
            vin=[
                TransactionInput(
                    point[31::-1], int.from_bytes(point[32:], "little"), sequence=_SEQUENCE
                )
            ],
            vout=[TransactionOutput(output.value, Script(output.script)) for output in outputs],
        )
        self._signers[coin.script](tx, coin)
        return bytes(tx.serialize())

    def _sign_legacy(self, tx: Any, coin: Coin) -> None:
        from embit.script import Script

        digest = tx.sighash_legacy(0, Script(coin.script))
        signature = self._signature(digest)
        pushes = b"".join(bytes((len(each),)) + each for each in (signature, self._public))
        tx.vin[0].script_sig = Script(pushes)

    def _sign_nested(self, tx: Any, coin: Coin) -> None:
        from embit.script import Script

        redeem = bytes(self._wpkh.data)
        tx.vin[0].script_sig = Script(bytes((len(redeem),)) + redeem)
        self._sign_key_hash(tx, coin)

    def _sign_key_hash(self, tx: Any, coin: Coin) -> None:
        from embit.script import Witness, p2pkh_from_p2wpkh

        digest = tx.sighash_segwit(0, p2pkh_from_p2wpkh(self._wpkh), coin.value)
        tx.vin[0].witness = Witness([self._signature(digest), self._public])

    def _sign_script_hash(self, tx: Any, coin: Coin) -> None:
        from embit.script import Witness

        digest = tx.sighash_segwit(0, self._witness_script, coin.value)
        tx.vin[0].witness = Witness([self._signature(digest), bytes(self._witness_script.data)])

    def _sign_taproot(self, tx: Any, coin: Coin) -> None:
        from embit.script import Script, Witness

        digest = tx.sighash_taproot(0, [Script(coin.script)], [coin.value])
        signature = self._key.taproot_tweak().schnorr_sign(digest)
        tx.vin[0].witness = Witness([signature.serialize()])

    def _signature(self, digest: bytes) -> bytes:
        return bytes(self._key.sign(digest).serialize()) + b"\x01"  # of all inputs and outputs


def load_key_ring(path: Path) -> KeyRing:
    """Read a key ring's secret from a file of hex digits; make the file the first time.

    Raises:
        ConfigError: the file cannot be read or written, or holds no key.
    """
    try:
        if not path.exists():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(os.urandom(_KEY_BYTES).hex() + "\n")
        return KeyRing(bytes.fromhex(path.read_text(encoding="ascii").strip()))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it holds no key"
        raise ConfigError(
            f"the key of the transactions in {path} cannot be used ({why}): remove the file, and a "
            "new one is made"
        ) from None
