"""How soon a found share is a block on the wire: from `submit` to `submitblock`.

Everything is in between as in a running proxy or miner: the share is hashed, the block put
together, written to the journal, forced to disk, and sent to a JSON-RPC server on loopback,
which notes when the first bytes of the request are there and when the last ones are. The
disk's own part, an fsync of as many bytes, is measured beside it, since it is most of the
time and not ours. The folder should lie on the disk that the journal will lie on.

    python -m bench submit [--blocks N] [--transactions N] [--folder PATH]
"""

import argparse
import asyncio
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from headframe.chain.coinbase import Output
from headframe.chain.hashes import hashes_from_hex
from headframe.chain.job import BIP320_MASK, Job, Lineage, SourceId
from headframe.chain.merkle import first_leaf_path
from headframe.chain.network import Network
from headframe.chain.offer import TemplateTx
from headframe.chain.share import Share, Verdict, proof_of
from headframe.chain.template import Template, make_job
from headframe.upstream.access import NodeAccess
from headframe.upstream.blocks import BlockFeed
from headframe.upstream.dispatch import Dispatch
from headframe.upstream.gbt import GbtSource
from headframe.upstream.gbt_options import GbtOptions
from headframe.upstream.journal import Journal
from headframe.upstream.payees import Payees
from headframe.upstream.tasks import run_together

__all__ = ["main"]

LIMIT_MS = 5.0
TX_BYTES = 400
SMALL, LARGE = 0, 4000
"""Transactions of a regtest block, and of a full one (1.6 MB)."""
BETWEEN_SECONDS = 0.05


@dataclass
class Arrival:
    """When a request came, by `time.perf_counter`."""

    first: float = 0.0
    last: float = 0.0


