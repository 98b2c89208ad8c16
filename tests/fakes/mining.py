"""Small parts for tests of the proxy: jobs to order, a source worked by hand, a hasher."""

import asyncio
import itertools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace

from headframe.chain.errors import AddressError
from headframe.chain.hashes import sha256d
from headframe.chain.header import Header
from headframe.chain.job import BIP320_MASK, Job, JobId, Lineage, SourceId, SplitCoinbase
from headframe.chain.merkle import fold
from headframe.chain.network import Network
from headframe.chain.share import Reason, Share, Verdict, proof_of
from headframe.chain.target import MAX_TARGET, Target
from headframe.runtime.latest import Latest
from headframe.upstream.base import Done, SourceState, SourceStatus
from headframe.upstream.payees import Payee

NTIME = 1_700_000_000


class PythonHasher:
    """The face of `native` that the proxy uses, on hashlib."""

    def pack_context(
        self, prefix: bytes, suffix: bytes, path: Sequence[bytes], prev_hash: bytes, nbits: int
    ) -> bytes:
        head = struct.pack("<HHBI", len(prefix), len(suffix), len(path), nbits)
        return head + prefix + suffix + b"".join(path) + prev_hash

    def share_hash(
        self, context: bytes, extranonce: bytes, version: int, ntime: int, nonce: int
    ) -> bytes:
        prefix_size, suffix_size, count, nbits = struct.unpack_from("<HHBI", context)
        rest = memoryview(context)[9:]
        prefix, rest = rest[:prefix_size], rest[prefix_size:]
        suffix, rest = rest[:suffix_size], rest[suffix_size:]
        path = [bytes(rest[32 * i : 32 * i + 32]) for i in range(count)]
        root = fold(sha256d(bytes(prefix) + extranonce + bytes(suffix)), path)
        return Header(
            version=version,
            prev_hash=bytes(rest[32 * count :]),
            root=root,
            ntime=ntime,
            nbits=nbits,
            nonce=nonce,
        ).hash()


class JobMaker:
    """Makes jobs of one source, in order."""

    def __init__(self, source: str = "pool", ids: Iterator[int] | None = None) -> None:
        self.lineage = Lineage(SourceId(source), itertools.count(1_000_000) if ids is None else ids)
        self.tip = 0

    def new_block(self) -> None:
        """Let earlier jobs die and a new tip begin."""
        self.lineage.end()
        self.tip += 1

    def make(
        self,
        *,
        size: int = 8,
        target: int = MAX_TARGET,
        block_target: int = 0,
        mask: int = BIP320_MASK,
        coinbase: bytes = b"\x01",
        ntime: int = NTIME,
        ntime_max: int = NTIME + 7000,
    ) -> Job:
        """Make a job; each `coinbase` makes other work."""
        return Job(
            id=self.lineage.next_id(),
            source=self.lineage.source,
            version=0x20000000,
            version_mask=mask,
            prev_hash=self.tip.to_bytes(32, "big"),
            nbits=0x1D00FFFF,
            ntime=ntime,
            ntime_min=NTIME,
            ntime_max=ntime_max,
            commitment=SplitCoinbase(
                prefix=b"coinbase" + coinbase,
                suffix=b"rest",
                path=(b"\x02" * 32, b"\x03" * 32),
                extranonce_size=size,
            ),
            target=Target(target),
            block_target=Target(block_target),
            epoch=self.lineage.epoch,
            generation=self.lineage.generation,
        )


class ManualSource:
    """A `JobSource` worked by hand; keeps what it was sent.

    Attributes:
        sent: (share, worker, done) of each `submit`.
        verdict: given at once; `None` to answer by hand.
    """

    def __init__(self, name: str = "pool", verdict: Verdict | None = None) -> None:
        self.jobs: Latest[Job | None] = Latest(None)
        self.status = Latest(
            SourceStatus(
                source=SourceId(name), url="stratum+tcp://pool.test", state=SourceState.ACTIVE
            )
        )
        self.sent: list[tuple[Share, str | None, Done]] = []
        self.count = Latest(0)
        self.known: dict[JobId, Job] = {}
        self.verdict: Verdict | None = verdict or Verdict(reason=Reason.ACCEPTED)

    def publish(self, job: Job | None) -> None:
        """Make this the newest job."""
        if job is not None:
            self.known[job.id] = job
        self.jobs.set(job)

    async def run(self) -> None:
        """Do nothing until cancelled."""
        await asyncio.Event().wait()

    def submit(self, share: Share, worker: str | None, done: Done) -> None:
        """Keep the share, and answer if told to."""
        self.sent.append((share, worker, done))
        self.count.set(len(self.sent))
        if self.verdict is not None:
            done(self.verdict)

    async def wait_for(self, count: int) -> None:
        """Wait until so many shares were sent."""
        while len(self.sent) < count:
            await self.count.wait_newer(self.count.serial)

    def proofs(self) -> list[int]:
        """Hash what was sent, each share by the job it names."""
        return [proof_of(self.known[share.job_id], share) for share, _, _ in self.sent]


class PayingSource(ManualSource):
    """A source worked by hand that makes jobs for payees, as a node's does.

    Attributes:
        paid: the payee of each job that was made for one, by its id.
        pays: it does; else it knows none of its jobs.
    """

    def __init__(self, network: Network = Network.REGTEST) -> None:
        super().__init__("node")
        self.network = network
        self.status.set(replace(self.status.get(), network=network.value))
        self.paid: dict[JobId, Payee] = {}
        self.pays = True
        self._ids = itertools.count(5_000_000)

    def paying(self, job: Job, payee: Payee) -> Job | None:
        """Make a job whose coinbase ends with the payee's script."""
        if job.id not in self.known or not self.pays:
            return None
        if self.network not in payee.networks:
            raise AddressError(f"{payee.address} is none of {self.network.label}")
        assert isinstance(job.commitment, SplitCoinbase)
        ends = replace(job.commitment, suffix=job.commitment.suffix + payee.script)
        made = replace(job, id=JobId(next(self._ids)), commitment=ends)
        self.known[made.id], self.paid[made.id] = made, payee
        return made
