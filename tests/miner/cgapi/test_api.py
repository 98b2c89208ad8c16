import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miner.cgapi.access import Right
from miner.cgapi.api import COMMANDS, Api
from miner.cgapi.pools import PoolList
from miner.cgapi.reports import REPORTS
from tests.fakes.cgminer import FIGURES, FakeUpstreams, loads


class Desk:
    """An API over figures that stand still, and what it was told to do."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.upstreams = FakeUpstreams("stratum+tcp://a:1", "stratum+tcp://b:2")
        self.pools = PoolList(self.upstreams)
        self.api = Api(lambda: FIGURES, self, lambda: 1332432290)

    def quit(self) -> None:
        self.done.append("quit")

    def ask(self, command: str, parameter: str = "", right: Right = Right.READ) -> Any:
        request = {"command": command, "parameter": parameter}
        return loads(self.api.answer(json.dumps(request).encode(), right))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def code_of(answer: Any) -> int:
    number = answer["STATUS"][0]["Code"]
    assert isinstance(number, int)
    return number


@pytest.mark.parametrize(
    ("command", "code", "section"),
    [
        ("version", 22, "VERSION"),
        ("config", 33, "CONFIG"),
        ("summary", 11, "SUMMARY"),
        ("pools", 7, "POOLS"),
        ("devs", 9, "DEVS"),
        ("edevs", 9, "DEVS"),
        ("devdetails", 69, "DEVDETAILS"),
        ("stats", 70, "STATS"),
        ("estats", 70, "STATS"),
        ("coin", 78, "COIN"),
        ("notify", 60, "NOTIFY"),
        ("lcd", 125, "LCD"),
        ("asccount", 104, "ASCS"),
        ("pgacount", 59, "PGAS"),
    ],
)
def test_who_may_read_is_told(desk: Desk, command: str, code: int, section: str) -> None:
    answer = desk.ask(command)
    assert list(answer) == ["STATUS", section, "id"]
    assert code_of(answer) == code
    assert answer["STATUS"][0]["STATUS"] == "S"
    assert answer["STATUS"][0]["When"] == 1332432290
    assert answer[section]


def test_the_page_for_operators_has_every_command() -> None:
    page = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
    section = page.partition("## cgminer API")[2].partition("\n## ")[0]
    assert {name for name in COMMANDS if f"`{name}`" not in section} == set()


def test_every_report_is_tried_above(desk: Desk) -> None:
    assert len(REPORTS) == 14


@pytest.mark.parametrize("command", [name for name, each in COMMANDS.items() if each.privileged])
def test_who_may_only_read_changes_nothing(desk: Desk, command: str) -> None:
    answer = desk.ask(command)
    assert code_of(answer) == 45
    assert answer["STATUS"][0]["Msg"] == f"Access denied to '{command}' command"
    assert desk.done == []
    assert [each.url[-1] for each in desk.upstreams.current] == ["1", "2"]


def test_who_may_write_changes_pools(desk: Desk) -> None:
    assert code_of(desk.ask("switchpool", "1", right=Right.WRITE)) == 27
    assert [each.url[-1] for each in desk.upstreams.current] == ["2", "1"]
    assert desk.api.answer(b"switchpool|0", Right.WRITE).startswith(b"STATUS=S,")
    assert [each.url[-1] for each in desk.upstreams.current] == ["1", "2"]


def test_who_may_write_is_told_so(desk: Desk) -> None:
    assert code_of(desk.ask("privileged", right=Right.WRITE)) == 46


def test_quit_ends_the_miner_and_says_goodbye(desk: Desk) -> None:
    assert desk.ask("quit", right=Right.WRITE) == {"STATUS": "BYE", "id": 1}
    assert desk.done == ["quit"]
    assert desk.api.answer(b"quit", Right.WRITE) == b"BYE\0"


@pytest.mark.parametrize(
    ("command", "exists", "read", "write"),
    [("summary", "Y", "Y", "Y"), ("quit", "Y", "N", "Y"), ("gpurestart", "N", "N", "N")],
)
def test_check_tells_what_there_is(
    desk: Desk, command: str, exists: str, read: str, write: str
) -> None:
    for right, access in ((Right.READ, read), (Right.WRITE, write)):
        answer = desk.ask("check", command, right=right)
        assert answer["CHECK"] == [{"Exists": exists, "Access": access}]
    assert code_of(desk.ask("check")) == 71


def test_one_device_is_asked_for_by_its_number(desk: Desk) -> None:
    answer = desk.ask("asc", "1")
    assert code_of(answer) == 106
    assert answer["ASC"] == [desk.ask("devs")["DEVS"][1]]
    assert code_of(desk.ask("asc")) == 15
    assert desk.ask("asc", "2")["STATUS"][0]["Msg"] == "Invalid ASC id 2 - range is 0 - 1"


@pytest.mark.parametrize("command", ["", "Summary", "gpucount", "summary ", "__init__"])
def test_an_unknown_command_is_invalid(desk: Desk, command: str) -> None:
    assert code_of(desk.ask(command)) == 14


def test_several_commands_have_one_answer(desk: Desk) -> None:
    answer = desk.ask("summary+pools+nonsense+quit+asc", "0", right=Right.WRITE)
    assert list(answer) == ["summary", "pools", "nonsense", "quit", "asc", "id"]
    assert answer["summary"] == [desk.ask("summary")]
    assert answer["pools"] == [desk.ask("pools")]
    assert code_of(answer["nonsense"][0]) == 14
    assert code_of(answer["quit"][0]) == 45, "it changes something"
    assert code_of(answer["asc"][0]) == 45, "it needs a parameter"
    assert desk.done == []


def test_text_is_answered_in_text(desk: Desk) -> None:
    answer = desk.api.answer(b"asccount", Right.READ).decode()
    assert answer.startswith("STATUS=S,When=1332432290,Code=104,Msg=ASC count,Description=")
    assert answer.endswith("|ASCS,Count=2|\0")
    joined = desk.api.answer(b"asccount+pgacount", Right.READ).decode()
    assert joined.startswith("CMD=asccount|STATUS=S,")
    assert "|ASCS,Count=2|CMD=pgacount|STATUS=S," in joined


@pytest.mark.parametrize(
    "path", ["/", "/+quit+", "/|quit", "/+switchpool|1+", '/{"command":"quit"}']
)
def test_a_browser_that_is_sent_here_changes_nothing(desk: Desk, path: str) -> None:
    request = f'POST {path} HTTP/1.1\r\nHost: 127.0.0.1:4028\r\n\r\n{{"command":"quit"}}'
    answer = desk.api.answer(request.encode(), Right.WRITE)
    assert b"BYE" not in answer
    assert b"STATUS=S" not in answer
    assert desk.done == []
    assert [each.url[-1] for each in desk.upstreams.current] == ["1", "2"]


words = st.sampled_from(['{"command":"', "summary", "+", "|", "quit", '"}', "\\", "\0", "check"])


@given(st.binary(max_size=200) | st.lists(words).map("".join).map(str.encode))
def test_any_request_has_one_answer_in_its_own_form(data: bytes) -> None:
    answer = Desk().api.answer(data, Right.READ)
    assert answer.endswith(b"\0")
    assert answer.count(b"\0") == 1
    if data.strip(b"\0\r\n").startswith(b"{"):
        assert loads(answer)["id"] == 1
    else:
        assert answer.startswith((b"STATUS=", b"CMD="))
