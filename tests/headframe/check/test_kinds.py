from pathlib import Path

import pytest

from headframe.check.kinds import KINDS, check_ports, check_room, kind_of, upstreams_of
from headframe.node.config import NodeConfig
from headframe.runtime.settings import load
from headframe.upstream.options import UpstreamSettings
from miner.config import MinerConfig, WebSettings
from proxy.config import ProxyConfig
from proxy.tables import ListenerSettings, RouteSettings
from proxy.tables import WebSettings as ProxyWeb

EXAMPLES = Path(__file__).parents[3] / "examples"


def write(folder: Path, text: str, name: str = "some.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("threads = 2", "some.toml", "miner"),
        ("[vardiff]\nstart = 1", "some.toml", "proxy"),
        ("rpc_port = 1", "some.toml", "node"),
        ("[log]\nlevel = 'info'", "some.toml", "miner"),
        ("log_level = 'info'\n[[upstreams]]\nurl = 'x'", "some.toml", "proxy"),
        ("[[upstreams]]\nurl = 'x'", "some.toml", "miner"),
        ("[[upstreams]]\nurl = 'x'", "my-proxy.toml", "proxy"),
        ("log_level = 'info'", "node.toml", "node"),
        ("", "some.toml", "miner"),
        ("not toml", "some.toml", "miner"),
    ],
)
def test_a_file_is_for_the_program_that_knows_its_keys(
    tmp_path: Path, text: str, name: str, kind: str
) -> None:
    assert kind_of(write(tmp_path, text, name)).name == kind


def test_the_examples_are_told_apart_and_good() -> None:
    for name, kind in (("miner", "miner"), ("proxy", "proxy"), ("solo", "proxy")):
        path = EXAMPLES / f"{name}.toml"
        assert kind_of(path).name in {kind, "miner"}  # with all commented out, any is right
        settings = load(KINDS[kind].struct, path=path)
        assert not [each for each in KINDS[kind].check(settings) if each.fatal]


def keys(kind: str, text: str, tmp_path: Path) -> list[str]:
    settings = load(KINDS[kind].struct, path=write(tmp_path, text))
    return [each.key for each in KINDS[kind].check(settings) if each.fatal]


POOL = "[[upstreams]]\nurl = 'stratum+tcp://a:1'\nuser = 'x'\n"
NODE = (
    "[[upstreams]]\nurl = 'bitcoind+http://a:18443'\n"
    "address = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'\n"
)


@pytest.mark.parametrize(
    ("kind", "text", "key"),
    [
        ("miner", "pin = '0-x'\n", "pin"),
        ("miner", "[web]\ntoken = 'short'\n", "web.token"),
        ("miner", "[api]\nread = ['everybody']\n", "api.read"),
        ("miner", "[api]\nwrite = ['10.0.0.0/33']\n", "api.write"),
        ("miner", "devices = ['cpu', 'asic']\n", "devices"),
        ("miner", "kernel = 'none-such'\n", "kernel"),
        ("miner", "state_dir = '/dev/null/x'\n", "state_dir"),
        ("proxy", f"{NODE}payout = 'login'\n", "upstreams"),  # and a pool beside it
        ("proxy", "[vardiff]\nleast = 5\nlargest = 1\n", "vardiff.start"),
        ("proxy", "[[listeners]]\npassword_file = '/nowhere'\n", "listeners.0.password_file"),
        ("proxy", "[[listeners]]\nname = 'a'\n[[listeners]]\nname = 'a'\nport = 0\n", "listeners"),
        ("proxy", "[[listeners]]\nvardiff = { start = 0.1, least = 1 }\n", "listeners.0.vardiff"),
        ("proxy", "[[rules]]\nroute = 'nowhere'\n", "rules"),
        ("proxy", "[[rules]]\nrefuse = true\naddresses = ['10.0.0.1/8']\n", "rules"),
        (
            "proxy",
            "[[routes]]\nname = 'a'\nupstreams = [{ url = 'x' }]\n",
            "routes.0.upstreams.0.url",
        ),
        ("proxy", "[names]\nmode = 'template'\n", "names"),
        ("proxy", "[extranonce]\nlane = 'xy'\n", "extranonce"),
        ("proxy", "[extranonce]\nslice_first = 9\nslice_end = 9\n", "extranonce"),
        ("proxy", "[[listeners]]\nport = 9332\n", "web.port"),
        ("node", "datadir = '/dev/null/x'\n", "datadir"),
        ("miner", "[log]\nwire = '/dev/null/x/wire.jsonl'\n", "log.wire"),
        ("proxy", "log_wire = '/dev/null/x/wire.jsonl'\n", "log_wire"),
        ("miner", "[blocks]\nsubmit_to = ['stratum+tcp://a:1']\n", "blocks.submit_to"),
        ("proxy", "[blocks]\nhook = 'gopher://h'\n", "blocks.hook"),
        ("proxy", "[blocks]\nhook_file = '/nowhere'\n", "blocks.hook_file"),
    ],
)
def test_what_only_one_program_has_is_checked(
    tmp_path: Path, kind: str, text: str, key: str
) -> None:
    rest = "" if kind == "node" else POOL
    state = "" if "state_dir" in text or kind == "node" else f"state_dir = '{tmp_path}'\n"
    assert keys(kind, state + text + rest, tmp_path) == [key]


