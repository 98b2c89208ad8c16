"""Settings of the node."""

from pathlib import Path

import pytest

from headframe.node.config import NodeConfig
from headframe.runtime.errors import ConfigError
from headframe.runtime.settings import load


def test_the_defaults_are_bitcoinds_port_and_loopback() -> None:
    config = load(NodeConfig)
    assert (config.listen, config.rpc_port) == ("127.0.0.1", 18443)


def test_the_chain_is_where_bitcoind_would_have_it(tmp_path: Path) -> None:
    assert load(NodeConfig).chain_folder(tmp_path) == tmp_path / "regtest"
    other = load(NodeConfig, flags={"datadir": str(tmp_path / "d")})
    assert other.chain_folder(Path("/unused")) == tmp_path / "d" / "regtest"
    home = load(NodeConfig, flags={"datadir": "~/chain"})
    assert home.chain_folder(Path("/unused")) == Path.home() / "chain" / "regtest"


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_out_of_range_is_refused(port: int) -> None:
    with pytest.raises(ConfigError, match="rpc_port"):
        load(NodeConfig, flags={"rpc_port": port})
