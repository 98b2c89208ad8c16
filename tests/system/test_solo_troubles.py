"""bitcoind → proxy → miner, all real, while the node and its chain make trouble.

After each trouble the chain and the proxy's books agree, and no found block is missing: the
blocks that pay our address are just those that the proxy found, each has a verdict, and it
says of each whether it is on the best chain.
"""

import asyncio
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from embit.transaction import Transaction

from headframe.chain.hashes import hash_to_hex
from headframe.upstream.journal import Journal
from tests.fakes.bitcoind import Bitcoind, NodeRpcError, running_bitcoind
from tests.fakes.ports import free_port
from tests.fakes.programs import PATIENCE_SECONDS, Program, headframe, until
from tests.fakes.wallet import Wallet, coinbase_of
from tests.system.test_endurance import events, hashes, journal, miner, of_kind, proxy_args

pytestmark = [pytest.mark.system, pytest.mark.node, pytest.mark.timeout(300)]

OURS, THEIRS = Wallet.numbered(12), Wallet.numbered(13).address
FEE = 54_321


@dataclass
class Site:
    """A node with a proxy on it and a miner at the proxy."""

    node: Bitcoind
    proxy: Program
    rig: Program
    folder: Path

    async def blocks(self, count: int) -> None:
        """Wait until so many more blocks of ours are accepted."""
        before = len(hashes(self.proxy.log(), "block_accepted"))
        await self.until(
            lambda: len(hashes(self.proxy.log(), "block_accepted")) >= before + count,
            f"{count} more blocks",
        )

    async def until(self, condition: Any, what: str) -> None:
        await until(condition, what, self.proxy, self.rig)

    async def agrees(self) -> bool:
        """Tell whether journal, page and chain say the same of every block."""
        lines = await asyncio.to_thread(journal, self.folder)
        found = of_kind(lines, "found")
        if found - of_kind(lines, "verdict") or hashes(self.proxy.log(), "block_found") - found:
            return False
        path = self.folder / "proxy-state" / "proxy-blocks.journal"
        records = Journal(path, wall=lambda: 0).records()  # a restart knows of the last 1,024
        states = {hash_to_hex(record.hash): record.state for record in records}
        chain = await self.chain()
        page = (await self.proxy.status())["blocks"]["list"]
        return (
            {block_hash for block_hash, is_ours in chain.items() if is_ours} <= found
            and {block["hash"] for block in page} <= found
            and "sent" not in {block["verdict"] for block in page}
            and all((state == "accepted") == (each in chain) for each, state in states.items())
        )

    async def chain(self) -> dict[str, bool]:
        """The best chain's blocks; whether each pays us."""
        blocks = {}
        for height in range(1, await self.node.acall("getblockcount") + 1):
            coinbase = await coinbase_of(self.node.acall, height)
            paid = coinbase.vout[0].script_pubkey.data == OURS.script
            blocks[await self.node.acall("getblockhash", height)] = paid
        return blocks


@asynccontextmanager
async def site(folder: Path, *, options: Sequence[str] = ()) -> AsyncIterator[Site]:
    """Everything at work; afterwards the miner ends, and all must agree."""
    port = free_port()
    async with AsyncExitStack() as stack:
        node = stack.enter_context(running_bitcoind(folder / "node", extra=options))
        await node.acall("generatetoaddress", 1, THEIRS)
        args = proxy_args(node, port)
        proxy = await stack.enter_async_context(headframe("proxy", *args, folder=folder))
        async with miner(port, folder) as rig:
            running = Site(node, proxy, rig, folder)
            await running.blocks(2)
            yield running
            await running.blocks(2)
        await until(running.agrees, "chain and ledger to agree", proxy)
        assert "Traceback" not in proxy.log()


async def test_a_block_by_another_miner(tmp_path: Path) -> None:
    async with site(tmp_path) as running:
        for _ in range(3):
            (theirs,) = await running.node.acall("generatetoaddress", 1, THEIRS)
            await running.blocks(1)
            header = await running.node.acall("getblockheader", theirs)
            assert header["confirmations"] >= 1


