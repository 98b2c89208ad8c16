from pathlib import Path

import pytest

from headframe.runtime.errors import ConfigError
from headframe.runtime.settings import load
from headframe.upstream.base import members_of
from proxy.building import Builder, journal_of, rigs_of
from proxy.config import ProxyConfig
from proxy.routes import Visitor

POOL = '{ url = "stratum+tcp://127.0.0.1:1", user = "u" }'
OTHER = '{ url = "stratum+tcp://127.0.0.1:2", user = "u" }'


def config_of(tmp_path: Path, text: str) -> ProxyConfig:
    file = tmp_path / "proxy.toml"
    file.write_text(text)
    return load(ProxyConfig, path=file)


def sources(builder: Builder, config: ProxyConfig) -> dict[str, list[str]]:
    return {
        each.name: [str(one.source) for one in members_of(each.hub.source.status.get())]
        for each in builder.arrange(config).routes
    }


def test_upstreams_at_the_top_are_the_first_route(tmp_path: Path):
    text = f'upstreams = [{POOL}]\n[[routes]]\nname = "b"\nupstreams = [{POOL}, {OTHER}]\n'
    config = config_of(tmp_path, text)
    assert sources(Builder(config, tmp_path), config) == {
        "default": ["127.0.0.1:1"],
        "b": ["b/127.0.0.1:1", "b/127.0.0.1:2"],
    }


def test_without_them_the_first_of_the_routes_is(tmp_path: Path):
    config = config_of(tmp_path, f'[[routes]]\nname = "b"\nupstreams = [{POOL}]\n')
    made = Builder(config, tmp_path).arrange(config)
    assert [each.name for each in made.routes] == ["b"]
    assert made.router.choose(Visitor(listener="x", address="y", login="z")).route == "b"
    assert set(made.rigs) == {("127.0.0.1:3333", "b")}


def test_what_stays_is_the_same_and_what_returns_too(tmp_path: Path):
    one = config_of(tmp_path, f"upstreams = [{POOL}]\n")
    two = config_of(
        tmp_path, f'upstreams = [{POOL}]\n[[routes]]\nname = "b"\nupstreams = [{OTHER}]\n'
    )
    builder = Builder(one, tmp_path)
    [first] = builder.arrange(one).routes
    again, added = builder.arrange(two).routes
    assert again is first
    assert builder.arrange(one).routes == [first]
    made = builder.arrange(two)
    assert made.routes == [first, added]
    assert set(made.plans) == {"default", "b"}
    assert len(builder.rosters) == 2
    assert first.hub.space is added.hub.space
    assert first.hub.stats is added.hub.stats


def test_each_route_keeps_blocks_of_its_own(tmp_path: Path):
    assert journal_of(tmp_path, "default").name == "proxy-blocks.journal"
    assert journal_of(tmp_path, "b").name == "proxy-blocks-b.journal"


def test_a_routes_own_settings_count_then_the_listeners_then_those_at_the_top(tmp_path: Path):
    text = (
        f"upstreams = [{POOL}]\n[vardiff]\nstart = 3\n"
        '[[listeners]]\nname = "x"\n[[listeners]]\nname = "y"\nport = 1\nvardiff = { start = 5 }\n'
        f'[[routes]]\nname = "b"\nupstreams = [{OTHER}]\nvardiff = {{ start = 7 }}\n'
    )
    config = config_of(tmp_path, text)
    table = rigs_of(config, config.all_routes())
    starts = {key: round(2**224 / each.start) for key, each in table.items()}
    assert starts == {("x", "default"): 3, ("y", "default"): 5, ("x", "b"): 7, ("y", "b"): 7}


def test_routes_have_pools_and_names_of_their_own_or_those_at_the_top(tmp_path: Path):
    text = (
        f'upstreams = [{POOL}]\nnames = {{ mode = "prefix", prefix = "p." }}\n'
        f'[[routes]]\nname = "b"\nupstreams = [{OTHER}]\n[routes.pools]\nstrategy = "rotate"\n'
        f'[[routes]]\nname = "c"\nupstreams = [{{ url = "stratum+tcp://h:3", user = "u" }}]\n'
        '[routes.names]\nmode = "passthrough"\n'
    )
    first, second, third = config_of(tmp_path, text).all_routes()
    assert [each.pools and each.pools.strategy for each in (first, second, third)] == [
        "failover",
        "rotate",
        "failover",
    ]
    modes = [each.names and each.names.mode for each in (first, second, third)]
    assert modes == ["prefix", "prefix", "passthrough"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no upstream is configured"),
        ('[[routes]]\nname = "b"\n', "route b has no upstreams"),
        (f'[[routes]]\nname = "b"\nupstreams = [{POOL}]\n' * 2, "two routes are called b"),
        (
            f'upstreams = [{POOL}]\n[[routes]]\nname = "default"\nupstreams = [{POOL}]\n',
            "two routes are called default",
        ),
        (
            '[[routes]]\nname = "b"\nupstreams = [{ url = "stratum+tcp://h:1", name = "x" }]\n'
            '[[routes]]\nname = "c"\nupstreams = [{ url = "stratum+tcp://h:2", name = "x" }]\n',
            "routes b and c both have an upstream called 'x'",
        ),
        (f'upstreams = [{POOL}]\n[[rules]]\nroute = "x"\n', "there are default"),
        (f"upstreams = [{POOL}]\n[[rules]]\nlogin = 'x'\n", "either a `route`, or"),
        (f"upstreams = [{POOL}]\n[[rules]]\nrefuse = true\nroute = 'default'\n", "either"),
        (f"upstreams = [{POOL}]\n[[rules]]\nrefuse = true\nlistener = 'x'\n", "127.0.0.1:3333"),
        (f"upstreams = [{POOL}]\n[[rules]]\nrefuse = true\naddresses = ['x']\n", "is no range"),
        (f"upstreams = [{POOL}]\nlisteners = []\n", "no listener is configured"),
        (f"upstreams = [{POOL}]\n" + "[[listeners]]\nport = 7\n" * 2, "two listeners are"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(tmp_path: Path, text: str, why: str):
    config = config_of(tmp_path, text)
    with pytest.raises(ConfigError, match=why) as error:
        Builder(config, tmp_path).arrange(config)
    assert "\n" not in str(error.value)


def test_a_route_may_have_version_bits_of_its_own(tmp_path: Path):
    text = f'version_mask = 0x6000\nupstreams = [{POOL}]\n[[listeners]]\nname = "x"\n' + "".join(
        f'[[routes]]\nname = "{name}"\nupstreams = [{OTHER}]\n{more}'
        for name, more in (("b", ""), ("c", "version_mask = 0\n"), ("d", "version_mask = 0x2000\n"))
    )
    config = config_of(tmp_path, text)
    table = rigs_of(config, config.all_routes())
    masks = {route: each.mask for (_, route), each in table.items()}
    assert masks == {"default": 0x6000, "b": 0x6000, "c": 0, "d": 0x2000}
