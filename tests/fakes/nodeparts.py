"""Parts for tests of the embedded node: blocks to order, signed transactions, the node itself.

Signing and transaction serialisation are embit's, so that what the node says of them says
nothing of our own code.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import pytest
from embit import script as embit_script
from embit.ec import PrivateKey
from embit.networks import NETWORKS
from embit.transaction import SIGHASH, Transaction, TransactionInput, TransactionOutput

from headframe.chain.coinbase import Output, build, with_witness
from headframe.chain.hashes import hash_from_hex, hash_to_int, sha256d
from headframe.chain.header import Header
from headframe.chain.merkle import merkle_root
from headframe.chain.target import target_from_nbits
from headframe.chain.wire import compact_size
from tests.fakes.bitcoind import rpc_call

__all__ = ["BlockPlan", "Coins", "EmbeddedNode", "Key", "need_kernel", "running_node"]

_READY_SECONDS = 60
_MANUAL_SEQUENCE = 0xFFFFFFFE


def need_kernel() -> None:
    """Skip the test where libbitcoinkernel has no wheel; fail it in CI where it has one."""
    if find_spec("pbk") is not None:
        return
    if os.environ.get("CI") == "true" and sys.version_info < (3, 14):
        pytest.fail("py-bitcoinkernel is not installed", pytrace=False)
    pytest.skip("no libbitcoinkernel: install headframe[node] on Python 3.11 to 3.13")


@dataclass(frozen=True, kw_only=True)
class BlockPlan:
    """A block to be made from a getblocktemplate answer; change what shall be wrong.

    Attributes:
        template: the answer.
        script: the output script that the coinbase pays.
        tag: text in the coinbase, to tell siblings apart.
        value: satoshi to pay; `None` for the template's.
        height: height to push; `None` for the template's.
        commit: whether the coinbase commits to witnesses.
        witness: whether the coinbase carries its witness.
        version: block version; `None` for the template's.
        ntime: time; `None` for the template's.
        nbits: bits; `None` for the template's.
        prev_hash: display hex; `None` for the template's.
        bad_root: spoil the merkle root.
        hard: whether the hash meets the target (or surely does not).
        txs: serialised transactions; `None` for the template's.
    """

    template: dict[str, Any] = field(repr=False)
    script: bytes = b"\x51"
    tag: bytes = b"/test/"
    value: int | None = None
    height: int | None = None
    commit: bool = True
    witness: bool = True
    version: int | None = None
    ntime: int | None = None
    nbits: int | None = None
    prev_hash: str | None = None
    bad_root: bool = False
    hard: bool = True
    txs: Sequence[bytes] | None = None

    def but(self, **changes: Any) -> Self:
        """Make the same plan with something changed."""
        return replace(self, **changes)

    def build(self) -> bytes:
        """Make the block, with its nonce."""
        template = self.template
        outputs = [
            Output(value=_or(self.value, template["coinbasevalue"]), script=self.script),
        ]
        if self.commit:
            commitment = bytes.fromhex(template["default_witness_commitment"])
            outputs.append(Output(value=0, script=commitment))
        parts = build(
            height=_or(self.height, template["height"]),
            outputs=outputs,
            extranonce_size=0,
            tag=self.tag,
        )
        stripped = parts.prefix + parts.suffix
        listed = template["transactions"]
        raws = [bytes.fromhex(tx["data"]) for tx in listed] if self.txs is None else self.txs
        txids = [sha256d(stripped), *map(_txid, raws)]
        root = merkle_root(txids)
        if self.bad_root:
            root = root[::-1]
        header = self._solve(root)
        coinbase = with_witness(stripped) if self.witness else stripped
        return header.encode() + compact_size(1 + len(raws)) + coinbase + b"".join(raws)

    def _solve(self, root: bytes) -> Header:
        nbits = _or(self.nbits, int(self.template["bits"], 16))
        target = target_from_nbits(nbits)
        for nonce in range(1 << 20):
            header = Header(
                version=_or(self.version, self.template["version"]),
                prev_hash=hash_from_hex(self.prev_hash or self.template["previousblockhash"]),
                root=root,
                ntime=_or(self.ntime, self.template["curtime"]),
                nbits=nbits,
                nonce=nonce,
            )
            if (hash_to_int(header.hash()) <= target) == self.hard:
                return header
        raise AssertionError("no nonce found")


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _txid(raw: bytes) -> bytes:
    digest: bytes = Transaction.parse(raw).txid()[::-1]
    return digest


@dataclass(frozen=True)
class Coins:
    """An output to spend: txid (display order), its index, satoshi, and its script."""

    txid: bytes
    index: int
    value: int
    script: bytes

    @classmethod
    def made_by(cls, tx: Transaction, index: int = 0) -> "Coins":
        """An output of a transaction of embit's."""
        output = tx.vout[index]
        return cls(tx.txid(), index, output.value, bytes(output.script_pubkey.data))


