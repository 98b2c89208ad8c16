"""A node → proxy → two miners, all real: each is paid by the coinbase of what it finds.

Addresses and scripts are embit's, and the blocks are read over the node's RPC: what the chain
says of who was paid owes nothing to our code.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from embit import script
from embit.ec import PrivateKey
from embit.networks import NETWORKS

from tests.fakes.bitcoind import Bitcoind, running_bitcoind
from tests.fakes.ports import free_port
from tests.fakes.programs import Program, headframe, until
from tests.fakes.rig import RawRig
from tests.fakes.wallet import Wallet, coinbase_of
from tests.system.test_endurance import events, hashes, journal, of_kind
from tests.system.test_solo import NODES, Node

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

OPERATOR, SPARE, THEIRS = (Wallet.numbered(number) for number in (41, 42, 43))
KEY = PrivateKey((44).to_bytes(32, "big"))
OTHER_KEY = PrivateKey((45).to_bytes(32, "big"))
Call = Callable[..., Awaitable[Any]]
SHARE = 150
"""Basis points for the operator."""


@dataclass(frozen=True)
class Payee:
    """A rig's owner: an address on regtest, and its script."""

    address: str
    script: bytes

    @classmethod
    def of(cls, kind: Any) -> "Payee":
        return cls(kind.address(NETWORKS["regtest"]), bytes(kind.data))


WITNESS_KEY, TAPROOT = Payee.of(script.p2wpkh(KEY)), Payee.of(script.p2tr(OTHER_KEY))
ELSEWHERE = script.p2wpkh(KEY).address(NETWORKS["test"])


def settings(node: Bitcoind | Node, port: int, folder: Path, payout: str = "login") -> list[str]:
    """Write the proxy's file; return what it is started with."""
    path = folder / "proxy.toml"
    path.write_text(
        f"""
        [[upstreams]]
        url = "bitcoind+{node.url}"
        cookie = "{node.cookie}"
        address = "{SPARE.address}"
        payouts = ["{OPERATOR.address}={SHARE}"]
        payout = "{payout}"
        pace_seconds = 1.0

        [[listeners]]
        port = {port}
        """
    )
    return ["--config", str(path)]


@asynccontextmanager
async def miner(payee: Payee, port: int, folder: Path, name: str) -> AsyncIterator[Program]:
    args = ["--url", f"stratum+tcp://127.0.0.1:{port}", "--user", f"{payee.address}.{name}"]
    async with headframe("mine", *args, "--threads", "1", folder=folder, name=name) as running:
        yield running


async def paid_at(call: Call, height: int) -> bytes:
    """Return the script that gets the most of a block, once the rest was found right."""
    outputs = (await coinbase_of(call, height)).vout
    value = sum(each.value for each in outputs)
    shared = value * SHARE // 10_000
    rest, share, commitment = [(each.value, bytes(each.script_pubkey.data)) for each in outputs]
    assert rest[0] == value - shared
    assert share == (shared, OPERATOR.script)
    assert commitment[0] == 0
    return rest[1]


async def owners(call: Call, first: int) -> dict[str, bytes]:
    """Return whom each block pays, by its hash, from a height on."""
    heights = range(first, await call("getblockcount") + 1)
    return {await call("getblockhash", each): await paid_at(call, each) for each in heights}


@pytest.mark.parametrize("make_node", NODES)
async def test_two_rigs_are_paid_each_to_its_own_address(make_node: Any, tmp_path: Path) -> None:
    port = free_port()
    async with make_node(tmp_path) as node:
        await node.call("generatetoaddress", 1, THEIRS.address)
        async with (
            headframe("proxy", *settings(node, port, tmp_path), folder=tmp_path) as proxy,
            miner(WITNESS_KEY, port, tmp_path, "one") as one,
            miner(TAPROOT, port, tmp_path, "two") as two,
        ):

            async def both_are_paid() -> bool:
                paid = set((await owners(node.call, 2)).values())
                return paid == {WITNESS_KEY.script, TAPROOT.script}

            await until(both_are_paid, "a block of each", proxy, one, two)
            status = await proxy.status()
            users = {each["user"]: each["payout"] for each in status["rigs"]}
            assert users == {
                f"{WITNESS_KEY.address}.one": WITNESS_KEY.address,
                f"{TAPROOT.address}.two": TAPROOT.address,
            }
            blocks = {each["hash"]: each for each in status["blocks"]["list"]}
            chain = await owners(node.call, 2)
            known = [each for each in chain if each in blocks]
            assert len(known) >= 2
            for each in known:  # what the page says of a block is what the chain says
                row = blocks[each]
                assert row["worker"] in users
                assert row["payout"] == users[row["worker"]]
                [owner] = [p for p in (WITNESS_KEY, TAPROOT) if p.address == row["payout"]]
                assert chain[each] == owner.script
                [told] = [e for e in events(proxy.log(), "block_found") if e["hash"] == each]
                shown = ("worker", "source", "height", "payout")
                assert {name: told[name] for name in shown} == {name: row[name] for name in shown}


