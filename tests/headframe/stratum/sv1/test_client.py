import json
import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.job import BIP320_MASK
from headframe.chain.share import Reason, Share, proof_of
from headframe.chain.target import DIFFICULTY_1, target_from_difficulty
from headframe.stratum.errors import LocalProtocolError
from headframe.stratum.events import (
    ClientEvent,
    NewJob,
    Notice,
    PeerFault,
    Ready,
    Redirected,
    ShareAnswered,
)
from headframe.stratum.sv1 import client as module
from headframe.stratum.sv1.client import ClientConnection, ClientOptions, ClientState
from tests.contracts.client_core import ClientCoreContract, answer_to
from tests.fakes.stratum_v1 import (
    TRANSCRIPT_NAMES,
    USER,
    Pair,
    cut,
    cuts,
    new_lineage,
    started,
    transcript,
)
from tests.fakes.vectors import load

LINES = {v["id"]: v for v in load("wire_messages")["vectors"] if v["from"] == "server"}
NOTIFY = [
    "job1",
    "4d16b6f85af6e2198f44ae2a6de67f78487ae5611b77c6c0440b921e00000000",
    "0100",
    "ff00",
    [],
    "20000000",
    "207fffff",
    "6553f100",
    False,
]


class TestContract(ClientCoreContract):
    @pytest.fixture
    def make_pair(self) -> Callable[[], Pair]:
        return started


def fresh(**options: Any) -> ClientConnection:
    return ClientConnection(ClientOptions(user=USER, **options), lineage=new_lineage())


def sent(core: ClientConnection) -> list[dict[str, Any]]:
    return [json.loads(line) for line in core.data_to_send().splitlines()]


def line(**members: object) -> bytes:
    return json.dumps(members).encode() + b"\n"


def call(method: str, *params: object, request_id: object = None) -> bytes:
    return line(id=request_id, method=method, params=params)


SUBSCRIBED = line(id=2, result=[[["mining.notify", "s1"]], "aabb", 4], error=None)
AUTHORIZED = line(id=3, result=True, error=None)


def mining(**options: Any) -> ClientConnection:
    """Make a client that has shaken hands with a pool without extensions."""
    core = fresh(**options)
    core.receive_data(line(id=1, result={"version-rolling": False}) + SUBSCRIBED + AUTHORIZED)
    core.data_to_send()
    return core


def only_job(events: Any) -> Any:
    (event,) = [event for event in events if isinstance(event, NewJob)]
    return event.job


# the handshake


def test_the_greeting_is_one_write_with_new_ids() -> None:
    core = fresh(session="old", password="d=1")
    assert sent(core) == [
        {
            "id": 1,
            "method": "mining.configure",
            "params": [
                ["version-rolling"],
                {"version-rolling.mask": "1fffe000", "version-rolling.min-bit-count": 2},
            ],
        },
        {"id": 2, "method": "mining.subscribe", "params": [ClientOptions(user="").agent, "old"]},
        {"id": 3, "method": "mining.authorize", "params": [USER, "d=1"]},
    ]
    assert sent(core) == []


def test_without_a_mask_nothing_is_negotiated() -> None:
    core = fresh(version_mask=0)
    assert [request["method"] for request in sent(core)] == ["mining.subscribe", "mining.authorize"]
    core.receive_data(call("mining.set_version_mask", "1fffe000"))
    core.receive_data(line(id=1, result=[[], "aabb", 4]) + line(id=2, result=True))
    core.data_to_send()
    job = only_job(core.receive_data(call("mining.notify", *NOTIFY)))
    assert job.version_mask == 0
    core.submit(answer_to(job), None)
    assert len(sent(core)[0]["params"]) == 5


def test_ready_says_what_the_pool_granted() -> None:
    core = fresh()
    configured = line(id=1, result={"version-rolling": True, "version-rolling.mask": "18000000"})
    events = core.receive_data(configured + SUBSCRIBED + AUTHORIZED)
    assert list(events) == [Ready(session="s1", extranonce_size=4, version_mask=0x18000000)]
    assert core.state is ClientState.MINING
    assert core.extranonce1 == b"\xaa\xbb"


