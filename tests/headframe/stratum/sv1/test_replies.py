import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.stratum.errors import LocalProtocolError
from headframe.stratum.sv1.codes import TRUE
from headframe.stratum.sv1.replies import Kind, Replies


@settings(deadline=None)
@given(order=st.permutations(range(8)))
def test_answers_leave_in_the_order_of_the_requests(order: list[int]) -> None:
    replies = Replies()
    tickets = [replies.take(Kind.SHARE, b'"%d"' % number) for number in range(8)]
    sent = b""
    for done, number in enumerate(order, start=1):
        replies.answer(Kind.SHARE, tickets[number], TRUE)
        sent += replies.data_to_send()
        known = set(order[:done])
        ready = next(n for n in range(9) if n not in known)
        assert sent.count(b"\n") == ready
        assert replies.waiting == 8 - ready
    assert [json.loads(line)["id"] for line in sent.splitlines()] == [str(n) for n in range(8)]


def test_requests_with_one_id_get_one_answer_each() -> None:
    replies = Replies()
    for _ in range(3):
        replies.answer(Kind.SHARE, replies.take(Kind.SHARE, b"4"), TRUE)
    assert replies.data_to_send() == b'{"id":4,"result":true,"error":null}\n' * 3


def test_a_request_without_an_id_keeps_its_place_and_gets_nothing() -> None:
    replies = Replies()
    silent = replies.take(Kind.SHARE, b"null")
    loud = replies.take(Kind.PLAIN, b"1")
    replies.answer(Kind.PLAIN, loud, TRUE)
    assert replies.data_to_send() == b""
    replies.answer(Kind.SHARE, silent, TRUE)
    assert replies.data_to_send() == b'{"id":1,"result":true,"error":null}\n'


def test_a_line_waits_for_the_answer_that_it_comes_after() -> None:
    replies = Replies()
    first = replies.take(Kind.AUTHORIZE, b"1")
    second = replies.take(Kind.SUBSCRIBE, b"2")
    replies.answer(Kind.SUBSCRIBE, second, TRUE)
    replies.push(b"job\n", after=second)
    assert replies.data_to_send() == b""
    replies.answer(Kind.AUTHORIZE, first, TRUE)
    replies.push(b"job 2\n", after=second)
    lines = replies.data_to_send().splitlines()
    assert [line[:8] for line in lines] == [b'{"id":1,', b'{"id":2,', b"job", b"job 2"]


@pytest.mark.parametrize("kind", [Kind.PLAIN, Kind.SUBSCRIBE, Kind.AUTHORIZE])
def test_the_wrong_answer_is_our_mistake(kind: Kind) -> None:
    replies = Replies()
    ticket = replies.take(Kind.SHARE, b"1")
    with pytest.raises(LocalProtocolError, match="waits for ticket 0"):
        replies.answer(kind, ticket, TRUE)
    replies.answer(Kind.SHARE, ticket, TRUE)
    with pytest.raises(LocalProtocolError, match="share"):
        replies.answer(Kind.SHARE, ticket, TRUE)
