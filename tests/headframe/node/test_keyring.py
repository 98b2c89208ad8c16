"""Coins of every kind, spent; whether the signatures are good is the kernel's word."""

import stat
from pathlib import Path

import pytest

from headframe.node.coins import Coin
from headframe.node.keyring import KINDS, KeyRing, load_key_ring
from headframe.node.service import NodeService
from headframe.node.tx import TxOut, outpoint, parse_tx
from headframe.runtime.errors import ConfigError
from tests.fakes.nodemethods import call
from tests.fakes.nodeparts import Key, need_kernel

SECRET = (7).to_bytes(32, "big")


def test_the_scripts_are_those_of_the_same_key_elsewhere() -> None:
    ring = KeyRing(SECRET)
    assert ring.scripts["p2wpkh"] == Key(7).script
    assert ring.scripts["p2tr"] == Key(7).taproot_script
    assert list(ring.scripts) == list(KINDS)
    lengths = {kind: len(script) for kind, script in ring.scripts.items()}
    assert lengths == {"p2pkh": 25, "p2sh-p2wpkh": 23, "p2wpkh": 22, "p2wsh": 34, "p2tr": 34}


@pytest.mark.kernel
async def test_coins_of_every_kind_can_be_spent(tmp_path: Path) -> None:
    need_kernel()
    ring = KeyRing(SECRET)
    async with NodeService(tmp_path / "chain") as node:
        await call(node, "generatetoaddress", 101, Key(7).address)
        ((point, coin),) = [c for c in await node.run(_coins_of(ring)) if c[1].height == 1]
        value = coin.value // len(KINDS) - 1_000
        outputs = [TxOut(value, script) for script in ring.scripts.values()]
        first = parse_tx(ring.spend(point, coin, outputs))
        await node.run(lambda core: core.send(first, 0))
        for index, script in enumerate(ring.scripts.values()):
            spent = Coin(value, script, 102, coinbase=False)
            tx = parse_tx(
                ring.spend(outpoint(first.txid, index), spent, [TxOut(value - 500, script)])
            )
            await node.run(lambda core, tx=tx: core.send(tx, 0))  # type: ignore[misc]
        await call(node, "generatetoaddress", 1, Key(8).address)
        assert await call(node, "getrawmempool", False) == []
        kinds = {c.script for _, c in await node.run(_coins_of(ring)) if c.height == 102}
        assert kinds == set(ring.scripts.values())


def _coins_of(ring: KeyRing):
    return lambda core: core.coins_of(frozenset(ring.scripts.values()))


def test_coins_of_others_are_not_ours_to_spend() -> None:
    coin = Coin(1_000, Key(8).script, 1, coinbase=False)
    with pytest.raises(KeyError):
        KeyRing(SECRET).spend(bytes(36), coin, [])


def test_the_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert load_key_ring(path).scripts == load_key_ring(path).scripts
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key_ring(path).scripts != load_key_ring(tmp_path / "other").scripts


@pytest.mark.parametrize("text", ["", "00", "zz" * 32, "00" * 32, "ü"])
def test_what_is_no_key_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    with pytest.raises(ConfigError, match="remove the file, and a new one is made"):
        load_key_ring(path)