@pytest.mark.parametrize("order", [SUBSCRIBED + AUTHORIZED, AUTHORIZED + SUBSCRIBED])
def test_an_extension_that_is_never_answered_hangs_nothing(order: bytes) -> None:
    core = fresh()
    assert list(core.receive_data(order)) == [
        Ready(session="s1", extranonce_size=4, version_mask=0)
    ]


def test_a_late_configure_answer_counts_at_once() -> None:
    core = fresh()
    core.receive_data(SUBSCRIBED + AUTHORIZED)
    first = only_job(core.receive_data(call("mining.notify", *NOTIFY)))
    answer = line(id=1, result={"version-rolling": True, "version-rolling.mask": "1fffe000"})
    second = only_job(core.receive_data(answer))
    assert (first.version_mask, second.version_mask) == (0, BIP320_MASK)
    assert second.epoch == first.epoch


def test_wishes_are_sent_once_authorised() -> None:
    core = fresh(suggest_difficulty=0.25)
    core.data_to_send()
    core.receive_data(SUBSCRIBED)
    assert sent(core) == []
    core.receive_data(AUTHORIZED)
    assert [(r["id"], r["method"], r["params"]) for r in sent(core)] == [
        (4, "mining.extranonce.subscribe", []),
        (5, "mining.suggest_difficulty", [0.25]),
    ]
    refusals = line(id=4, error="-3:method not found") + line(id=5, result=False)
    assert list(core.receive_data(refusals)) == []
    assert core.state is ClientState.MINING


def test_a_target_may_be_wished_for() -> None:
    core = fresh(extranonce_subscribe=False, suggest_target=DIFFICULTY_1)
    core.data_to_send()
    core.receive_data(SUBSCRIBED + AUTHORIZED)
    (wish,) = sent(core)
    assert (wish["method"], wish["params"]) == (
        "mining.suggest_target",
        ["00000000ffff" + "0" * 52],
    )


def test_wishes_may_be_left_out() -> None:
    core = fresh(extranonce_subscribe=False)
    core.data_to_send()
    core.receive_data(SUBSCRIBED + AUTHORIZED)
    assert sent(core) == []


def test_an_authorize_answer_of_null_is_yes() -> None:
    core = fresh()
    assert core.receive_data(SUBSCRIBED + line(id=3, result=None, error=None)) != []
    assert core.state is ClientState.MINING


@pytest.mark.parametrize(
    ("refusal", "what"),
    [
        (
            line(id=2, result=None, error=[20, "go away", None]),
            "refused mining.subscribe: go away",
        ),
        (
            line(id=3, result=False, error=None),
            "refused mining.authorize for 'account.rig': no reason given",
        ),
        (
            line(id=3, result=None, error=[24, "Unauthorized worker", None]),
            "refused mining.authorize for 'account.rig': Unauthorized worker",
        ),
    ],
)
def test_a_refusal_is_fatal_and_says_which_and_why(refusal: bytes, what: str) -> None:
    core = fresh()
    assert list(core.receive_data(refusal)) == [PeerFault(what=what, fatal=True)]
    assert core.state is ClientState.CLOSED
    assert list(core.receive_data(SUBSCRIBED)) == []


def test_a_subscription_that_makes_no_sense_is_fatal() -> None:
    core = fresh()
    (fault,) = core.receive_data(line(id=2, result=[[], "xyz", 4]))
    assert isinstance(fault, PeerFault)
    assert fault.fatal
    assert core.extranonce1 is None


def test_a_configure_refused_is_told_and_mining_goes_on() -> None:
    core = fresh()
    events = core.receive_data(line(id=1, error="-3:method not found") + SUBSCRIBED + AUTHORIZED)
    assert events[0] == Notice(kind="configure_refused", text="-3:method not found")
    assert isinstance(events[1], Ready)


