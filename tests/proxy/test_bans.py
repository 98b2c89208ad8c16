import math

import pytest

from proxy import bans as module
from proxy.bans import Bans


def test_an_address_is_banned_for_its_time() -> None:
    bans = Bans()
    ban = bans.add("192.0.2.7", now=100.0, seconds=60.0, why="rubbish")
    assert ban.address == "192.0.2.7"
    assert bans.find("192.0.2.7", 159.9) is ban
    assert bans.find("192.0.2.7", 160.0) is None
    assert bans.find("192.0.2.8", 100.0) is None


@pytest.mark.parametrize(
    ("who", "inside", "outside"),
    [
        ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
        ("192.0.2.5/24", "192.0.2.0", "2001:db8::1"),
        ("2001:db8::/32", "[2001:db8::1]", "2001:db9::1"),
        ("2001:DB8:0::1", "2001:db8::1", "[2001:db8::2]"),
        ("fe80::1", "fe80::1%eth0", ""),
    ],
)
def test_ranges_and_all_ways_to_write_an_address(who: str, inside: str, outside: str) -> None:
    for bans in (Bans([who]), Bans()):
        bans.add(who, now=0.0, why="")
        assert bans.find(inside, 1.0) is not None
        assert bans.find(outside, 1.0) is None


def test_those_of_the_settings_stay_and_can_be_replaced() -> None:
    bans = Bans(["192.0.2.0/24"])
    assert not bans.lift("192.0.2.0/24")
    found = bans.find("192.0.2.1", 1e12)
    assert found is not None
    assert (found.fixed, found.until) == (True, math.inf)
    with pytest.raises(ValueError, match="not appear"):
        bans.fix(["198.51.100.1", "nobody"])
    assert bans.find("192.0.2.1", 0.0) is not None
    bans.fix(["198.51.100.1"])
    assert bans.find("192.0.2.1", 0.0) is None


@pytest.mark.parametrize("who", ["192.0.2.7", "192.0.2.0/24", "2001:db8::1"])
def test_a_ban_is_lifted_as_it_was_made(who: str) -> None:
    bans = Bans()
    bans.add(who, now=0.0, why="")
    assert bans.lift(who)
    assert not bans.lift(who)
    assert list(bans.rows(0.0)) == []


def test_a_ban_is_replaced_by_a_newer_one() -> None:
    bans = Bans()
    bans.add("192.0.2.7", now=0.0, seconds=1000.0, why="old")
    bans.add("192.0.2.7", now=0.0, seconds=10.0, why="new")
    assert [(ban.why, ban.until) for ban in bans.rows(0.0)] == [("new", 10.0)]


@pytest.mark.parametrize("who", ["", "nobody", "192.0.2.256", "192.0.2.0/33"])
def test_what_is_no_address_is_refused(who: str) -> None:
    with pytest.raises(ValueError, match="does not appear"):
        Bans().add(who, now=0.0, why="")
    with pytest.raises(ValueError, match="does not appear"):
        Bans().lift(who)


def test_the_list_has_the_settings_first_and_nothing_that_is_over() -> None:
    bans = Bans(["10.0.0.0/8"])
    bans.add("192.0.2.1", now=0.0, seconds=5.0, why="over")
    bans.add("192.0.2.2", now=0.0, seconds=50.0, why="")
    bans.add("192.0.2.0/25", now=0.0, why="for good")
    listed = [(ban.address, ban.fixed) for ban in bans.rows(10.0)]
    assert listed == [("10.0.0.0/8", True), ("192.0.2.0/25", False), ("192.0.2.2", False)]


def test_the_list_is_bounded() -> None:
    bans = Bans()
    bans.add("192.0.2.0/24", now=0.0, seconds=5.0, why="over first")
    for number in range(module.MAX_BANS + 10):
        bans.add(f"10.0.{number >> 8}.{number & 255}", now=10.0, seconds=60.0 + number, why="")
    rows = list(bans.rows(10.0))
    assert len(rows) == module.MAX_BANS
    assert bans.find("10.0.0.0", 10.0) is None  # the first to end gave way
    assert bans.find(rows[-1].address, 10.0) is not None
