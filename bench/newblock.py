"""How soon a new block at bitcoind is work for the last of 1,000 rigs.

A real bitcoind on regtest gets blocks that another miner found; the proxy, run as users run
it, hears of each and gives its rigs a new job. Time counts from the node's own announcement
(ZMQ `hashblock`) until the last rig has read its line. The template is the node's part:
how long a template on a new tip takes is measured apart, with every other block, while the
proxy is stopped: from the request to the answer's last byte. Its median is taken off.

The mempool holds the same transactions all the time, since the blocks found are empty: so
each template is a full one.

    python -m bench newblock [--rigs N] [--blocks N] [--transactions N] [--json]

Linux, a C compiler and a bitcoind; where one is missing it says so.
"""

import argparse
import base64
import http.client
import json
import os
import resource
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from bench.proxy.node import Node, running_node
from bench.proxy.programs import FILES, Fleet, Proxy, compile_programs
from headframe.chain.wire import compact_size
from tests.fakes.bitcoind import Bitcoind

__all__ = ["main"]

LIMIT_MS: Final = 40.0
SMALL, LARGE = 0, 4000
"""Transactions of a regtest block, and of a full one."""
PAUSE_SECONDS: Final = 0.3
FEE: Final = 1_000
VALUE: Final = 5_000
OUTPUTS: Final = 4
"""They make a payment so long that some 4,000 fill a block."""
NODE_OPTIONS: Final = (
    "-blockmaxweight=3996000",
    "-blockmaxsize=4000000",
    "-checkmempool=0",
    "-checkblockindex=0",
)
"""Some builds of bitcoind make smaller blocks unless told otherwise; and on regtest, though on
no other chain, it checks its whole mempool at each block."""
FAN: Final = 1_000
"""Outputs of one transaction: nodes take none that is too large."""
ANYBODYS: Final = "51"
"""A script that needs no signature, so that thousands of payments cost no time to make."""


def main(argv: Sequence[str]) -> int:
    """Measure and print; 1 if a median is over the limit."""
    parser = argparse.ArgumentParser(prog="bench.newblock")
    parser.add_argument("--rigs", type=int, default=1000)
    parser.add_argument("--blocks", type=int, default=30)
    parser.add_argument("--transactions", type=int, default=None, help="by default none, and 4,000")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args(argv)
    if not sys.platform.startswith("linux"):
        print("newblock: not measured, this needs Linux")
        return 0
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, FILES), most))
    sizes = (SMALL, LARGE) if wanted.transactions is None else (wanted.transactions,)
    with tempfile.TemporaryDirectory() as name:
        try:
            compile_programs(Path(name))
            figures = [
                measure(Path(name), wanted.rigs, wanted.blocks, transactions)
                for transactions in sizes
            ]
        except OSError as error:
            print(f"newblock: not measured: {error}")
            return 0
    if wanted.json:
        print(json.dumps(figures))
    else:
        for figure in figures:
            show(figure)
    return int(any(figure["beyond_template_ms"]["median"] > LIMIT_MS for figure in figures))


def measure(folder: Path, rigs: int, blocks: int, transactions: int) -> dict[str, Any]:
    """Find blocks, in turns with the proxy asleep and awake; what it took, in ms."""
    with ExitStack() as stack:
        part = folder / str(transactions)
        node = stack.enter_context(running_node(part / "node", *NODE_OPTIONS))
        fill(node.bitcoind, transactions)
        ask = stack.enter_context(asking(node.bitcoind))
        proxy = stack.enter_context(Proxy(part / "proxy", node.upstream()))
        fleet = stack.enter_context(Fleet(folder, proxy.port))
        if fleet.connect(rigs).ready != rigs:
            raise OSError("not all rigs got work")
        size, templates, jobs = 0, [], []
        for _ in range(blocks):
            size, taken = time_template(node, proxy, fleet, ask)
            templates.append(taken)
            jobs.append(time_job(node, fleet, rigs))
    return {
        "rigs": rigs,
        "blocks": blocks,
        "transactions": transactions,
        "template_bytes": size,
        "template_ms": digest(templates),
        "first_rig_ms": digest([first for first, _ in jobs]),
        "last_rig_ms": digest([last for _, last in jobs]),
        "beyond_template_ms": digest([last - statistics.median(templates) for _, last in jobs]),
    }