def test_fewer_version_bits_than_wished_are_told() -> None:
    core = fresh(min_bits=4)
    events = core.receive_data(
        line(id=1, result={"version-rolling": True, "version-rolling.mask": "00006000"})
    )
    assert list(events) == [Notice(kind="few_version_bits", text="the pool allows 00006000 only")]


@pytest.mark.parametrize("name", ["conf-ok", "conf-bip310", "conf-refused", "conf-minbits-string"])
def test_configure_answers_of_the_field(name: str) -> None:
    core = fresh(version_mask=0xFFFFFFFF)
    expect = LINES[name]["expect"]
    answer = json.loads(LINES[name]["line"]) | {"id": 1}
    core.receive_data(line(**answer))
    (ready,) = core.receive_data(SUBSCRIBED + AUTHORIZED)
    assert isinstance(ready, Ready)
    assert ready.version_mask == int(expect.get("mask", "0"), 16)


# calls of the pool


def test_jobs_before_the_subscription_are_kept() -> None:
    core = fresh()
    early = call("mining.set_difficulty", 4) + call("mining.notify", *NOTIFY)
    assert list(core.receive_data(early + call("mining.set_difficulty", 8))) == []
    job = only_job(core.receive_data(SUBSCRIBED))
    assert job.target == DIFFICULTY_1 // 4
    assert job.commitment.prefix == bytes.fromhex("0100aabb")
    with pytest.raises(LocalProtocolError, match="HANDSHAKE"):
        core.submit(answer_to(job), None)


@pytest.mark.parametrize(
    "name", ["diff-frac", "diff-float", "diff-sub1", "diff-params-first", "diff-as-call"]
)
def test_difficulties_of_the_field_bind_to_the_next_job(name: str) -> None:
    core = mining()
    assert list(core.receive_data(LINES[name]["line"].encode() + b"\n")) == []
    job = only_job(core.receive_data(call("mining.notify", *NOTIFY)))
    assert job.target == target_from_difficulty(LINES[name]["expect"]["difficulty"])


@pytest.mark.parametrize("value", [1e-9, 0.5, 3, "3", "0.00015", "1e10", 2**40, 2**70, 1e30])
def test_a_difficulty_may_be_a_number_of_any_size_or_a_text(value: str | float) -> None:
    core = mining()
    assert list(core.receive_data(call("mining.set_difficulty", value))) == []
    job = only_job(core.receive_data(call("mining.notify", *NOTIFY)))
    exact = Fraction(DIFFICULTY_1) / Fraction(float(value) if isinstance(value, str) else value)
    assert job.target == min(math.floor(exact), 2**256 - 1)


@pytest.mark.parametrize(
    "value", ["", "0", "-1", "nan", "inf", "0x10", "1 ", True, None, 0, -1, [], {}]
)
def test_a_bad_difficulty_changes_nothing(value: object) -> None:
    core = mining()
    core.receive_data(call("mining.set_difficulty", 2))
    (fault,) = core.receive_data(call("mining.set_difficulty", value))
    assert isinstance(fault, PeerFault)
    assert not fault.fatal
    job = only_job(core.receive_data(call("mining.notify", *NOTIFY)))
    assert job.target == DIFFICULTY_1 // 2


@pytest.mark.parametrize("name", ["mask", "mask-with-id"])
def test_masks_of_the_field_count_at_once(name: str) -> None:
    core = mining()
    first = only_job(core.receive_data(call("mining.notify", *NOTIFY)))
    second = only_job(core.receive_data(LINES[name]["line"].encode() + b"\n"))
    assert second.id != first.id
    assert second.version_mask == int(LINES[name]["expect"]["mask"], 16) & BIP320_MASK
    core.data_to_send()
    core.submit(answer_to(second), None)
    assert sent(core)[0]["params"][5] == "00000000"


