import json
from typing import Any

import pytest

from headframe.chain.share import Reason
from headframe.stratum.errors import RemoteProtocolError
from headframe.stratum.events import Redirected
from headframe.stratum.sv1 import answers
from headframe.stratum.sv1.jobs import Room
from headframe.stratum.sv1.messages import FromServer, parse_from_server
from tests.fakes.vectors import load

LINES = {vector["id"]: vector for vector in load("wire_messages")["vectors"]}
OF_SHARES = [
    v for v in LINES.values() if "accepted" in v["expect"] and "only_for" not in v["expect"]
]


def message(**members: object) -> FromServer:
    return parse_from_server(json.dumps(members).encode())


@pytest.mark.parametrize("vector", OF_SHARES, ids=lambda vector: vector["id"])
def test_answers_of_the_field_are_understood(vector: dict[str, Any]) -> None:
    answer = parse_from_server(vector["line"].encode())
    verdict = answers.verdict_of(answer)
    expect = vector["expect"]
    assert (verdict.reason is Reason.ACCEPTED) is expect["accepted"]
    assert verdict.detail == expect.get("text", "")
    assert answers.succeeded(answer) is expect["accepted"]


def test_null_is_yes_only_where_it_is_said_so() -> None:
    answer = parse_from_server(LINES["auth-null"]["line"].encode())
    assert answers.succeeded(answer, null_is_yes=True)
    assert not answers.succeeded(answer)


@pytest.mark.parametrize(
    ("members", "yes"),
    [
        ({"result": True}, True),
        ({"result": [], "error": None}, True),
        ({"result": "ok", "error": False}, True),
        ({"result": False}, False),
        ({}, False),
        ({"result": True, "error": True}, False),
        ({"result": True, "error": [20, "x", None]}, False),
    ],
)
def test_success_is_no_error_and_a_result_that_is_not_false(
    members: dict[str, object], yes: bool
) -> None:
    assert answers.succeeded(message(**members)) is yes


def test_a_refusal_without_words_has_its_code_or_nothing() -> None:
    refused = answers.verdict_of(message(result=None, error=[22, None, None]))
    assert (refused.reason, refused.detail) == (Reason.DUPLICATE, "code 22")
    assert answers.words_of(message(result=False)) == "no reason given"
    odd = parse_from_server(b'{"result":false,"reject-reason":5}')
    assert answers.verdict_of(odd).detail == ""


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ('"7"', -1), ("null", -1), ("-7", -1), ("1.0", -1), ("9" * 19, -1), ("[7]", -1)],
)
def test_our_ids_are_whole_numbers(text: str, number: int) -> None:
    assert answers.own_id(parse_from_server(b'{"id":%b}' % text.encode())) == number
    assert answers.own_id(parse_from_server(b"{}")) == -1


@pytest.mark.parametrize(
    "name", ["sub-slush", "sub-one", "sub-no-error-key", "sub-flat", "sub-7byte", "sub-datum"]
)
def test_subscriptions_of_the_field_are_understood(name: str) -> None:
    room, _ = answers.parse_subscription(parse_from_server(LINES[name]["line"].encode()))
    expect = LINES[name]["expect"]
    assert room.extranonce1.hex() == expect["extranonce1"]
    assert room.size == expect["extranonce2_size"]


@pytest.mark.parametrize(
    ("name", "session"),
    [
        ("sub-slush", "ae6812eb4cd7735a302a8a9dd95cf71f"),
        ("sub-one", "695482c0"),
        ("sub-flat", "ae6812eb4cd7735a302a8a9dd95cf71f"),
        ("sub-7byte", "1"),
    ],
)
def test_the_session_is_the_id_of_notify(name: str, session: str) -> None:
    _, found = answers.parse_subscription(parse_from_server(LINES[name]["line"].encode()))
    assert found == session


@pytest.mark.parametrize("subscriptions", [None, [], [[]], [["mining.notify"]], {"a": 1}, "x"])
def test_the_list_of_subscriptions_is_not_relied_on(subscriptions: object) -> None:
    room, session = answers.parse_subscription(message(result=[subscriptions, "ab", 4]))
    assert (room, session) == (Room(extranonce1=b"\xab", size=4), "")


@pytest.mark.parametrize(
    "result",
    [
        None,
        True,
        [],
        [[], "ab"],
        ["ab", 4],
        [[], "abc", 4],
        [[], None, 4],
        [[], "ab", "4"],
        [[], "ab", 4.0],
        [[], "ab", True],
        [[], "ab", -1],
        [[], "ab", 101],
        [[], "ab" * 101, 4],
    ],
)
def test_other_subscriptions_are_the_pools_fault(result: object) -> None:
    with pytest.raises(RemoteProtocolError):
        answers.parse_subscription(message(result=result))


@pytest.mark.parametrize("name", ["sub-short", "sub-no-list", "sub-object"])
def test_malformed_subscriptions_of_the_field_are_refused(name: str) -> None:
    with pytest.raises(RemoteProtocolError):
        answers.parse_subscription(parse_from_server(LINES[name]["line"].encode()))


ROOM = Room(extranonce1=b"\x01", size=4)


@pytest.mark.parametrize(
    ("params", "room"),
    [
        (["deadbeef", 8], Room(extranonce1=b"\xde\xad\xbe\xef", size=8)),
        (["beef"], Room(extranonce1=b"\xbe\xef", size=4)),
        (["beef", None], Room(extranonce1=b"\xbe\xef", size=4)),
        ([None, 8], Room(extranonce1=b"\x01", size=8)),
    ],
)
def test_what_a_room_change_leaves_out_is_unchanged(params: list[object], room: Room) -> None:
    assert answers.parse_room_change(message(params=params), ROOM) == room


@pytest.mark.parametrize("params", [[], None, [None, None], [5, 5], ["xyz", 4], ["ab", 1000], "ab"])
def test_other_room_changes_are_the_pools_fault(params: object) -> None:
    with pytest.raises(RemoteProtocolError):
        answers.parse_room_change(message(params=params), ROOM)


@pytest.mark.parametrize("params", [["beef"], [None, 8], ["beef", None]])
def test_nothing_can_be_unchanged_before_the_subscription(params: list[object]) -> None:
    with pytest.raises(RemoteProtocolError):
        answers.parse_room_change(message(params=params), None)


@pytest.mark.parametrize("name", ["reconnect-empty", "reconnect-full", "reconnect-strport"])
def test_reconnects_of_the_field_are_understood(name: str) -> None:
    expect = LINES[name]["expect"]
    assert answers.parse_reconnect(parse_from_server(LINES[name]["line"].encode())) == Redirected(
        host=expect["host"] or "", port=expect["port"] or 0, wait_seconds=expect["wait"] or 0
    )


@pytest.mark.parametrize(
    "params",
    [["h", 70000], ["h", -1], ["h", "x"], ["h", True], ["h", [1]], ["h", 1, -1], ["h", 1, "soon"]],
)
def test_other_reconnects_are_the_pools_fault(params: list[object]) -> None:
    with pytest.raises(RemoteProtocolError, match="not a number"):
        answers.parse_reconnect(message(params=params))


@pytest.mark.parametrize(("params", "first"), [(["a", "b"], "a"), ("a", "a"), ([], None)])
def test_a_parameter_may_come_bare(params: object, first: object) -> None:
    assert answers.first_of(message(params=params)) == first
