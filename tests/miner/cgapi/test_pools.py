"""Numbers and codes as cgminer's `switchpool`, `enablepool`, ... give them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from structlog.testing import capture_logs

from headframe.upstream.options import UpstreamSettings
from miner.cgapi.pools import POOL_COMMANDS, PoolList, split_details
from tests.fakes.cgminer import POOL, FakeUpstreams

A, B, C = (f"stratum+tcp://{name}:3333" for name in "abc")


class Desk:
    """A list of three pools."""

    def __init__(self) -> None:
        self.upstreams = FakeUpstreams(A, B, C)
        self.pools = PoolList(self.upstreams)

    def do(self, command: str, parameter: str = "") -> int:
        return self.pools.change(command, parameter).code.number

    @property
    def used(self) -> str:
        return "".join(each.url[len("stratum+tcp://")] for each in self.upstreams.current)

    @property
    def listed(self) -> list[tuple[str, int, bool]]:
        views = self.pools.view(())
        assert [each.number for each in views] == list(range(len(views)))
        return [(each.status.source[0], each.priority, each.enabled) for each in views]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_switch_puts_a_pool_first_and_keeps_its_number(desk: Desk) -> None:
    reply = desk.pools.change("switchpool", "2")
    assert (reply.code.number, reply.values) == (27, (2, C))
    assert desk.used == "cab"
    assert desk.listed == [("a", 1, True), ("b", 2, True), ("c", 0, True)]
    assert desk.do("switchpool", "0") == 27
    assert desk.used == "acb"


def test_a_disabled_pool_is_not_used_and_comes_back_to_its_place(desk: Desk) -> None:
    assert desk.do("disablepool", "1") == 48
    assert desk.used == "ac"
    assert desk.listed == [("a", 0, True), ("b", 1, False), ("c", 2, True)]
    assert desk.do("disablepool", "1") == 50
    assert desk.do("enablepool", "1") == 47
    assert desk.used == "abc"
    assert desk.do("enablepool", "1") == 49


def test_a_switch_enables(desk: Desk) -> None:
    desk.do("disablepool", "1")
    assert desk.do("switchpool", "1") == 27
    assert desk.used == "bac"


def test_the_last_pool_goes_on(desk: Desk) -> None:
    desk.do("disablepool", "0")
    desk.do("disablepool", "1")
    assert desk.do("disablepool", "2") == 51
    assert desk.do("removepool", "2") == 67, "nothing else may be used"
    assert desk.used == "c"
    assert desk.do("removepool", "0") == 68
    assert desk.do("removepool", "0") == 68
    assert desk.do("removepool", "0") == 66, "there is no other"
    assert desk.used == "c"


def test_later_numbers_move_up_when_a_pool_is_taken_out(desk: Desk) -> None:
    reply = desk.pools.change("removepool", "0")
    assert (reply.code.number, reply.values) == (68, (0, A))
    assert desk.listed == [("b", 0, True), ("c", 1, True)]


def test_pools_that_are_not_named_follow_in_their_order(desk: Desk) -> None:
    assert desk.do("poolpriority", "2,1") == 73
    assert desk.used == "cba"
    assert desk.do("poolpriority", "0") == 73
    assert desk.used == "acb"
    assert desk.do("poolpriority", "1,1") == 74
    assert desk.do("poolpriority", "1,3") == 26
    assert desk.do("poolpriority") == 25
    assert desk.used == "acb"


def test_a_pool_is_added_behind_all_others(desk: Desk) -> None:
    reply = desk.pools.change("addpool", r"stratum+tcp://d:3333,me\,too,pa\\ss")
    assert (reply.code.number, reply.values) == (55, (3, "stratum+tcp://d:3333"))
    assert desk.upstreams.current[-1] == UpstreamSettings(
        url="stratum+tcp://d:3333", user="me,too", password="pa\\ss"
    )
    assert desk.listed[3] == ("d", 3, True)


@pytest.mark.parametrize(
    ("parameter", "code"),
    [
        ("", 52),
        (A, 53),
        (f"{A},me", 53),
        (f"{A},me,x,y", 53),
        ("ftp://d,me,x", 53),
        ("d:3333,me,x", 53),
    ],
)
def test_what_is_no_pool_is_not_added(desk: Desk, parameter: str, code: int) -> None:
    assert desk.do("addpool", parameter) == code
    assert desk.used == "abc"


def test_a_password_is_not_told_back(desk: Desk) -> None:
    with capture_logs() as logs:
        reply = desk.pools.change("addpool", "ftp://me:secret@d,me,hidden")
    assert "secret" not in str((reply, logs))
    assert "hidden" not in str((reply, logs))


def test_there_is_an_end_to_adding(desk: Desk) -> None:
    for number in range(97):
        assert desk.do("addpool", f"stratum+tcp://p{number}:1,me,x") == 55
    assert desk.do("addpool", "stratum+tcp://more:1,me,x") == 53


@pytest.mark.parametrize("command", [name for name in POOL_COMMANDS if name != "addpool"])
@pytest.mark.parametrize(
    ("parameter", "code"),
    [("", 25), (" ", 25), ("3", 26), ("-1", 26), ("x", 26), ("²", 26), ("9" * 400, 26)],
)
def test_a_pool_that_is_not_there_is_told(
    desk: Desk, command: str, parameter: str, code: int
) -> None:
    assert desk.do(command, parameter) == code
    assert desk.used == "abc"


@pytest.mark.parametrize("command", POOL_COMMANDS)
def test_what_the_miner_refuses_leaves_all_as_it_was(desk: Desk, command: str) -> None:
    desk.do("disablepool", "1")
    before = desk.listed
    desk.upstreams.refuses = "no upstream has a `weight` above 0"
    parameter = "stratum+tcp://d:1,me,x" if command == "addpool" else "2"
    with capture_logs() as logs:
        code = desk.do(command, "1" if command == "enablepool" else parameter)
    assert code == (53 if command == "addpool" else 45)
    assert desk.upstreams.refuses in str(logs)
    assert desk.listed == before
    assert desk.used == "ac"


def test_a_new_configuration_gives_new_numbers(desk: Desk) -> None:
    desk.do("disablepool", "0")
    desk.upstreams.current = tuple(UpstreamSettings(url=url, user="me") for url in (C, A))
    assert desk.listed == [("c", 0, True), ("a", 1, True)]
    assert desk.do("switchpool", "1") == 27
    assert desk.used == "ac"


def test_figures_are_found_by_name_and_kept_while_disabled(desk: Desk) -> None:
    told = [replace(POOL, source="b:3333", accepted=7), replace(POOL, source="a:3333", accepted=1)]
    assert [each.status.accepted for each in desk.pools.view(told)] == [1, 7, 0]
    desk.do("disablepool", "1")
    assert [each.status.accepted for each in desk.pools.view(told[1:])] == [1, 7, 0]


def test_a_named_upstream_is_found_by_its_name() -> None:
    upstreams = FakeUpstreams()
    upstreams.current = (UpstreamSettings(url=A, name="home"),)
    views = PoolList(upstreams).view([replace(POOL, source="home", accepted=3)])
    assert [each.status.accepted for each in views] == [3]


@given(st.lists(st.text(), min_size=1))
def test_any_fields_come_back_from_escapes(fields: list[str]) -> None:
    joined = ",".join(each.replace("\\", r"\\").replace(",", r"\,") for each in fields)
    assert split_details(joined) == fields


commands: Any = st.tuples(
    st.sampled_from(POOL_COMMANDS),
    st.sampled_from(["0", "1", "2", "3", "0,2", "2,1", "stratum+tcp://d:1,me,x"]),
)


@given(st.lists(commands, max_size=12))
def test_after_any_commands_some_pool_is_used_and_the_order_is_that_listed(
    done: list[tuple[str, str]],
) -> None:
    desk = Desk()
    for command, parameter in done:
        desk.do(command, parameter)
        views = desk.pools.view(())
        enabled = sorted((each for each in views if each.enabled), key=lambda each: each.priority)
        assert enabled
        assert "".join(each.status.source[0] for each in enabled) == desk.used
        assert sorted(each.priority for each in views) == list(range(len(views)))