def test_a_mask_may_come_bare() -> None:
    core = mining()
    core.receive_data(call("mining.notify", *NOTIFY))
    bare = b'{"method":"mining.set_version_mask","params":"00006000"}\n'
    assert only_job(core.receive_data(bare)).version_mask == 0x6000


def test_a_share_with_bits_that_are_gone_is_not_sent() -> None:
    core = mining()
    core.receive_data(call("mining.set_version_mask", "1fffe000"))
    job = only_job(core.receive_data(call("mining.notify", *NOTIFY)))
    share = answer_to(job, version=job.version | 0x2000)
    core.submit(share, None)
    core.receive_data(call("mining.set_version_mask", "10000000"))
    with pytest.raises(LocalProtocolError, match="cannot be said"):
        core.submit(share, None)


def test_a_new_extranonce_counts_from_the_next_job() -> None:
    core = mining()
    first = only_job(core.receive_data(call("mining.notify", *NOTIFY)))
    core.receive_data(LINES["xn"]["line"].encode() + b"\n")
    assert core.extranonce1 == b"\xaa\xbb"
    second = only_job(core.receive_data(call("mining.notify", "job2", *NOTIFY[1:])))
    assert core.extranonce1 == bytes.fromhex("deadbeef")
    assert second.extranonce_size == 8
    assert second.epoch > first.epoch


@pytest.mark.parametrize(
    ("name", "answer"),
    [("version", ClientOptions(user="").agent), ("ping-id", "pong"), ("mask-with-id", True)],
)
def test_a_call_with_an_id_is_answered(name: str, answer: object) -> None:
    core = mining()
    core.receive_data(LINES[name]["line"].encode() + b"\n")
    request_id = json.loads(LINES[name]["line"])["id"]
    assert sent(core) == [{"id": request_id, "result": answer, "error": None}]


@pytest.mark.parametrize("name", ["ping", "mask", "msg", "unknown", "mask-wrong-name"])
def test_a_call_without_an_id_is_not(name: str) -> None:
    core = mining()
    core.receive_data(LINES[name]["line"].encode() + b"\n")
    assert sent(core) == []


@pytest.mark.parametrize("request_id", ["x", 7, 2**70, {"a": 1}])
def test_an_unknown_call_is_told_and_refused(request_id: object) -> None:
    core = mining()
    events = core.receive_data(call("mining.hashrate", request_id=request_id))
    assert list(events) == [Notice(kind="unknown_method", text="mining.hashrate")]
    assert sent(core) == [
        {"id": request_id, "result": None, "error": [-3, "Method not found", None]}
    ]


@pytest.mark.parametrize("name", ["unknown", "mask-wrong-name"])
def test_unknown_calls_of_the_field_are_told(name: str) -> None:
    (notice,) = mining().receive_data(LINES[name]["line"].encode() + b"\n")
    assert isinstance(notice, Notice)
    assert notice.kind == "unknown_method"


def test_calls_for_several_algorithms_are_ignored() -> None:
    assert list(mining().receive_data(call("mining.set_goal", "x"))) == []


def test_a_message_is_told_without_control_characters() -> None:
    core = mining()
    events = core.receive_data(call("client.show_message", "Hello\x1b[2J\nworld", request_id=5))
    assert list(events) == [Notice(kind="pool_message", text="Hello [2J world")]
    assert sent(core) == [{"id": 5, "result": True, "error": None}]


@pytest.mark.parametrize("name", ["reconnect-empty", "reconnect-full", "reconnect-strport"])
def test_a_reconnect_is_told(name: str) -> None:
    (event,) = mining().receive_data(LINES[name]["line"].encode() + b"\n")
    expect = LINES[name]["expect"]
    assert event == Redirected(
        host=expect["host"] or "", port=expect["port"] or 0, wait_seconds=expect["wait"] or 0
    )


