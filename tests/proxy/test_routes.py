import re
from fnmatch import fnmatchcase
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.routes import Decision, Router, Rule, Visitor, parse_network

NETS = ("10.0.0.0/8", "10.1.0.0/16", "192.0.2.7", "2001:db8::/32", "::/0", "0.0.0.0/0")
HOSTS = ("10.1.2.3", "10.2.0.1", "192.0.2.7", "2001:db8::1", "::ffff:10.1.2.3", "not-an-address")
PATTERNS = ("", "*", "farm.*", "Farm.*", "?b", "[ab]*")
TEXTS = ("", "farm.one", "Farm.two", "ab", "bitaxe")
LISTENERS = ("", "asic", "gpu")

rules = st.lists(
    st.builds(
        Rule,
        route=st.sampled_from(("", "a", "b", "c")),
        listener=st.sampled_from(LISTENERS),
        addresses=st.lists(st.sampled_from(NETS).map(parse_network), max_size=2).map(tuple),
        login=st.sampled_from(PATTERNS),
        agent=st.sampled_from(PATTERNS),
    ),
    max_size=5,
)
guests = st.builds(
    Visitor,
    listener=st.sampled_from(LISTENERS[1:]),
    address=st.sampled_from(HOSTS),
    login=st.sampled_from(TEXTS),
    agent=st.sampled_from(TEXTS),
)


def fits(rule: Rule, guest: Visitor) -> bool:
    """The same said once more, slowly: every part that a rule names must fit."""
    parts = [not rule.listener or rule.listener == guest.listener]
    if rule.addresses:
        host = guest.address.removeprefix("::ffff:")
        known = host != "not-an-address"
        parts.append(known and any(ip_address(host) in each for each in rule.addresses))
    parts.append(not rule.login or fnmatchcase(guest.login, rule.login))
    parts.append(not rule.agent or fnmatchcase(guest.agent.lower(), rule.agent.lower()))
    return all(parts)


@given(rules, guests)
@settings(max_examples=300)
def test_the_first_rule_that_fits_decides(listed: list[Rule], guest: Visitor):
    wanted = next((each.route for each in listed if fits(each, guest)), "default")
    assert Router(listed, "default").choose(guest).route == wanted


@given(rules, guests)
@settings(max_examples=300)
def test_what_is_foreseen_comes_true(listed: list[Rule], guest: Visitor):
    router = Router(listed, "default")
    foreseen = router.foresee(guest.listener, guest.address)
    assert foreseen is None or foreseen == router.choose(guest)


@given(rules, guests)
def test_rules_behind_one_for_everybody_change_nothing(listed: list[Rule], guest: Visitor):
    router = Router([Rule(route="all"), *listed], "default")
    assert router.choose(guest) == Decision("all", "every rig")
    assert router.foresee(guest.listener, guest.address) is not None


def test_nothing_is_foreseen_where_the_login_decides():
    router = Router([Rule(route="a", listener="asic", login="x*"), Rule(route="")], "default")
    assert router.foresee("asic", "10.0.0.1") is None
    foreseen = router.foresee("gpu", "10.0.0.1")
    assert foreseen is not None
    assert foreseen.refused


def test_a_decision_names_its_rule():
    rule = Rule(
        route="a",
        listener="asic",
        addresses=(parse_network("10.0.0.0/8"), parse_network("192.0.2.7")),
        login="farm.*",
        agent="cgminer*",
    )
    guest = Visitor(listener="asic", address="192.0.2.7", login="farm.1", agent="CGMiner/4.13.1")
    assert Router([rule], "b").choose(guest) == Decision(
        "a", "listener asic, address in 10.0.0.0/8, 192.0.2.7/32, login farm.*, agent cgminer*"
    )
    other = Visitor(listener="asic", address="192.0.2.8", login="farm.1", agent="cgminer")
    assert Router([rule], "b").choose(other) == Decision("b", "no rule fits: the first route")


def test_an_address_with_a_zone_fits_its_range():
    router = Router([Rule(route="a", addresses=(parse_network("fe80::/10"),))], "b")
    for text in ("fe80::1%eth0", "[fe80::1]"):
        assert router.choose(Visitor(listener="l", address=text, login="x")).route == "a"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "nowhere", "10.0.0.0/33", ""])
def test_what_is_no_range_is_refused(text: str):
    with pytest.raises(ValueError, match=re.escape(repr(text)) + "|host bits"):
        parse_network(text)


def test_a_full_route_leaves_rigs_to_the_next_rule_that_fits():
    rules = [
        Rule(route="a", login="x*"),
        Rule(route="b", login="x.1"),
        Rule(route="", login="x.2"),
    ]
    router = Router(rules, "c")

    def where(login: str, *full: str) -> tuple[str, str, str]:
        found = router.choose(Visitor(listener="l", address="h", login=login), full)
        return found.route, found.full, found.closes

    assert where("x.1", "b", "c")[0] == "a"
    assert where("x.1", "a")[0] == "b"
    assert where("x.1", "a", "b") == ("", "a", "route_full")
    assert where("x.2", "a") == ("", "a", "route_full"), "the first route that fits was full"
    assert where("x.2", "b")[0] == "a"
    assert where("x.3", "a") == ("", "a", "route_full"), "the first route is for whom none fits"
    assert where("y", "a", "b")[0] == "c"
    assert where("y", "c") == ("", "c", "route_full")
    refused = Router([Rule(route="", login="t")], "c")
    thief = refused.choose(Visitor(listener="l", address="h", login="t"), ["c"])
    assert (thief.closes, thief.told) == ("no_route", "a rule says so: login t")