async def test_a_reorganisation_of_several_blocks(tmp_path: Path) -> None:
    async with site(tmp_path) as running:
        node = running.node
        await running.until(lambda: _is_high(node, 6), "blocks enough to lose some")
        lost = [await node.acall("getblockhash", height) for height in (3, 4, 5)]
        await node.acall("invalidateblock", lost[0])
        await node.acall("generatetoaddress", 12, THEIRS)
        await running.until(
            lambda: set(lost) <= hashes(running.proxy.log(), "block_orphaned"),
            "the orphans to be told",
        )


async def _is_high(node: Bitcoind, height: int) -> bool:
    return bool(await node.acall("getblockcount") >= height)


async def test_a_node_that_is_stopped_and_started_again(tmp_path: Path) -> None:
    async with site(tmp_path) as running:
        await asyncio.to_thread(running.node.stop)

        async def is_down() -> bool:
            return bool((await running.proxy.status())["upstream"]["state"] != "active")

        await running.until(is_down, "the proxy to see that its node is gone")
        await asyncio.to_thread(running.node.start, running.node.port)
        await running.blocks(1)


async def test_a_node_that_does_not_answer_while_blocks_are_found(tmp_path: Path) -> None:
    async with site(tmp_path) as running:
        process = running.node.process
        assert process is not None
        before = hashes(running.proxy.log(), "block_found")
        with _stopped(process):
            await running.until(
                lambda: len(hashes(running.proxy.log(), "block_found") - before) >= 3,
                "blocks while the node hangs",
            )
        await running.blocks(1)


