import msgspec
import pytest

from headframe.runtime.errors import ConfigError
from headframe.upstream.settings import UpstreamSettings
from proxy.config import ProxyConfig
from proxy.routes import Router, Rule
from proxy.tables import RouteSettings, RuleSettings
from proxy.tryout import (
    Rules,
    RuleTold,
    Trial,
    TryAsked,
    live_rigs,
    overview,
    parse_rig,
    parse_rigs,
    try_rigs,
    trying,
)
from tests.fakes.rig import connected
from tests.fakes.routes import farming

TO_B = Rule(route="b", login="b.*")
RIG = {"listener": "front", "address": "10.0.0.7", "login": "b.1"}


@pytest.mark.parametrize(
    ("text", "trial"),
    [
        ("front,10.0.0.7,b.1", Trial(listener="front", address="10.0.0.7", login="b.1")),
        (
            " front , ::1 , b.1, cgminer/4 (x, y)",
            Trial(listener="front", address="::1", login="b.1", agent="cgminer/4 (x, y)"),
        ),
    ],
)
def test_a_rig_is_read_from_text(text: str, trial: Trial):
    assert parse_rig(text) == trial


@pytest.mark.parametrize("text", ["", "front", "front,10.0.0.7", "front,10.0.0.7,"])
def test_what_is_no_rig_is_told(text: str):
    with pytest.raises(ConfigError, match="expected listener,address,login,agent"):
        parse_rig(text)


@pytest.mark.parametrize("plain", [7, [{"login": 7}], [{"login": "x"}], [RIG] * 20_001])
def test_what_is_no_list_of_rigs_is_told(plain: object):
    with pytest.raises(ConfigError, match="rigs: "):
        parse_rigs(plain)


def test_a_trial_is_told_in_words():
    [stays, moves, goes] = try_rigs(
        [
            Trial(listener="f", address="h", login="b.1", agent="bmminer", route="b"),
            Trial(listener="f", address="h", login="b.2", route="a"),
            Trial(listener="f", address="h", login="thief", route="a"),
        ],
        Rules(router=Router([TO_B, Rule(route="", login="thief")], "a")),
    )
    assert stays.words == "b.1 from h at f (bmminer): b (login b.*)"
    assert moves.words == "b.2 from h at f: a -> b (login b.*)"
    assert goes.words == "thief from h at f: a -> turned away (login thief)"
    assert [each.moves for each in (stays, moves, goes)] == [False, True, True]
    assert Trial(listener="f", address="h", login="x", route="a", why="y").words.endswith("a (y)")


def test_a_full_route_leaves_rigs_to_the_next_rule_and_keeps_who_is_on_it():
    rules = Rules(
        router=Router([TO_B, Rule(route="c", login="b.2*"), Rule(route="a", login="a.*")], "a"),
        most={"b": 2, "a": 1},
    )
    here = [Trial(listener="f", address="h", login=f"b.{n}", route="b") for n in (7, 8, 9)]
    come = [Trial(listener="f", address="h", login=login) for login in ("b.1", "b.2", "x", "y")]
    tried = try_rigs([*come, *here], rules, {"c": 5})
    assert [(each.login, each.then) for each in tried] == [
        ("b.1", ""),
        ("b.2", "c"),
        ("x", "a"),
        ("y", ""),
        ("b.7", "b"),
        ("b.8", "b"),
        ("b.9", "b"),
    ]
    assert (
        tried[0].words == "b.1 from h at f: turned away (route b is full, and no other rule fits)"
    )
    assert tried[1].words == "b.2 from h at f: c (login b.2*; route b is full)"
    free = try_rigs([msgspec.structs.replace(here[0], login="z"), *come[:1]], rules, {"b": 1})
    assert [each.then for each in free] == ["a", "b"], "one left before the other came"


async def test_the_api_counts_the_rigs_that_are_there():
    async with farming("a", "b") as farm:
        farm.change("a", "b", rules=[TO_B], most={"b": 2})
        farm.publish("b")
        async with connected(farm.port(), "b.1") as [rig]:
            await rig.job()
            given = TryAsked(rigs=tuple(Trial(**RIG | {"login": f"b.{n}"}) for n in (2, 3)))
            answer = await trying(farm.routing, None)(given)
            settings = ProxyConfig(
                routes=(
                    RouteSettings(name="b", upstreams=(_pool(2),), max_rigs=1),
                    RouteSettings(name="a", upstreams=(_pool(1),)),
                ),
            )
            stays = await trying(farm.routing, lambda: settings)(TryAsked())
    assert [each.route for each in answer.details["rigs"]] == ["b", ""]  # type: ignore[attr-defined]
    assert stays.details["moves"] == 0


async def test_the_api_tells_who_is_where_and_who_would_move():
    settings = ProxyConfig(
        routes=(
            RouteSettings(name="a", upstreams=(_pool(1),)),
            RouteSettings(name="b", upstreams=(_pool(2),)),
        ),
        rules=(RuleSettings(route="b", login="x.*"),),
    )
    async with farming("a", "b", rules=[TO_B]) as farm:
        farm.publish("a")
        async with connected(farm.port(), "x.1", "b.1"):
            await farm.until(lambda: (farm.users("a"), farm.users("b")) == (["x.1"], ["b.1"]))
            told = overview(farm.routing)
            live = {each.login: (each.route, each.why) for each in live_rigs(farm.routing)}
            answer = await trying(farm.routing, lambda: settings)(TryAsked())
            given = TryAsked(rigs=(Trial(**RIG),))
            asked = await trying(farm.routing, None)(given)
            bad = await trying(farm.routing, fail)(TryAsked())
    assert (told.routes, told.otherwise) == (("a", "b"), "a")
    assert told.rules == (RuleTold(route="b", fits="login b.*"),)
    assert {each.login for each in told.rigs} == {"x.1", "b.1"}
    assert live == {"x.1": ("a", "no rule fits: the first route"), "b.1": ("b", "login b.*")}
    assert answer.details["moves"] == 2
    rigs = answer.details["rigs"]
    assert isinstance(rigs, list)
    assert {(each.login, each.route, each.then) for each in rigs} == {
        ("x.1", "a", "b"),
        ("b.1", "b", "a"),
    }
    assert asked.details == {"rigs": [Trial(**RIG, route="b", why="login b.*")], "moves": 0}
    assert bad.error == "proxy.toml:1: no setting 'route'"


def fail() -> ProxyConfig:
    raise ConfigError("proxy.toml:1: no setting 'route'")


def _pool(port: int) -> UpstreamSettings:
    return UpstreamSettings(url=f"stratum+tcp://127.0.0.1:{port}", user="u")