def test_a_padded_and_an_unpadded_version_are_the_same() -> None:
    job = only_job(mining().receive_data(LINES["notify-unpadded-ok"]["line"].encode() + b"\n"))
    assert job.version == int(LINES["notify-unpadded-ok"]["expect"]["version"], 16)


REJECTED = [v for v in LINES.values() if v["expect"].get("reject")]


@pytest.mark.parametrize("vector", REJECTED, ids=lambda vector: vector["id"])
def test_malformed_lines_of_the_field_change_nothing(vector: dict[str, Any]) -> None:
    core = mining()
    before = only_job(core.receive_data(call("mining.notify", *NOTIFY)))
    core.submit(answer_to(before), None)
    events = core.receive_data(vector["line"].encode() + b"\n")
    assert not [e for e in events if isinstance(e, NewJob | Ready)]
    assert not [e for e in events if isinstance(e, PeerFault) and e.fatal]
    assert (core.state, core.extranonce1) == (ClientState.MINING, b"\xaa\xbb")
    after = only_job(core.receive_data(call("mining.notify", "job2", *NOTIFY[1:])))
    assert (after.target, after.extranonce_size) == (before.target, before.extranonce_size)


def test_every_line_of_the_field_is_covered_here_or_with_the_answers() -> None:
    """A vector that is added must be looked at: these are the kinds that are."""
    kinds = ("sub-", "conf-", "mask", "diff-", "xn", "res-", "err-", "auth-", "no-method", "gettx")
    others = ("reconnect-", "msg", "version", "ping", "unknown", "notify-", "not-json")
    assert [name for name in LINES if not name.startswith(kinds + others)] == []


def test_a_malformed_call_with_an_id_is_refused() -> None:
    core = mining()
    (fault,) = core.receive_data(LINES["xn-empty"]["line"].encode() + b"\n")
    assert isinstance(fault, PeerFault)
    assert fault.what.startswith("mining.set_extranonce: ")
    assert sent(core)[0]["error"] == [20, "Malformed request", None]


# shares


def test_a_share_is_sent_as_the_pool_wants_it() -> None:
    core = mining()
    job = only_job(core.receive_data(call("mining.notify", *NOTIFY)))
    share = Share(
        job_id=job.id,
        extranonce=b"\x00\x00\x00\x01",
        ntime=job.ntime + 1,
        nonce=0xAB,
        version=job.version,
    )
    core.submit(share, None)
    first = sent(core)[0]
    assert first["method"] == "mining.submit"
    assert first["params"] == [USER, "job1", "00000001", "6553f101", "000000ab"]
    core.submit(share, "other.worker")
    core.submit(share, "other.worker")
    (named,) = sent(core)  # the shares wait for the answer
    assert (named["method"], named["params"]) == ("mining.authorize", ["other.worker", "x"])
    core.receive_data(line(id=first["id"], result=True))
    assert sent(core) == []
    core.receive_data(line(id=named["id"], result=True))
    second, third = sent(core)
    assert second["params"] == third["params"] == ["other.worker", *first["params"][1:]]
    assert len({first["id"], named["id"], second["id"], third["id"]}) == 4
    assert core.pending == 2


def test_a_name_that_the_pool_refuses_is_told_of_and_its_shares_go_on() -> None:
    core = mining()
    job = only_job(core.receive_data(call("mining.notify", *NOTIFY)))
    core.submit(answer_to(job), "rig\x1b7")
    (named,) = sent(core)
    events = core.receive_data(line(id=named["id"], result=None, error=[24, "who?", None]))
    assert list(events) == [Notice(kind="worker_refused", text="rig 7: who?")]
    assert core.state is ClientState.MINING
    core.submit(answer_to(job, nonce=1), "rig\x1b7")
    assert [each["method"] for each in sent(core)] == ["mining.submit"] * 2


