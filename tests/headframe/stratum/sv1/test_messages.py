import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.stratum.errors import RemoteProtocolError
from headframe.stratum.sv1 import messages

texts = st.text(max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
ids = st.one_of(st.integers(-1, 2**80), texts)


@settings(max_examples=40, deadline=None)
@given(request_id=st.none() | st.integers(0, 2**40), method=texts, params=st.lists(values))
def test_what_is_encoded_is_read_by_the_other_side(
    request_id: int | None, method: str, params: list[object]
) -> None:
    line = messages.encode_request(request_id, method, params)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    expected = {"id": request_id, "method": method, "params": params}
    assert json.loads(line) == expected
    for message in (messages.parse_from_client(line), messages.parse_from_server(line)):
        assert message.method == method
        assert messages.decode_any(message.params) == params
        assert messages.is_silent(bytes(message.id)) == (request_id is None)


@settings(max_examples=40, deadline=None)
@given(request_id=ids, result=values)
def test_an_id_is_echoed_as_it_came(request_id: object, result: object) -> None:
    line = json.dumps({"method": "x", "id": request_id, "params": []}).encode()
    raw = bytes(messages.parse_from_client(line).id)
    answer = messages.encode_answer(raw, messages.encode_result(result))
    assert raw in answer
    assert json.loads(answer) == {"id": request_id, "result": result, "error": None}


def test_an_id_may_be_missing_or_null() -> None:
    for line in (b'{"method":"x"}', b'{"method":"x","id": null }'):
        assert messages.is_silent(bytes(messages.parse_from_client(line).id))
    assert not messages.is_silent(b'"null"')


@settings(deadline=None)
@given(params=st.lists(texts, min_size=5, max_size=7), request_id=ids)
def test_a_submit_is_decoded_at_once(params: list[str], request_id: object) -> None:
    message = {"params": params, "id": request_id, "method": "mining.submit"}
    submit = messages.decode_submit(json.dumps(message).encode())
    got = submit.params
    fields = [got.worker, got.job, got.extranonce, got.ntime, got.nonce]
    assert fields == params[:5]
    assert got.bits == (params[5] if len(params) > 5 else None)
    assert json.loads(bytes(submit.id)) == request_id


@pytest.mark.parametrize(
    "line",
    [
        b'{"method":"mining.subscribe","params":["a","b","c","d","e"]}',
        b'{"method":"mining.submit","params":["a","b","c","d"]}',
        b'{"method":"mining.submit","params":["a","b","c","d",5]}',
        b'{"method":"mining.submit","params":null}',
        b'{"method":"mining.submit"}',
        b'{"method":"mining.submit","params":["\xff","b","c","d","e"]}',
        b'{"params":' + b"[" * 100_000,
        b"[]",
        b"",
    ],
)
def test_everything_else_is_not_a_well_formed_submit(line: bytes) -> None:
    with pytest.raises(messages.UNREADABLE):
        messages.decode_submit(line)


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("mining.subscribe", messages.Subscribe),
        ("mining.authorize", messages.Authorize),
        ("mining.configure", messages.Configure),
        ("mining.extranonce.subscribe", messages.ExtranonceSubscribe),
    ],
)
@settings(max_examples=20, deadline=None)
@given(params=values, request_id=ids)
def test_what_every_rig_asks_is_decoded_at_once(
    method: str, kind: type, params: object, request_id: object
) -> None:
    for keys in (("id", "method", "params"), ("params", "id", "method")):
        message = {"id": request_id, "method": method, "params": params}
        line = json.dumps({key: message[key] for key in keys}).encode()
        request: Any = messages.decode_request(line)
        assert request.params == params
        assert json.loads(bytes(request.id)) == request_id
        assert type(request) is kind
    bare: Any = messages.decode_request(json.dumps({"method": method}).encode())
    assert bare.params is None
    assert messages.is_silent(bytes(bare.id))


@pytest.mark.parametrize(
    "line",
    [
        b'{"method":"mining.submit","params":["a","b","c","d","e"]}',
        b'{"method":"mining.subscribe","params":[1e999]}',
        b'{"method":5}',
        b'{"id":1,"result":true}',
        b"[]",
        b"",
    ],
)
def test_everything_else_is_no_such_request(line: bytes) -> None:
    with pytest.raises(messages.UNREADABLE):
        messages.decode_request(line)


@pytest.mark.parametrize(
    "line",
    [b"", b"x", b"[]", b"5", b'{"method":5}', b'{"method":', b'{"id":' + b"[" * 100_000, b"{} {}"],
)
def test_what_is_no_message_is_the_peers_fault(line: bytes) -> None:
    for parse in (messages.parse_from_client, messages.parse_from_server):
        with pytest.raises(RemoteProtocolError):
            parse(line)


@pytest.mark.parametrize("raw", [b"1e999", b"[" * 100_000, b'"\xff"', b'"\\ud800"', b"9" * 5000])
def test_values_out_of_form_are_the_peers_fault(raw: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        messages.decode_any(msgspec.Raw(raw))
    with pytest.raises(RemoteProtocolError):
        messages.decode_notify(msgspec.Raw(raw))
    with pytest.raises(RemoteProtocolError):
        messages.decode_loose_submit(msgspec.Raw(raw))


def test_an_absent_member_is_none() -> None:
    assert messages.decode_any(msgspec.Raw()) is None


def test_a_submit_with_numbers_is_decoded_too() -> None:
    odd = messages.decode_loose_submit(msgspec.Raw(b'["w", 7, "00", 1700000000, "1", 0]'))
    assert (odd.job, odd.ntime, odd.nonce, odd.bits) == (7, 1700000000, "1", 0)


def test_the_subscription_names_two_pairs() -> None:
    body = json.loads(b"{" + messages.encode_subscription(b"\xab\xcd", 4) + b"}")
    pairs, extranonce1, size = body["result"]
    assert [pair[0] for pair in pairs] == ["mining.set_difficulty", "mining.notify"]
    assert (extranonce1, size) == ("abcd", 4)
    named = json.loads(b"{" + messages.encode_subscription(b"\xab\xcd", 4, "name") + b"}")
    assert named["result"] == [
        [["mining.set_difficulty", "name"], ["mining.notify", "name"]],
        "abcd",
        4,
    ]
    empty = json.loads(b"{" + messages.encode_subscription(b"", 8) + b"}")
    assert empty["result"][1:] == ["", 8]