@dataclass
class Node(asyncio.Protocol):
    """Answers every call with null, and notes when it came."""

    arrivals: list[Arrival]
    came: asyncio.Event
    _buffer: bytearray = field(default_factory=bytearray)
    _now: Arrival | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Note the time; answer once all of a request is there."""
        now = time.perf_counter()
        if self._now is None:
            self._now = Arrival(first=now)
        self._buffer += data
        head, mark, body = self._buffer.partition(b"\r\n\r\n")
        if not mark or len(body) < _length_in(bytes(head)):
            return
        self._now.last = now
        self.arrivals.append(self._now)
        self._buffer.clear()
        self._now = None
        answer = b'{"result":null,"error":null,"id":1}'
        assert isinstance(self._transport, asyncio.Transport)  # noqa: S101
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (len(answer), answer)
        )
        self.came.set()


def _length_in(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def make_work(transactions: int, lineage: Lineage) -> tuple[Template, Job]:
    """Make a template with that many transactions, and its job: half of all hashes are blocks."""
    txs = tuple(
        TemplateTx(
            data=os.urandom(TX_BYTES).hex(),
            txid=os.urandom(32).hex(),
            hash=os.urandom(32).hex(),
            fee=1000,
            weight=TX_BYTES * 2,
        )
        for _ in range(transactions)
    )
    template = Template(
        version=0x20000000,
        version_required=0,
        prev_hash=os.urandom(32),
        height=101,
        value=5_000_000_000,
        curtime=1_700_000_000,
        mintime=1_699_999_000,
        maxtime=1_700_007_000,
        nbits=0x207FFFFF,
        longpoll_id="",
        transactions=txs,
        rules=("csv", "segwit", "taproot"),
        signet_challenge=None,
        weight_limit=4_000_000,
        sigop_limit=80_000,
        aux=b"",
        path=tuple(first_leaf_path(hashes_from_hex([tx.txid for tx in txs]))),
        commitment=bytes.fromhex("6a24aa21a9ed") + os.urandom(32),
    )
    job = make_job(
        template,
        lineage=lineage,
        outputs=(Output(value=template.value, script=b"\x51"),),
        extranonce_size=8,
        tag=b"/bench/",
        version_mask=BIP320_MASK,
        block_target=None,
    )
    return template, job


def blocks_of(job: Job, count: int) -> list[Share]:
    """Find that many shares that are blocks."""
    first = Share(job_id=job.id, extranonce=bytes(8), ntime=job.ntime, nonce=0, version=job.version)
    shares = (replace(first, nonce=nonce) for nonce in itertools.count())
    return list(itertools.islice((s for s in shares if proof_of(job, s) <= job.target), count))


async def measure(folder: Path, blocks: int, transactions: int) -> list[tuple[float, float]]:
    """Submit blocks one by one; (first byte, last byte) of each on the wire, in ms."""
    arrivals: list[Arrival] = []
    came = asyncio.Event()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Node(arrivals, came), "127.0.0.1", 0)
    name = SourceId("node")
    lineage = Lineage(name, itertools.count(1))
    access = NodeAccess(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", user="u")
    dispatch = Dispatch(Journal(folder / f"{transactions}.journal", wall=int), feed=BlockFeed())
    dispatch.set_nodes({name: access})
    source = GbtSource(
        GbtOptions(address=""), rpc=access.connect(), lineage=lineage, delivery=dispatch
    )
    template, job = make_work(transactions, lineage)
    payees = Payees(main=b"\x51")
    source._made.keep(job, template, payees, Network.REGTEST)  # noqa: SLF001 # there is no node
    source._shelf.put(template)  # noqa: SLF001 # as with each job
    sent: list[float] = []
    async with asyncio.TaskGroup() as group:
        running = group.create_task(run_together(dispatch.run(), source._shelf.run()))  # noqa: SLF001
        for share in blocks_of(job, blocks + 1):
            await asyncio.sleep(BETWEEN_SECONDS)
            came.clear()
            sent.append(time.perf_counter())
            source.submit(share, None, _ignore)
            await came.wait()
        running.cancel()
    server.close()
    pairs = [*zip(arrivals, sent, strict=True)][1:]  # the first one makes the connection
    return [((came.first - at) * 1000, (came.last - at) * 1000) for came, at in pairs]


def _ignore(verdict: Verdict) -> None:
    del verdict


def measure_disk(folder: Path, size: int, count: int) -> list[float]:
    """Append so many bytes and force them to disk, again and again; in ms."""
    taken = []
    data = os.urandom(size)
    with (folder / "disk").open("ab") as file:
        for _ in range(count):
            begun = time.perf_counter()
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - begun) * 1000)
    return taken


def describe(name: str, values: Sequence[float]) -> float:
    """Print median and p99 of times in ms; return the median."""
    ordered = sorted(values)
    median, p99 = statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
    print(f"  {name}: median {median:.2f} ms, p99 {p99:.2f} ms, most {ordered[-1]:.2f} ms")
    return median


def main(argv: Sequence[str]) -> int:
    """Measure and print; 0 if the median is within the limit for small blocks."""
    parser = argparse.ArgumentParser(prog="bench.submit")
    parser.add_argument("--blocks", type=int, default=200)
    parser.add_argument("--transactions", type=int, default=None, help="by default none, and 4,000")
    parser.add_argument("--folder", type=Path, default=None)
    wanted = parser.parse_args(argv)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    sizes = (SMALL, LARGE) if wanted.transactions is None else (wanted.transactions,)
    medians = []
    with tempfile.TemporaryDirectory(dir=wanted.folder) as folder:
        for transactions in sizes:
            size = (transactions * TX_BYTES + 300) * 2
            print(f"found share to submitblock, {transactions} transactions, fsync included:")
            times = asyncio.run(measure(Path(folder), wanted.blocks, transactions))
            medians.append(describe("first byte", [first for first, _ in times]))
            describe("last byte", [last for _, last in times])
            disk = measure_disk(Path(folder), size, wanted.blocks)
            describe(f"the disk alone ({size:,} bytes)", disk)
    return int(medians[0] > LIMIT_MS)


if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