@pytest.mark.parametrize("later", ["a job", "another answer"])
def test_shares_of_a_name_do_not_wait_for_a_pool_that_never_answers(later: str) -> None:
    core = mining()
    job = only_job(core.receive_data(call("mining.notify", *NOTIFY)))
    core.submit(answer_to(job), "rig7")
    (named,) = sent(core)
    core.submit(answer_to(job), None)
    (own,) = sent(core)
    assert own["id"] > named["id"]
    if later == "a job":
        core.receive_data(call("mining.notify", "job2", *NOTIFY[1:]))
    else:
        core.receive_data(line(id=own["id"], result=True))
    (late,) = sent(core)
    assert late["params"][0] == "rig7"


def test_a_job_that_is_only_repeated_is_heard_of() -> None:
    core = mining()
    only_job(core.receive_data(call("mining.notify", *NOTIFY)))
    assert list(core.receive_data(call("mining.notify", *NOTIFY))) == []
    core.receive_data(call("mining.notify"))  # broken
    assert core.jobs_heard == 2


@pytest.mark.parametrize("wire_id", ["ahoj", 'quo"te', "\u20ac", 17, ""])
def test_a_job_id_is_echoed_as_it_came(wire_id: object) -> None:
    core = mining()
    job = only_job(core.receive_data(call("mining.notify", wire_id, *NOTIFY[1:])))
    core.submit(answer_to(job), None)
    assert sent(core)[0]["params"][1] == wire_id


def test_an_answer_that_cannot_be_read_is_an_answer() -> None:
    """Else the share would stay pending as long as the connection lasts."""
    core = mining()
    job = only_job(core.receive_data(call("mining.notify", *NOTIFY)))
    ticket = core.submit(answer_to(job), None)
    (request,) = sent(core)
    (event,) = core.receive_data(b'{"id":%d,"result":1e999}\n' % request["id"])
    assert isinstance(event, ShareAnswered)
    assert (event.ticket, event.verdict.reason) == (ticket, Reason.OTHER)
    assert core.pending == 0


def test_answers_find_their_share_in_any_order() -> None:
    core = mining()
    job = only_job(core.receive_data(call("mining.notify", *NOTIFY)))
    first, second = (core.submit(answer_to(job, nonce), None) for nonce in range(2))
    ids = [request["id"] for request in sent(core)]
    events = core.receive_data(
        line(id=ids[1], error=[22, "Duplicate share", None]) + line(id=ids[0], result=True)
    )
    assert [(e.ticket, e.verdict.reason) for e in events if isinstance(e, ShareAnswered)] == [
        (second, Reason.DUPLICATE),
        (first, Reason.ACCEPTED),
    ]
    assert core.pending == 0


@pytest.mark.parametrize(
    "stray", [line(id=999, result=True), line(id=None, result=[], error=True), b"{}\n", SUBSCRIBED]
)
def test_an_answer_to_nothing_is_ignored(stray: bytes) -> None:
    core = mining()
    assert list(core.receive_data(stray)) == []
    assert core.state is ClientState.MINING


def test_the_second_answer_to_a_share_is_ignored() -> None:
    core = mining()
    job = only_job(core.receive_data(call("mining.notify", *NOTIFY)))
    core.submit(answer_to(job), None)
    answer = line(id=sent(core)[0]["id"], result=True)
    assert len(core.receive_data(answer)) == 1
    assert list(core.receive_data(answer)) == []


def test_a_pool_that_owes_too_many_answers_gets_no_more() -> None:
    core = mining()
    job = only_job(core.receive_data(call("mining.notify", *NOTIFY)))
    for nonce in range(module.MAX_PENDING):
        core.submit(answer_to(job, nonce), None)
    core.data_to_send()
    with pytest.raises(LocalProtocolError, match="owes answers to 4096 shares"):
        core.submit(answer_to(job), None)