class Key:
    """A private key of the tests', with its P2WPKH and its taproot address."""

    def __init__(self, number: int = 1) -> None:
        self._key = PrivateKey(number.to_bytes(32, "big"))
        self._wpkh = embit_script.p2wpkh(self._key)
        self._tr = embit_script.p2tr(self._key)

    @property
    def script(self) -> bytes:
        """P2WPKH output script."""
        return bytes(self._wpkh.data)

    @property
    def taproot_script(self) -> bytes:
        """P2TR output script, key path only."""
        return bytes(self._tr.data)

    @property
    def address(self) -> str:
        """P2WPKH address on regtest."""
        return str(self._wpkh.address(NETWORKS["regtest"]))

    @property
    def taproot_address(self) -> str:
        """P2TR address on regtest."""
        return str(self._tr.address(NETWORKS["regtest"]))

    def pay(
        self,
        coins: Coins,
        script: bytes,
        *,
        fee: int,
        sequence: int = _MANUAL_SEQUENCE,
        lock_time: int = 0,
    ) -> Transaction:
        """Spend one output of ours whole, but for the fee, to a script; signed."""
        tx = Transaction(
            version=2,
            vin=[TransactionInput(coins.txid, coins.index, sequence=sequence)],
            vout=[TransactionOutput(coins.value - fee, embit_script.Script(script))],
            locktime=lock_time,
        )
        self.sign(tx, coins)
        return tx

    def sign(self, tx: Transaction, coins: Coins) -> None:
        """Put the witness of the one input in, made anew."""
        if coins.script == self.taproot_script:
            digest = tx.sighash_taproot(
                0, [embit_script.Script(coins.script)], [coins.value], SIGHASH.DEFAULT
            )
            signature = self._key.taproot_tweak().schnorr_sign(digest)
            tx.vin[0].witness = embit_script.Witness([signature.serialize()])
            return
        code = embit_script.p2pkh_from_p2wpkh(self._wpkh)
        digest = tx.sighash_segwit(0, code, coins.value, SIGHASH.ALL)
        signature = self._key.sign(digest).serialize() + bytes([SIGHASH.ALL])
        public = self._key.get_public_key().serialize()
        tx.vin[0].witness = embit_script.Witness([signature, public])


class EmbeddedNode:
    """`python -m headframe.node` as a process, with its data in a folder of the test's.

    Attributes:
        datadir: its data folder.
        process: the process while it runs.
        ready: what its event `node_ready` said.
    """

    def __init__(self, datadir: Path) -> None:
        self.datadir = datadir
        self.process: subprocess.Popen[str] | None = None
        self.ready: dict[str, Any] = {}

    @property
    def port(self) -> int:
        """Where its RPC listens."""
        return int(str(self.ready["rpc"]).rpartition(":")[2])

    @property
    def cookie(self) -> Path:
        """Its cookie file."""
        return self.datadir / "regtest" / ".cookie"

    def start(self, *args: str) -> Self:
        """Start it on a free port and wait for its event `node_ready`."""
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "headframe.node", "--datadir", str(self.datadir)),
                *("--rpc-port", "0", "--log-format", "json"),
                *args,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "node_ready":
                self.ready = event
                return self
        raise AssertionError(f"the node ended with {self.process.wait()}")

    def kill(self) -> None:
        """End it with SIGKILL: it has no chance to write anything."""
        self._end(lambda process: process.kill())

    def stop(self) -> int | None:
        """End it with SIGTERM; return its exit code."""
        return self._end(lambda process: process.terminate())

    def _end(self, how: Callable[[subprocess.Popen[str]], None]) -> int | None:
        process, self.process = self.process, None
        if process is None:
            return None
        how(process)
        with process:
            return process.wait(timeout=_READY_SECONDS)

    def call(self, method: str, *params: object) -> Any:
        """Call one RPC method; raises `NodeRpcError` on an error."""
        return rpc_call(self.port, self.cookie.read_text(), method, params)


@contextmanager
def running_node(datadir: Path) -> Iterator[EmbeddedNode]:
    """Run the embedded node for the length of a `with` block."""
    need_kernel()
    node = EmbeddedNode(datadir)
    try:
        yield node.start()
    finally:
        node.stop()
