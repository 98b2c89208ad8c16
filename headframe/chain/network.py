"""The Bitcoin networks: how their addresses look and when their subsidy halves."""

from enum import StrEnum
from typing import Final

__all__ = ["Network"]

_FIRST_SUBSIDY: Final = 50 * 100_000_000
"""Satoshi that the blocks of the first interval create, on every network."""


class Network(StrEnum):
    """A network; its value is the name that bitcoind uses (`getblockchaininfo`, `-chain`).

    Every signet, whatever its challenge, is `SIGNET`.
    """

    MAIN = "main"
    TESTNET3 = "test"
    TESTNET4 = "testnet4"
    SIGNET = "signet"
    REGTEST = "regtest"

    @property
    def label(self) -> str:
        """The name for people."""
        return {Network.MAIN: "mainnet", Network.TESTNET3: "testnet3"}.get(self, self.value)

    @property
    def hrp(self) -> str:
        """Human-readable part of segwit addresses; testnets and signet share theirs."""
        return {Network.MAIN: "bc", Network.REGTEST: "bcrt"}.get(self, "tb")

    @property
    def p2pkh_version(self) -> int:
        """Version byte of base58 addresses that pay to a key's hash."""
        return 0 if self is Network.MAIN else 111

    @property
    def p2sh_version(self) -> int:
        """Version byte of base58 addresses that pay to a script's hash."""
        return 5 if self is Network.MAIN else 196

    @property
    def halving_interval(self) -> int:
        """Blocks between two halvings of the subsidy."""
        return 150 if self is Network.REGTEST else 210_000

    @property
    def allows_easy_blocks(self) -> bool:
        """Whether a block dated over 20 minutes after its parent has difficulty 1."""
        return self in (Network.TESTNET3, Network.TESTNET4)

    def subsidy(self, height: int) -> int:
        """Say how many satoshi the block at a height creates, fees not counted."""
        return _FIRST_SUBSIDY >> (height // self.halving_interval)