# what is no Stratum


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x15\x03\x03\x00\x02\x02\x46", "answers in TLS: use stratum+ssl://"),
        (b"\x15" + bytes(1 << 20), "answers in TLS: use stratum+ssl://"),
        (b"\x00\x01", "does not speak Stratum: its first byte is 0x00"),
        (b"HTTP/1.1 400 Bad Request\r\n", "speaks HTTP, not Stratum"),
        (b"220 mail.example.net ESMTP\r\n", "'220 mail.example.net ESMTP'"),
    ],
)
def test_what_answers_instead_of_a_pool_is_named(data: bytes, what: str) -> None:
    core = fresh()
    (fault,) = core.receive_data(data + b"more\n")
    assert isinstance(fault, PeerFault)
    assert fault.fatal
    assert what in fault.what


def test_a_greeting_without_an_end_is_told_when_the_connection_ends() -> None:
    core = fresh()
    assert list(core.receive_data(b"login: ")) == []
    (fault,) = core.receive_eof()
    assert isinstance(fault, PeerFault)
    assert fault.fatal
    assert "'login:'" in fault.what


@pytest.mark.parametrize("rest", [b"", b" \r"])
def test_an_end_without_a_word_is_just_an_end(rest: bytes) -> None:
    core = fresh()
    core.receive_data(rest)
    assert list(core.receive_eof()) == []
    assert core.state is ClientState.CLOSED


def test_a_last_word_that_is_no_json_is_told() -> None:
    (fault,) = mining().receive_data(b"Invalid JSON, disconnecting\n")
    assert isinstance(fault, PeerFault)
    assert not fault.fatal
    assert "Invalid JSON, disconnecting" in fault.what


def test_a_flood_of_nonsense_ends_the_connection() -> None:
    core = mining()
    events = core.receive_data(b"nonsense\n" * 1000)
    assert len(events) == module.MAX_FAULTS
    assert [e.fatal for e in events if isinstance(e, PeerFault)].count(True) == 1
    assert core.state is ClientState.CLOSED


def test_a_line_of_more_than_a_mebibyte_ends_the_connection() -> None:
    core = mining()
    assert list(core.receive_data(b" " * (1 << 20))) == []
    (fault,) = core.receive_data(b" ")
    assert isinstance(fault, PeerFault)
    assert fault.fatal


# laws


def conversation() -> bytes:
    return b"".join(
        [
            call("mining.set_difficulty", 0.5),
            call("mining.notify", *NOTIFY),
            line(id=1, result={"version-rolling": True, "version-rolling.mask": "1fffe000"}),
            SUBSCRIBED,
            AUTHORIZED,
            call("mining.set_version_mask", "00006000"),
            b"  \r\n",
            b"nonsense\n",
            call("mining.set_extranonce", "ccdd", 8),
            call("mining.notify", "job2", *NOTIFY[1:8], True),
            call("client.show_message", "hello", request_id="m"),
            call("client.reconnect", "h", 1, 2),
        ]
    )


def events_of(pieces: Any) -> tuple[list[ClientEvent], bytes]:
    core = fresh()
    events = [event for piece in pieces for event in core.receive_data(piece)]
    return events, core.data_to_send()


@settings(deadline=None)
@given(sizes=cuts)
def test_events_are_the_same_in_any_cutting(sizes: list[int]) -> None:
    data = conversation()
    whole = events_of([data])
    assert len(whole[0]) == 7
    assert events_of(cut(data, sizes)) == whole


params_strategy = st.lists(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    max_size=9,
)
methods = st.sampled_from(
    [
        "mining.set_difficulty",
        "mining.notify",
        "mining.set_extranonce",
        "mining.set_version_mask",
        "client.reconnect",
        "client.show_message",
        "client.get_version",
        "mining.ping",
        "x",
    ]
)


@settings(max_examples=80, deadline=None)
@given(method=methods, params=params_strategy, request_id=st.integers(0, 5))
def test_no_call_makes_it_raise(method: str, params: list[object], request_id: int) -> None:
    for core in (fresh(), mining()):
        core.receive_data(call(method, *params, request_id=request_id))
        core.data_to_send()