def time_template(
    node: Node, proxy: Proxy, fleet: Fleet, ask: Callable[[], int]
) -> tuple[int, float]:
    """Get a template on a new tip while the proxy sleeps: its bytes, and ms that it took."""
    fleet.say("watch 10")
    os.kill(proxy.pid, signal.SIGSTOP)
    try:
        node.announce(empty=True)
        begun = time.perf_counter()
        size = ask()
        taken = (time.perf_counter() - begun) * 1000
    finally:
        os.kill(proxy.pid, signal.SIGCONT)
    fleet.wait()
    time.sleep(PAUSE_SECONDS)
    return size, taken


def time_job(node: Node, fleet: Fleet, rigs: int) -> tuple[float, float]:
    """Find a block while rigs work: ms from its announcement to the first and the last rig."""
    fleet.say("watch 10")
    announced = node.announce(empty=True)
    job = next(job for job in fleet.wait().jobs if job.last > announced)
    if job.rigs < rigs:
        raise OSError(f"a job reached {job.rigs} of {rigs} rigs")
    time.sleep(PAUSE_SECONDS)
    return (job.first - announced) / 1e6, (job.last - announced) / 1e6


@contextmanager
def asking(bitcoind: Bitcoind) -> Iterator[Callable[[], int]]:
    """Keep a connection to a node; calling what comes gets a template, and returns its size."""
    connection = http.client.HTTPConnection("127.0.0.1", bitcoind.port, timeout=60)
    token = base64.b64encode(bitcoind.cookie.read_bytes()).decode()
    body = json.dumps({"method": "getblocktemplate", "params": [{"rules": ["segwit"]}], "id": 1})

    def ask() -> int:
        connection.request("POST", "/", body, {"Authorization": f"Basic {token}"})
        return len(connection.getresponse().read())

    try:
        yield ask
    finally:
        connection.close()


def fill(bitcoind: Bitcoind, count: int) -> None:
    """Put so many payments of some 230 bytes into the mempool."""
    if not count:
        return
    address = bitcoind.call("decodescript", ANYBODYS)["segwit"]["address"]
    fans = -(-count // FAN)
    coins = bitcoind.call("generatetoaddress", 100 + fans, address)[:fans]
    spendable = []
    for coin in coins:
        coinbase = bitcoind.call("getblock", coin, 2)["tx"][0]
        script = bytes.fromhex(coinbase["vout"][0]["scriptPubKey"]["hex"])
        fan = _payment(coinbase["txid"], 0, [(VALUE, script)] * FAN)
        txid = bitcoind.call("sendrawtransaction", fan, 0)
        spendable += [(txid, number) for number in range(FAN)]
    bitcoind.call("generatetoaddress", 1, address)
    for txid, number in spendable[:count]:
        payment = _payment(txid, number, [((VALUE - FEE) // OUTPUTS, script)] * OUTPUTS)
        bitcoind.call("sendrawtransaction", payment, 0, 1)


def _payment(txid: str, number: int, outputs: Sequence[tuple[int, bytes]]) -> str:
    """Spend an output that anybody may spend; the raw transaction in hex."""
    spent = bytes.fromhex(txid)[::-1] + number.to_bytes(4, "little") + b"\x00" + b"\xff" * 4
    paid = b"".join(
        value.to_bytes(8, "little") + compact_size(len(script)) + script
        for value, script in outputs
    )
    witness = b"\x01\x01" + bytes.fromhex(ANYBODYS)
    return (
        b"\x02\0\0\0" + b"\0\1" + b"\x01" + spent + compact_size(len(outputs)) + paid + witness
    ).hex() + "00" * 4


def digest(values: Sequence[float]) -> dict[str, float]:
    """Return the least, median, p99 and the most."""
    ordered = sorted(values)
    return {
        "least": round(ordered[0], 2),
        "median": round(statistics.median(ordered), 2),
        "p99": round(ordered[int(len(ordered) * 0.99)], 2),
        "most": round(ordered[-1], 2),
    }


def show(figure: dict[str, Any]) -> None:
    """Print what was measured."""
    print(
        f"new block to {figure['rigs']} rigs, {figure['transactions']} transactions "
        f"({figure['template_bytes']:,} bytes of template), {figure['blocks']} blocks:"
    )
    for key, what in (
        ("template_ms", "the node's template, by itself"),
        ("first_rig_ms", "block to the first rig"),
        ("last_rig_ms", "block to the last rig"),
        ("beyond_template_ms", f"... beyond the template (limit {LIMIT_MS:g})"),
    ):
        each = figure[key]
        print(
            f"  {what}: median {each['median']:.1f} ms, least {each['least']:.1f} ms, "
            f"p99 {each['p99']:.1f} ms, most {each['most']:.1f} ms"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
