"""The table of methods."""

import inspect
from pathlib import Path

import pytest

from headframe.node.errors import Code, RpcError
from headframe.node.methods import METHODS
from headframe.node.methods.params import Method, bind
from headframe.node.service import NodeService

NEEDED = {
    *("getblocktemplate", "submitblock", "getblockchaininfo", "getblockcount", "getbestblockhash"),
    *("getblockhash", "getblockheader", "getblock", "generatetoaddress", "getmininginfo"),
    *("validateaddress", "sendrawtransaction", "getrawmempool", "gettxout", "waitfornewblock"),
    *("getnetworkinfo", "uptime", "stop", "help"),
}


def test_all_that_miners_and_tests_need_is_there() -> None:
    assert set(METHODS) >= NEEDED


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_each_row_is_whole(method: Method) -> None:
    assert METHODS[method.name] is method
    assert method.about.endswith(".")
    assert method.usage.startswith(method.name)
    handler = inspect.signature(method.handler)
    assert len(handler.parameters) == 1 + len(method.params)
    assert inspect.iscoroutinefunction(method.handler)


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_each_row_refuses_too_many_parameters_with_its_help(method: Method) -> None:
    with pytest.raises(RpcError) as caught:
        bind(method, [None] * (len(method.params) + 1))
    assert (caught.value.code, caught.value.message) == (Code.MISC, method.help)


async def test_help_lists_all_and_explains_one(tmp_path: Path) -> None:
    node = NodeService(tmp_path)
    show = METHODS["help"].handler
    listed = str(await show(node, "")).splitlines()
    assert [line.split()[0] for line in listed] == sorted(METHODS)
    assert await show(node, "getblockcount") == METHODS["getblockcount"].help
    assert await show(node, "nope") == "help: unknown command: nope"