@settings(max_examples=80, deadline=None)
@given(request_id=st.integers(0, 6), result=params_strategy, error=params_strategy)
def test_no_answer_makes_it_raise(
    request_id: int, result: list[object], error: list[object]
) -> None:
    for core in (fresh(), mining()):
        for value in (result, *result[:1]):
            core.receive_data(line(id=request_id, result=value, error=None))
            core.receive_data(line(id=request_id, result=None, error=error))


@settings(deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=5))
def test_no_broken_conversation_makes_it_raise(edits: list[tuple[int, int]]) -> None:
    data = bytearray(conversation())
    for at, value in edits:
        data[at % len(data)] = value
    events_of([bytes(data)])


# recorded sessions


def replayed(name: str, connection: int) -> tuple[ClientConnection, list[ClientEvent]]:
    """Play a recorded pool to our client, which submits what the recorded miner did."""
    core = fresh()
    core.data_to_send()
    events: list[ClientEvent] = []
    ids: dict[object, object] = {}
    for recorded in transcript(name)[connection]:
        message = json.loads(recorded.data)
        if recorded.from_client:
            if message["method"] == "mining.submit":
                core.submit(share_from(message["params"], events), message["params"][0])
                first = sent(core)[0]
                if first["method"] == "mining.authorize":  # the name is introduced
                    core.receive_data(line(id=first["id"], result=True))
                    first = sent(core)[0]
                ours = first
                assert ours["params"] == message["params"]
                ids[message["id"]] = ours["id"]
            elif message["method"] in {"mining.subscribe", "mining.authorize"}:
                ids[message["id"]] = {"mining.subscribe": 2, "mining.authorize": 3}[
                    message["method"]
                ]
            continue
        data = recorded.data
        if "method" not in message and message["id"] in ids:
            data = line(**(message | {"id": ids[message["id"]]}))
        events.extend(core.receive_data(data))
        core.data_to_send()
    return core, events


def share_from(params: list[str], events: list[ClientEvent]) -> Share:
    """Make the share that a recorded submit stands for, and hold it to its job."""
    ntime, nonce = int(params[3], 16), int(params[4], 16)
    jobs = [event.job for event in events if isinstance(event, NewJob)]
    extranonce = bytes.fromhex(params[2])
    for job in reversed(jobs):
        share = Share(
            job_id=job.id, extranonce=extranonce, ntime=ntime, nonce=nonce, version=job.version
        )
        if proof_of(job, share) <= job.target:
            return share
    raise AssertionError(f"no job makes {params} a share")


@pytest.mark.parametrize("name", TRANSCRIPT_NAMES)
def test_recorded_pools_are_understood(name: str) -> None:
    connection = max(transcript(name))
    core, events = replayed(name, connection)
    assert isinstance(next(e for e in events if isinstance(e, Ready)), Ready)
    assert [e for e in events if isinstance(e, PeerFault)] == []
    recorded = [json.loads(r.data) for r in transcript(name)[connection]]
    submits = [m for m in recorded if m.get("method") == "mining.submit"]
    notifies = [m for m in recorded if m.get("method") == "mining.notify"]
    answers = [e.verdict for e in events if isinstance(e, ShareAnswered)]
    assert len([e for e in events if isinstance(e, NewJob)]) == len(notifies)
    assert len(answers) + core.pending == len(submits)
    assert {verdict.reason for verdict in answers} <= {Reason.ACCEPTED}


@pytest.mark.parametrize("name", TRANSCRIPT_NAMES)
@given(sizes=cuts)
@settings(max_examples=10, deadline=None)
def test_recorded_pools_are_the_same_in_any_cutting(name: str, sizes: list[int]) -> None:
    lines = transcript(name)
    data = b"".join(r.data for r in lines[max(lines)] if not r.from_client)
    assert events_of(cut(data, sizes)) == events_of([data])


def test_options_are_complete_with_a_user_alone() -> None:
    options = ClientOptions(user="u")
    assert options.agent.startswith("headframe/")
    assert replace(options, user="v").version_mask == BIP320_MASK