@pytest.mark.node
async def test_an_address_of_another_network_is_refused_and_the_rig_told_why(
    tmp_path: Path,
) -> None:
    port = free_port()
    with running_bitcoind(tmp_path / "node") as node:
        await node.acall("generatetoaddress", 1, THEIRS.address)
        async with headframe("proxy", *settings(node, port, tmp_path), folder=tmp_path) as proxy:

            async def has_work() -> bool:
                return (await proxy.get("/healthz"))[0] == 200

            await until(has_work, "a job", proxy)
            async with RawRig.to(port) as rig:
                rig.send(1, "mining.subscribe", "raw/1")
                rig.send(2, "mining.authorize", f"{ELSEWHERE}.x", "x")
                code, text, _ = (await rig.answer(2))["error"]
                assert code == 24
                assert "is a testnet or signet address, this is regtest" in text
                rig.send(3, "mining.authorize", f"{TAPROOT.address}.x", "x")
                assert (await rig.answer(3))["result"] is True
                notify = await rig.until("mining.notify")
                assert TAPROOT.script.hex() in notify[3]  # coinb2
                assert OPERATOR.script.hex() in notify[3]
            assert "this is regtest" in proxy.log()
            assert '"rig_refused"' in proxy.log()


def found_at(proxy: Program, height: int) -> set[str]:
    """Return the blocks that were found on the tip below a height, and written down."""
    told = events(proxy.log(), "block_found")
    return {each["hash"] for each in told if each["height"] == height}


@pytest.mark.node
async def test_a_block_found_before_the_proxy_is_killed_still_pays_its_finder(
    tmp_path: Path,
) -> None:
    port = free_port()
    with running_bitcoind(tmp_path / "node") as node:
        await node.acall("generatetoaddress", 1, THEIRS.address)
        args, process = settings(node, port, tmp_path), node.process
        assert process is not None
        async with miner(TAPROOT, port, tmp_path, "one") as rig:
            async with headframe("proxy", *args, folder=tmp_path) as proxy:
                await until(lambda: hashes(proxy.log(), "block_accepted"), "a block", proxy, rig)
                rig.child.process.send_signal(signal.SIGSTOP)

                async def is_on_the_tip() -> bool:
                    found = hashes(proxy.log(), "block_found")
                    next_height = await node.acall("getblockcount") + 1
                    is_judged = found <= hashes(proxy.log(), "block_accepted") | hashes(
                        proxy.log(), "block_refused"
                    )
                    upstream = (await proxy.status())["upstream"]
                    return is_judged and bool(upstream["height"] == next_height)

                await until(is_on_the_tip, "a job on the new tip", proxy)
                height = await node.acall("getblockcount") + 1
                process.send_signal(signal.SIGSTOP)
                rig.child.process.send_signal(signal.SIGCONT)
                await until(lambda: found_at(proxy, height), "another", proxy, rig)
                proxy.child.process.kill()
                await proxy.child.process.wait()
            process.send_signal(signal.SIGCONT)
            late = found_at(proxy, height)
        async with headframe("proxy", *args, folder=tmp_path) as proxy:

            async def all_are_judged() -> bool:
                lines = await asyncio.to_thread(journal, tmp_path)
                return late <= of_kind(lines, "found") and not (
                    of_kind(lines, "found") - of_kind(lines, "verdict")
                )

            await until(all_are_judged, "the verdicts", proxy)
        chain = await owners(node.acall, 2)
        assert late & chain.keys()
        assert set(chain.values()) == {TAPROOT.script}


@pytest.mark.node
async def test_a_reload_pays_rigs_that_are_there(tmp_path: Path) -> None:
    port = free_port()
    with running_bitcoind(tmp_path / "node") as node:
        await node.acall("generatetoaddress", 1, THEIRS.address)
        args = settings(node, port, tmp_path, payout="address")
        async with (
            headframe("proxy", *args, folder=tmp_path) as proxy,
            miner(WITNESS_KEY, port, tmp_path, "one") as rig,
        ):

            async def pays(script_: bytes) -> bool:
                return script_ in (await owners(node.acall, 2)).values()

            await until(lambda: pays(SPARE.script), "a block for the operator", proxy, rig)
            settings(node, port, tmp_path)
            proxy.child.process.send_signal(signal.SIGHUP)
            await until(lambda: pays(WITNESS_KEY.script), "a block for the rig", proxy, rig)
            assert (await proxy.status())["rigs"][0]["payout"] == WITNESS_KEY.address
            assert "rig_left" not in proxy.log()
            paid = [*(await owners(node.acall, 2)).values()]
            turn = paid.index(WITNESS_KEY.script)
            assert set(paid[:turn]) == {SPARE.script}
            assert set(paid[turn:]) == {WITNESS_KEY.script}