def test_upstreams_are_checked_for_both_programs(tmp_path: Path) -> None:
    text = f"state_dir = '{tmp_path}'\n[[upstreams]]\nurl = 'x'\n"
    assert keys("miner", text, tmp_path) == ["upstreams.0.url"]
    assert keys("proxy", text, tmp_path) == ["upstreams.0.url"]


def test_a_nodes_extranonce_must_have_room_for_the_rigs(tmp_path: Path) -> None:
    node = (
        f"state_dir = '{tmp_path}'\n[extranonce]\nlane = '0102'\nslice_size = 4\nrollable = 4\n"
        "[[upstreams]]\nurl = 'bitcoind+http://127.0.0.1:18443'\nuser = 'u'\npassword = 'p'\n"
        "address = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'\n"
    )
    assert keys("proxy", node, tmp_path) == ["upstreams.0.extranonce_size"]
    assert keys("proxy", node + "extranonce_size = 10\n", tmp_path) == []


def test_room_is_judged_by_the_layout() -> None:
    config = ProxyConfig()
    assert not list(check_room(config, 3, "x"))
    (finding,) = check_room(config, 2, "x")
    assert (finding.key, finding.fatal) == ("x", True)
    assert "2 extranonce bytes" in finding.text


@pytest.mark.parametrize(
    ("listen", "web", "clash"),
    [
        (("127.0.0.1", 5), ("127.0.0.1", 5), True),
        (("127.0.0.1", 5), ("127.0.0.2", 5), False),
        (("0.0.0.0", 5), ("127.0.0.2", 5), True),
        (("127.0.0.2", 5), ("::", 5), True),
        (("127.0.0.1", 5), ("127.0.0.1", 6), False),
        (("127.0.0.1", 0), ("127.0.0.1", 0), False),
    ],
)
def test_no_port_is_listened_on_twice(
    listen: tuple[str, int], web: tuple[str, int], clash: bool
) -> None:
    config = ProxyConfig(
        listeners=(ListenerSettings(host=listen[0], port=listen[1]),),
        web=ProxyWeb(host=web[0], port=web[1]),
    )
    assert [each.key for each in check_ports(config)] == (["web.port"] if clash else [])
    off = ProxyConfig(
        listeners=(ListenerSettings(host=listen[0], port=listen[1]),),
        web=ProxyWeb(enabled=False, host=web[0], port=web[1]),
    )
    assert not list(check_ports(off))


def test_a_page_without_a_port_of_its_own_clashes_with_nothing() -> None:
    assert not list(check_ports(MinerConfig(web=WebSettings(port=None))))


def test_a_node_has_no_upstreams() -> None:
    assert upstreams_of(NodeConfig()) == {}


def test_upstreams_of_routes_are_upstreams_too() -> None:
    one, two = UpstreamSettings(url="stratum+tcp://a:1"), UpstreamSettings(url="stratum+tcp://b:1")
    route = RouteSettings(name="b", upstreams=(two,))
    found = upstreams_of(ProxyConfig(upstreams=(one,), routes=(route,)))
    assert found == {"upstreams.0": one, "routes.0.upstreams.0": two}


def test_a_miner_is_told_that_it_pays_the_configured_address(tmp_path: Path) -> None:
    settings = load(MinerConfig, path=write(tmp_path, f"{NODE}payout = 'login'\n"))
    [found] = [each for each in KINDS["miner"].check(settings) if "payout" in each.key]
    assert (found.key, found.fatal) == ("upstreams.0.payout", False)
    assert "is for the proxy" in found.text


def test_a_node_that_pays_logins_is_good(tmp_path: Path) -> None:
    assert keys("proxy", f"{NODE}payout = 'login'\n", tmp_path) == []
