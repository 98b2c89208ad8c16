"""The key, the node to use, and a bitcoind found; `tests/system` runs the whole."""

import stat
from pathlib import Path

import pytest
from embit import bech32

from headframe.chain.address import script_from_address
from headframe.chain.network import Network
from headframe.runtime.errors import ConfigError
from headframe.up.parts import Options, find_bitcoind, own_address, running_node


def test_the_key_is_made_once_private_and_pays_on_regtest(tmp_path: Path) -> None:
    address, path = own_address(tmp_path)
    assert own_address(tmp_path) == (address, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    version, program = bech32.decode("bcrt", address)
    assert version == 0
    assert program is not None
    assert script_from_address(address, Network.REGTEST) == bytes([0, 20, *program])


def test_each_network_has_a_key_of_its_own(tmp_path: Path) -> None:
    regtest, _ = own_address(tmp_path)
    signet, path = own_address(tmp_path, Network.SIGNET)
    assert regtest.startswith("bcrt1q")
    assert path.name == "signet-key.wif"
    assert script_from_address(signet, Network.SIGNET) != script_from_address(
        regtest, Network.REGTEST
    )


def test_bitcoind_is_taken_from_the_environment_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BITCOIND", "/opt/bitcoin/bin/bitcoind")
    assert find_bitcoind() == "/opt/bitcoin/bin/bitcoind"


def test_no_bitcoind_is_one_line_that_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BITCOIND", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="scripts/bitcoind-from-debian"):
        find_bitcoind()


def test_a_running_node_is_read_from_its_url(tmp_path: Path) -> None:
    node = running_node(Options(datadir=tmp_path, rpc="http://me:p%40ss@127.0.0.1:18999"))
    assert (node.url, node.user, node.password) == ("http://127.0.0.1:18999", "me", "p@ss")
    path = tmp_path / "rpc-password"
    assert node.login(tmp_path) == ["--user", "me", "--password-file", str(path)]
    assert path.read_text() == "p@ss"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_running_node_may_be_asked_with_its_cookie(tmp_path: Path) -> None:
    node = running_node(Options(datadir=tmp_path, rpc="http://[::1]", cookie="/x/.cookie"))
    assert node.url == "http://[::1]:18443"
    signet = Options(datadir=tmp_path, network=Network.SIGNET, rpc="http://[::1]")
    assert running_node(signet).url == "http://[::1]:38332"
    assert node.login(tmp_path) == ["--cookie", "/x/.cookie"]


@pytest.mark.parametrize("url", ["127.0.0.1:18443", "https://127.0.0.1", "http://"])
def test_what_is_no_url_of_a_node_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="is no URL of a node: write http://"):
        running_node(Options(datadir=tmp_path, rpc=url))