@contextmanager
def _stopped(process: Popen[bytes] | Process) -> Iterator[None]:
    """Hold a process for the length of a block."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


async def test_a_node_whose_work_queue_is_full(tmp_path: Path) -> None:
    options = ["-rpcthreads=4", "-rpcworkqueue=4"]
    async with site(tmp_path, options=options) as running:
        before = hashes(running.proxy.log(), "block_found")
        async with _occupied(running.node) as refused:
            await running.until(
                lambda: refused and hashes(running.proxy.log(), "block_found") - before,
                "a block while the node turns callers away",
            )
        await running.blocks(1)


@asynccontextmanager
async def _occupied(node: Bitcoind) -> AsyncIterator[list[str]]:
    """Have more callers than a node takes for the length of a block; yields whom it refused."""
    over, refused = asyncio.Event(), list[str]()

    async def occupy() -> None:
        while not over.is_set():
            try:
                await node.acall("waitfornewblock", 500)
            except (NodeRpcError, OSError) as error:
                refused.append(str(error))
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await over.wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(16):
            group.create_task(occupy())
        try:
            yield refused
        finally:
            over.set()


async def test_a_cookie_that_is_wrong_and_then_right(tmp_path: Path) -> None:
    async with site(tmp_path) as running:
        node = running.node
        with _stopped(running.proxy.child.process):  # or it is let in before the cookie is wrong
            await asyncio.to_thread(node.stop)
            await asyncio.to_thread(node.start, node.port)
            right = node.cookie.read_text()
            node.cookie.write_text("__cookie__:" + "0" * 64)

        def refused() -> bool:
            return "is not this node's" in running.proxy.log()

        await running.until(refused, "the proxy to be refused")
        node.cookie.write_text(right)
        await running.blocks(1)


async def test_templates_that_change_under_our_feet(tmp_path: Path) -> None:
    """Transactions come, and are replaced by dearer ones, while rigs work."""
    async with site(tmp_path) as running:
        node, wallet = running.node, Wallet.numbered(7)
        await node.acall("generatetoaddress", 8, wallet.address)
        await node.acall("generatetoaddress", 101, THEIRS)
        top = await node.acall("getblockcount")
        coins = []
        for height in range(1, top - 100):
            coinbase = await coinbase_of(node.acall, height)
            if coinbase.vout[0].script_pubkey.data == wallet.script:
                coins.append(coinbase)
        assert coins
        sent = set()
        for coin in coins:
            sent.add(await _send_twice(node, wallet, coin))
            await running.blocks(1)

        async def all_in() -> bool:
            return not await node.acall("getrawmempool")

        await running.until(all_in, "all transactions in blocks")
        mined = set()
        for height in range(top, await node.acall("getblockcount") + 1):
            block = await node.acall("getblock", await node.acall("getblockhash", height), 1)
            mined |= set(block["tx"][1:])
        # Either of two that spend the same coin may have been first in a block.
        assert len(mined) == len(sent)


async def _send_twice(node: Bitcoind, wallet: Wallet, coin: Transaction) -> str:
    """Spend a coin, and spend it again for more, unless it is in a block already."""
    txid = str(await node.acall("sendrawtransaction", wallet.spend(coin, fee=FEE), 0))
    try:
        return str(await node.acall("sendrawtransaction", wallet.spend(coin, fee=3 * FEE), 0))
    except NodeRpcError:
        assert txid not in await node.acall("getrawmempool")
        return txid


async def test_blocks_found_before_the_proxy_is_killed_are_on_the_chain(tmp_path: Path) -> None:
    """Killed between found and submitted: the journal has them, the next start submits them."""
    port = free_port()
    with running_bitcoind(tmp_path / "node") as node:
        await node.acall("generatetoaddress", 1, THEIRS)
        args = proxy_args(node, port)
        process = node.process
        assert process is not None
        async with miner(port, tmp_path) as rig:
            async with headframe("proxy", *args, folder=tmp_path) as proxy:
                await Site(node, proxy, rig, tmp_path).blocks(2)
                process.send_signal(signal.SIGSTOP)
                before = hashes(proxy.log(), "block_found")
                await until(
                    lambda: hashes(proxy.log(), "block_found") - before, "a block", proxy, rig
                )
                proxy.child.process.kill()
                await proxy.child.process.wait()
            process.send_signal(signal.SIGCONT)
            said = proxy.log()
            async with headframe("proxy", *args, folder=tmp_path, name="proxy") as proxy:
                running = Site(node, proxy, rig, tmp_path)
                await running.blocks(2)
                assert hashes(said, "block_found") <= of_kind(journal(tmp_path), "found")
                rig.child.process.terminate()
                await rig.child.process.wait()
                await until(running.agrees, "chain and ledger to agree", proxy)


def settings_of(node: Bitcoind, folder: Path, route: str, port: int) -> Path:
    """Settings of a proxy that has this route alone."""
    path = folder / f"{route}.toml"
    path.write_text(
        f'[[listeners]]\nport = {port}\n[[routes]]\nname = "{route}"\n[[routes.upstreams]]\n'
        f'url = "bitcoind+http://127.0.0.1:{node.port}"\ncookie = "{node.cookie}"\n'
        f'address = "{OURS.address}"\npace_seconds = 0.3\n'
    )
    return path


async def test_blocks_of_a_route_that_is_renamed_after_the_proxy_was_killed(
    tmp_path: Path,
) -> None:
    """Their journal belongs to no route any more; the next start submits them all the same."""
    port = free_port()
    path = tmp_path / "proxy-state" / "proxy-blocks-before.journal"

    def waiting() -> set[str]:
        return {hash_to_hex(each.hash) for each in Journal(path, wall=lambda: 0).unresolved()}

    with running_bitcoind(tmp_path / "node") as node:
        await node.acall("generatetoaddress", 1, THEIRS)
        process = node.process
        assert process is not None
        before = ("--config", str(settings_of(node, tmp_path, "before", port)))
        async with miner(port, tmp_path) as rig:
            async with headframe("proxy", *before, folder=tmp_path) as proxy:
                await Site(node, proxy, rig, tmp_path).blocks(1)
                process.send_signal(signal.SIGSTOP)
                while True:  # an answer may be on its way: stop, and look again
                    await until(waiting, "a block", proxy, rig)
                    proxy.child.process.send_signal(signal.SIGSTOP)
                    if waiting():
                        break
                    proxy.child.process.send_signal(signal.SIGCONT)
                proxy.child.process.kill()
                await proxy.child.process.wait()
            process.send_signal(signal.SIGCONT)
        lost = waiting()
        assert lost
        after = ("--config", str(settings_of(node, tmp_path, "after", port)))
        async with headframe("proxy", *after, folder=tmp_path, name="proxy") as proxy:
            await until(lambda: not waiting(), "their verdicts", proxy)
            [told] = events(proxy.log(), "blocks_left_behind")
            assert (told["path"], told["count"]) == (str(path), len(lost))
            page = (await proxy.status())["blocks"]["list"]
            assert {block["hash"] for block in page} >= lost
        for each in lost:  # the node has it, on its best chain or beside
            assert await node.acall("getblockheader", each)


async def test_blocknotify_reaches_the_rigs(tmp_path: Path) -> None:
    """One chain: bitcoind's command, the proxy's page, the rigs; with no other way to hear."""
    web = free_port()
    get = (
        "import sys, urllib.request as u; "
        f"u.urlopen('http://127.0.0.1:{web}/api/v1/blocknotify?hash=' + sys.argv[1])"
    )
    notify = f'-blocknotify="{sys.executable}" -c "{get}" %s'
    port = free_port()
    with running_bitcoind(tmp_path / "node", extra=[notify]) as node:
        await node.acall("generatetoaddress", 1, THEIRS)
        args = [*proxy_args(node, port), "--web-port", str(web)]
        async with headframe("proxy", *args, folder=tmp_path) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b'{"id":1,"method":"mining.subscribe","params":[]}\n')
            writer.write(b'{"id":2,"method":"mining.authorize","params":["rig","x"]}\n')
            await _line_with(reader, b"mining.notify")
            (tip,) = await node.acall("generatetoaddress", 1, THEIRS)
            swapped = b"".join(
                bytes.fromhex(tip)[::-1][at : at + 4][::-1] for at in range(0, 32, 4)
            ).hex()  # as mining.notify has it
            await _line_with(reader, swapped.encode())
            writer.close()
            assert proxy.child.process.returncode is None


async def _line_with(reader: asyncio.StreamReader, what: bytes) -> None:
    """Read on until a line has this in it."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while what not in (line := await reader.readline()):
            assert line, "the proxy hung up"


