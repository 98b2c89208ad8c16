"""Methods about the node itself."""

from pathlib import Path
from typing import Any

import pytest

from headframe import __version__
from headframe.node.methods import METHODS
from headframe.node.service import NodeService
from tests.fakes.vectors import load


async def call(name: str, *args: object) -> Any:
    return await METHODS[name].handler(NodeService(Path("/unused")), *args)


REGTEST = load("gbt_blocks")["payout_addresses"]
SCRIPTS = {
    output["script"]
    for entry in load("gbt_blocks")["vectors"]
    for output in entry["coinbase"]["outputs"]
}


@pytest.mark.parametrize(("kind", "address"), REGTEST.items())
async def test_an_address_of_regtest_is_valid(kind: str, address: str) -> None:
    about = await call("validateaddress", address)
    assert about["isvalid"]
    assert about["address"] == address
    assert about["scriptPubKey"] in SCRIPTS
    # As the node answered for these kinds.
    assert about["isscript"] == (kind in ("bech32m", "p2sh-segwit", "p2wsh"))
    assert about["iswitness"] == (kind in ("bech32", "bech32m", "p2wsh"))
    if about["iswitness"]:
        assert about["witness_version"] == (1 if kind == "bech32m" else 0)
        assert about["witness_program"] == about["scriptPubKey"][4:]


@pytest.mark.parametrize(
    "address", ["", "nobody", "bc1q7thc05fu5qdm5kfl8nyjx5dn5ntpujpdlseadv", "1" * 40]
)
async def test_another_address_is_not(address: str) -> None:
    about = await call("validateaddress", address)
    assert about["isvalid"] is False
    assert about["error_locations"] == []
    assert about["error"]


async def test_it_says_who_it_is() -> None:
    about = await call("getnetworkinfo")
    assert about["subversion"] == f"/Headframe:{__version__}/"
    assert about["connections"] == 0


async def test_stop_asks_for_the_end() -> None:
    node = NodeService(Path("/unused"))
    assert await METHODS["stop"].handler(node) == "Headframe node stopping"
    assert node.stop_requested.is_set()


async def test_uptime_is_whole_seconds() -> None:
    ticks = iter([1.0, 62.9])
    node = NodeService(Path("/unused"), clock=lambda: next(ticks))
    assert await METHODS["uptime"].handler(node) == 61
