"""getblocktemplate's answer (BIP 22, 23, 9, 145), which the kernel does not have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headframe.chain.coinbase import witness_commitment
from headframe.chain.hashes import hash_to_hex
from headframe.chain.target import target_from_nbits
from headframe.node.deployments import TESTDUMMY_BIT, DeploymentState
from headframe.node.mempool import Mempool, MempoolEntry

__all__ = ["Draft", "least_time", "make_template", "positions", "select"]

_VERSION: Final = 0x20000000
_WEIGHT_LIMIT: Final = 4_000_000
_SIGOP_LIMIT: Final = 80_000
_RESERVED_WEIGHT: Final = 8_000  # header, count and coinbase, as bitcoind reserves by default
_RESERVED_SIGOPS: Final = 400
_RETARGET_BLOCKS: Final = 2016
_MAX_WARP_SECONDS: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What the next block must be like, before a coinbase is chosen.

    Attributes:
        prev_hash: 32 bytes, header order.
        height: of the block to be made.
        nbits: compact target; regtest never changes it.
        subsidy: satoshi, without fees.
        mintime: the least time it may have, in seconds since 1970.
        curtime: the node's time, never below `mintime`.
        dummy: where the deployment `testdummy` stands.
        changes: the mempool's counter of changes.
        entries: transactions to put in, parents first.
        positions: 1-based, of the parents of each of them.
    """

    prev_hash: bytes
    height: int
    nbits: int
    subsidy: int
    mintime: int
    curtime: int
    dummy: DeploymentState
    changes: int
    entries: tuple[MempoolEntry, ...]
    positions: tuple[tuple[int, ...], ...]

    @property
    def version(self) -> int:
        """Block version, with the bit of a deployment that is voted on."""
        return _VERSION | (1 << TESTDUMMY_BIT if self.dummy.is_signalled else 0)

    @property
    def value(self) -> int:
        """Satoshi that the coinbase may pay: subsidy and fees."""
        return self.subsidy + sum(entry.fee for entry in self.entries)

    @property
    def commitment(self) -> bytes:
        """The output script that commits to the witnesses (38 bytes)."""
        return witness_commitment(b"".join([entry.tx.wtxid for entry in self.entries]))

    @property
    def longpoll_id(self) -> str:
        """Tip and counter, as bitcoind makes it."""
        return f"{hash_to_hex(self.prev_hash)}{self.changes}"


def least_time(height: int, parent_time: int, median_time: int) -> int:
    """Compute the least time that a block may have, in seconds since 1970.

    Args:
        height: of the block.
        parent_time: of the block before it.
        median_time: median of the eleven blocks before it.
    """
    if height % _RETARGET_BLOCKS == 0:  # BIP 94, which templates follow on every chain
        return max(median_time + 1, parent_time - _MAX_WARP_SECONDS)
    return median_time + 1


def select(mempool: Mempool) -> tuple[MempoolEntry, ...]:
    """Choose transactions for a block: the best paying first, each after its parents.

    A transaction is weighed together with those it cannot be mined without.
    """
    packages = {txid: _package(mempool, entry) for txid, entry in mempool.entries.items()}
    order = sorted(packages, key=lambda txid: _fee_rate(packages[txid]), reverse=True)
    chosen: dict[bytes, MempoolEntry] = {}
    weight, sigops = _RESERVED_WEIGHT, _RESERVED_SIGOPS
    for txid in order:
        missing = [entry for entry in packages[txid] if entry.tx.txid not in chosen]
        more_weight = sum(entry.tx.weight for entry in missing)
        more_sigops = sum(entry.sigops for entry in missing)
        if weight + more_weight > _WEIGHT_LIMIT or sigops + more_sigops > _SIGOP_LIMIT:
            continue
        chosen.update((entry.tx.txid, entry) for entry in missing)
        weight += more_weight
        sigops += more_sigops
    return tuple(chosen.values())


def _package(mempool: Mempool, entry: MempoolEntry) -> list[MempoolEntry]:
    """Return a transaction after everything it needs, parents first."""
    needed = mempool.ancestors(entry.tx)
    if not needed:
        return [entry]
    return [other for txid, other in mempool.entries.items() if txid in needed] + [entry]


def _fee_rate(package: Sequence[MempoolEntry]) -> float:
    return sum(entry.fee for entry in package) / sum(entry.tx.weight for entry in package)


def positions(entries: Sequence[MempoolEntry]) -> tuple[tuple[int, ...], ...]:
    """Say for each transaction where in the list its parents stand, counted from 1."""
    places: Mapping[bytes, int] = {entry.tx.txid: i for i, entry in enumerate(entries, start=1)}
    return tuple(
        tuple(places[point[:32]] for point in points if point[:32] in places)
        for points in ([tx_in.outpoint for tx_in in entry.tx.inputs] for entry in entries)
    )


def make_template(draft: Draft) -> dict[str, object]:
    """Write a draft as getblocktemplate answers it."""
    active = draft.dummy is DeploymentState.ACTIVE
    return {
        "capabilities": [],
        "version": draft.version,
        "rules": ["csv", "!segwit", *(["testdummy"] if active else []), "taproot"],
        "vbavailable": {"testdummy": TESTDUMMY_BIT} if draft.dummy.is_signalled else {},
        "vbrequired": 0,
        "previousblockhash": hash_to_hex(draft.prev_hash),
        "transactions": [
            _transaction(entry, depends)
            for entry, depends in zip(draft.entries, draft.positions, strict=True)
        ],
        "coinbaseaux": {},
        "coinbasevalue": draft.value,
        "longpollid": draft.longpoll_id,
        "target": f"{target_from_nbits(draft.nbits):064x}",
        "mintime": draft.mintime,
        "mutable": ["time", "transactions", "prevblock"],
        "noncerange": "00000000ffffffff",
        "sigoplimit": _SIGOP_LIMIT,
        "sizelimit": _WEIGHT_LIMIT,
        "weightlimit": _WEIGHT_LIMIT,
        "curtime": draft.curtime,
        "bits": f"{draft.nbits:08x}",
        "height": draft.height,
        "default_witness_commitment": draft.commitment.hex(),
    }


def _transaction(entry: MempoolEntry, depends: Sequence[int]) -> dict[str, object]:
    return {
        "data": entry.data,
        "txid": hash_to_hex(entry.tx.txid),
        "hash": hash_to_hex(entry.tx.wtxid),
        "depends": list(depends),
        "fee": entry.fee,
        "sigops": entry.sigops,
        "weight": entry.tx.weight,
    }
