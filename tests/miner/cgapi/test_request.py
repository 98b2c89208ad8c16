import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miner.cgapi.codes import Code
from miner.cgapi.request import MOST_BYTES, Request, is_whole, parse


def as_json(*commands: str, joined: bool = False, parameter: str = "") -> Request:
    return Request(as_json=True, commands=commands, joined=joined, parameter=parameter)


def as_text(*commands: str, joined: bool = False, parameter: str = "") -> Request:
    return Request(as_json=False, commands=commands, joined=joined, parameter=parameter)


@pytest.mark.parametrize(
    ("data", "request_"),
    [
        # the two forms of one request in API-README
        (b"hotplug|0", as_text("hotplug", parameter="0")),
        (b'{"command":"hotplug","parameter":"0"}', as_json("hotplug", parameter="0")),
        (b"summary", as_text("summary")),
        (b"summary|", as_text("summary")),
        (b"summary\r\n", as_text("summary")),
        (b'{"command":"summary"}\0', as_json("summary")),
        (b' {"command":"summary"}', as_text(' {"command":"summary"}')),  # as in cgminer
        (b'{"command":"summary","parameter":""}', as_json("summary")),
        (b'{"command":"asc","parameter":1}', as_json("asc", parameter="1")),
        (b'{"command":"asc","parameter":1.5}', as_json("asc", parameter="1.5")),
        (b'{"command":"asc","parameter":true}', as_json("asc")),
        (b'{"command":"asc","parameter":[1]}', as_json("asc")),
        (b'{"command":"addpool","parameter":"a|b,c"}', as_json("addpool", parameter="a|b,c")),
        (b"addpool|a|b", as_text("addpool", parameter="a|b")),
        # several at once, each once, blanks ignored, the parameter too
        (b"summary+devs", as_text("summary", "devs", joined=True)),
        (b'{"command":"summary+devs"}', as_json("summary", "devs", joined=True)),
        (b'{"command":"devs+devs","parameter":"7"}', as_json("devs", joined=True)),
        (b"+devs++", as_text("devs", joined=True)),
    ],
)
def test_it_is_understood_as_cgminer_does(data: bytes, request_: Request) -> None:
    assert parse(data) == request_


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"{", Code.INVALID_JSON),
        (b'{"command":"summary"', Code.INVALID_JSON),
        (b'{"command":"summary"}{', Code.INVALID_JSON),
        (b'{"command":"\xff"}', Code.INVALID_JSON),
        (b'{"a":' + b"[" * 4000, Code.INVALID_JSON),
        (b"{}", Code.MISSING_COMMAND),
        (b'{"parameter":"summary"}', Code.MISSING_COMMAND),
        (b'{"command":null}', Code.INVALID_COMMAND),
        (b'{"command":["summary"]}', Code.INVALID_COMMAND),
        (b'{"command":"+"}', Code.INVALID_COMMAND),
        (b"+++", Code.INVALID_COMMAND),
        (b"+".join(b"%d" % i for i in range(33)), Code.INVALID_COMMAND),
    ],
)
def test_what_makes_no_sense_is_told_so(data: bytes, fault: Code) -> None:
    assert parse(data) == Request(as_json=data.startswith(b"{"), fault=fault)


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (b"summary", False),
        (b"summary|", False),  # a parameter may follow
        (b"summary\n", True),
        (b"summary\0", True),
        (b"{", False),
        (b'{"command":"summary"', False),
        (b'{"command":"summary"}', True),
        (b'{"command":"sum\n', True),
        (b"x" * MOST_BYTES, True),
        (b"", False),
    ],
)
def test_the_end_is_certain_for_lines_and_for_complete_documents(data: bytes, whole: bool) -> None:
    assert is_whole(data) is whole


@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda tail: b"{" + tail))
def test_any_bytes_are_some_request(data: bytes) -> None:
    is_whole(data)
    request = parse(data)
    assert bool(request.commands) is (request.fault is None)


@given(
    st.text(
        st.characters(exclude_characters="+", exclude_categories=["Cs"]), min_size=1, max_size=50
    ),
    st.text(max_size=50),
)
def test_json_carries_any_text_as_it_is(command: str, parameter: str) -> None:
    data = json.dumps({"command": command, "parameter": parameter}).encode()
    assert is_whole(data)
    assert parse(data) == as_json(command, parameter=parameter)