async def test_mining_goes_on_for_fees_when_the_subsidy_is_over(tmp_path: Path) -> None:
    """33 halvings of 150 blocks leave nothing of 50 coins."""
    port, wallet = free_port(), Wallet.numbered(7)
    with running_bitcoind(tmp_path / "node") as node:
        await node.acall("generatetoaddress", 1, wallet.address)
        for _ in range(99):
            await node.acall("generatetoaddress", 50, THEIRS)
        assert await node.acall("getblockcount") == 4951
        spent = wallet.spend(await coinbase_of(node.acall, 1), fee=FEE)
        txid = await node.acall("sendrawtransaction", spent, 0)
        args = proxy_args(node, port)
        async with (
            headframe("proxy", *args, folder=tmp_path) as proxy,
            miner(port, tmp_path) as rig,
        ):
            await Site(node, proxy, rig, tmp_path).blocks(2)
            block = await node.acall("getblock", await node.acall("getblockhash", 4952), 1)
            first, second = [await coinbase_of(node.acall, height) for height in (4952, 4953)]
            assert block["tx"][1:] == [txid]
            assert (first.vout[0].value, second.vout[0].value) == (FEE, 0)
            assert first.vout[0].script_pubkey.data == OURS.script
            assert len(events(proxy.log(), "subsidy_over")) == 1
