import json
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.job import BIP320_MASK, Job, JobId, SplitCoinbase
from headframe.chain.share import Reason, Verdict, fault_of, proof_of
from headframe.chain.target import DIFFICULTY_1, MAX_TARGET, Target, target_from_difficulty
from headframe.stratum.errors import LocalProtocolError
from headframe.stratum.events import (
    AuthorizeAsked,
    Joined,
    NewJob,
    Notice,
    PeerFault,
    ServerEvent,
    ShareSubmitted,
    TargetWished,
)
from headframe.stratum.numbers import Numbers
from headframe.stratum.sv1 import server as module
from headframe.stratum.sv1.client import ClientConnection, ClientOptions
from headframe.stratum.sv1.codes import reason_of
from headframe.stratum.sv1.lines import SERVER_LINE_LIMIT
from headframe.stratum.sv1.server import ServerConnection, ServerState
from headframe.stratum.sv1.workers import MAX_USER, MAX_WORKERS
from tests.contracts.client_core import answer_to
from tests.contracts.server_core import ServerCoreContract
from tests.fakes.stratum_v1 import (
    NTIME,
    TRANSCRIPT_NAMES,
    USER,
    Pair,
    cut,
    cuts,
    job_of,
    new_lineage,
    seat_of,
    started,
    transcript,
)
from tests.fakes.vectors import load

LINES = {v["id"]: v for v in load("wire_messages")["vectors"] if v["from"] == "client"}
ACCEPTED = Verdict(reason=Reason.ACCEPTED)


class TestContract(ServerCoreContract):
    @pytest.fixture
    def make_pair(self) -> Callable[[], Pair]:
        return started


def request(request_id: object, method: str, *params: object) -> bytes:
    return json.dumps({"id": request_id, "method": method, "params": params}).encode() + b"\n"


SUBSCRIBE = request(1, "mining.subscribe", "agent/1.0")
AUTHORIZE = request(2, "mining.authorize", USER, "x")
CONFIGURE = request(3, "mining.configure", ["version-rolling"], {})
MASK = "version-rolling.mask"


def submit(request_id: object = 4, job: str = "11", *rest: str, worker: str = USER) -> bytes:
    fields = ("00000000", f"{NTIME:08x}", "00000001", *rest)
    return request(request_id, "mining.submit", worker, job, *fields)


def sent(core: ServerConnection) -> list[dict[str, Any]]:
    return [json.loads(line) for line in core.data_to_send().splitlines()]


def act(core: ServerConnection, events: Iterable[ServerEvent]) -> None:
    for event in events:
        if isinstance(event, Joined):
            core.seat(event.ticket, seat_of())
        elif isinstance(event, AuthorizeAsked):
            core.authorize(event.ticket, ok=True)


def seated(*before: bytes, mask: int = BIP320_MASK, job: Job | None = None) -> ServerConnection:
    """Make a server with one rig that has its seat and, unless told, the job 11 (hex)."""
    core = ServerConnection(mask=mask)
    act(core, core.receive_data(b"".join((*before, SUBSCRIBE, AUTHORIZE))))
    core.offer(0, job_of(0x11) if job is None else job, DIFFICULTY_1, clean=True)
    core.data_to_send()
    return core


def only_share(events: Iterable[ServerEvent]) -> ShareSubmitted:
    (event,) = events
    assert isinstance(event, ShareSubmitted)
    return event


def methods_and_ids(messages: list[dict[str, Any]]) -> list[object]:
    return [message.get("method", message["id"]) for message in messages]


# the handshake


def test_answers_and_first_job_come_in_the_order_that_miners_need() -> None:
    core = ServerConnection()
    act(core, core.receive_data(CONFIGURE + SUBSCRIBE + AUTHORIZE))
    core.offer(0, job_of(), DIFFICULTY_1, clean=True)
    lines = sent(core)
    assert methods_and_ids(lines) == [3, 1, 2, "mining.set_difficulty", "mining.notify"]
    assert lines[1]["result"][1:] == ["b1b2b3", 4]
    assert lines[2] == {"id": 2, "result": True, "error": None}
    assert lines[4]["params"][8] is True


def test_the_job_never_comes_before_the_subscribe_answer() -> None:
    """cpuminer reads one line after subscribe and takes it for the answer."""
    core = ServerConnection()
    events = core.receive_data(AUTHORIZE + SUBSCRIBE)
    asked, joined = events
    assert isinstance(asked, AuthorizeAsked)
    assert isinstance(joined, Joined)
    core.seat(joined.ticket, seat_of())
    core.offer(0, job_of(), DIFFICULTY_1, clean=True)
    assert sent(core) == []
    core.authorize(asked.ticket, ok=True)
    assert methods_and_ids(sent(core)) == [2, 1, "mining.set_difficulty", "mining.notify"]


def test_cgminer_gets_the_configure_answer_as_its_next_line() -> None:
    core = ServerConnection()
    assert list(core.receive_data(CONFIGURE)) == []
    (answer,) = sent(core)
    assert answer["result"] == {"version-rolling": True, "version-rolling.mask": "1fffe000"}


def test_a_repeated_subscribe_is_answered_the_same() -> None:
    core = ServerConnection()
    events = core.receive_data(SUBSCRIBE + SUBSCRIBE.replace(b"1,", b'"b",', 1))
    assert len(events) == 1
    act(core, events)
    first, second = sent(core)
    assert (first["id"], second["id"]) == (1, "b")
    assert first["result"] == second["result"]
    assert list(core.receive_data(SUBSCRIBE)) == []
    assert sent(core) == [first]


def test_configure_may_be_missing_late_or_repeated() -> None:
    core = seated()
    assert core.version_mask == 0
    core.receive_data(CONFIGURE)
    assert core.version_mask == BIP320_MASK
    narrow = request(
        5, "mining.configure", ["version-rolling"], {"version-rolling.mask": "00c00000"}
    )
    core.receive_data(narrow)
    assert core.version_mask == 0x00C00000
    assert [answer["result"]["version-rolling.mask"] for answer in sent(core)] == [
        "1fffe000",
        "00c00000",
    ]


def test_a_late_configure_grants_only_what_the_running_job_allows() -> None:
    core = seated(job=job_of(0x11, version_mask=0x00006000))
    core.receive_data(CONFIGURE)
    assert core.version_mask == 0x6000


def test_an_authorize_refused_is_an_error_of_three() -> None:
    core = ServerConnection()
    (asked,) = core.receive_data(AUTHORIZE)
    assert isinstance(asked, AuthorizeAsked)
    assert (asked.channel, asked.user, asked.password) == (0, USER, "x")
    core.authorize(asked.ticket, ok=False)
    assert sent(core) == [{"id": 2, "result": None, "error": [24, "Unauthorized worker", None]}]


def test_an_authorize_is_refused_with_a_reason_for_people() -> None:
    core = ServerConnection()
    (asked,) = core.receive_data(AUTHORIZE)
    assert isinstance(asked, AuthorizeAsked)
    core.authorize(asked.ticket, ok=False, why="no address")
    error = [24, "Unauthorized worker: no address", None]
    assert sent(core) == [{"id": 2, "result": None, "error": error}]
    assert reason_of(24, str(error[1])) is Reason.UNAUTHORIZED
    core.receive_data(submit())
    assert sent(core)[0]["error"][0] == 24


def test_several_workers_may_mine_on_one_connection() -> None:
    core = seated()
    act(core, core.receive_data(request(7, "mining.authorize", "second")))
    share = only_share(core.receive_data(submit(worker="second")))
    assert share.worker == "second"


def test_workers_on_one_connection_are_bounded() -> None:
    core = seated()
    for number in range(MAX_WORKERS - 1):
        act(core, core.receive_data(request(number, "mining.authorize", f"w{number}")))
    core.data_to_send()
    (fault,) = core.receive_data(request("last", "mining.authorize", "one too many"))
    assert isinstance(fault, PeerFault)
    assert not fault.fatal
    assert sent(core)[0]["error"] is not None


def test_a_name_without_end_is_refused() -> None:
    core = seated()
    core.data_to_send()
    (fault,) = core.receive_data(request(1, "mining.authorize", "w" * (MAX_USER + 1)))
    assert isinstance(fault, PeerFault)
    assert not fault.fatal
    assert sent(core)[0]["error"] is not None
    (asked,) = core.receive_data(request(2, "mining.authorize", "w" * MAX_USER))
    assert isinstance(asked, AuthorizeAsked)


# every line of the field


SUBSCRIBES = [v for v in LINES.values() if "user_agent" in v["expect"]]


@pytest.mark.parametrize("vector", SUBSCRIBES, ids=lambda vector: vector["id"])
def test_subscribes_of_the_field(vector: dict[str, Any]) -> None:
    (joined,) = ServerConnection().receive_data(vector["line"].encode() + b"\r\n")
    assert isinstance(joined, Joined)
    assert joined.agent == (vector["expect"]["user_agent"] or "")
    assert joined.session == (vector["expect"]["session"] or "")


CONFIGURES = [v for v in LINES.values() if "min_bit_count" in v["expect"]]


@pytest.mark.parametrize("vector", CONFIGURES, ids=lambda vector: vector["id"])
def test_configures_of_the_field(vector: dict[str, Any]) -> None:
    expect = vector["expect"]
    core = ServerConnection(mask=0xFFFFFFFF)
    events = core.receive_data(vector["line"].encode() + b"\n")
    assert core.version_mask == int(expect["mask"], 16)
    minimum = expect.get("minimum_difficulty")
    wished = (
        []
        if minimum is None
        else [TargetWished(channel=0, target=Target(DIFFICULTY_1 // minimum), least=True)]
    )
    assert list(events) == wished
    assert core.takes_extranonce_changes is expect.get("subscribe_extranonce", False)
    (answer,) = sent(core)
    asked = json.loads(vector["line"])
    assert answer["id"] == asked["id"]
    assert set(asked["params"][0]) <= set(answer["result"])


@pytest.mark.parametrize("name", ["c-auth", "c-auth-nopass", "c-auth-strid"])
def test_authorizes_of_the_field(name: str) -> None:
    core = ServerConnection()
    (asked,) = core.receive_data(LINES[name]["line"].encode() + b"\n")
    assert isinstance(asked, AuthorizeAsked)
    expect = LINES[name]["expect"]
    assert asked.user == expect["user"]
    assert asked.password == (expect.get("password", "x") or "")
    core.authorize(asked.ticket, ok=True)
    assert sent(core)[0]["id"] == json.loads(LINES[name]["line"])["id"]


@pytest.mark.parametrize("name", ["c-submit5", "c-submit6"])
def test_submits_of_the_field(name: str) -> None:
    message = json.loads(LINES[name]["line"])
    worker, job, extranonce, ntime, nonce, *bits = message["params"]
    core = ServerConnection()
    act(core, core.receive_data(CONFIGURE + SUBSCRIBE + request(2, "mining.authorize", worker)))
    core.offer(0, job_of(int(job, 16)), DIFFICULTY_1, clean=True)
    share = only_share(core.receive_data(LINES[name]["line"].encode() + b"\n"))
    assert (share.worker, share.job_id) == (worker, int(job, 16))
    assert (share.ntime, share.nonce) == (int(ntime, 16), int(nonce, 16))
    assert share.extranonce.hex() == extranonce
    assert share.version ^ 0x20000000 == int(bits[0] if bits else "0", 16)


@pytest.mark.parametrize("name", ["c-sugg", "c-sugg-str", "c-sugg-target"])
def test_wishes_of_the_field(name: str) -> None:
    core = ServerConnection()
    (wish,) = core.receive_data(LINES[name]["line"].encode() + b"\n")
    expect = LINES[name]["expect"]
    target = (
        int(expect["target"], 16) if "target" in expect else DIFFICULTY_1 / expect["difficulty"]
    )
    assert wish == TargetWished(channel=0, target=Target(int(target)))
    request_id = json.loads(LINES[name]["line"])["id"]
    answer = {"id": request_id, "result": True, "error": None}
    assert sent(core) == ([] if request_id is None else [answer])


@pytest.mark.parametrize(
    ("name", "result"),
    [("c-xnsub", True), ("c-gettx", []), ("c-pong-method", None), ("c-pong", None)],
)
def test_other_lines_of_the_field(name: str, result: object) -> None:
    core = ServerConnection()
    assert list(core.receive_data(LINES[name]["line"].encode() + b"\n")) == []
    request_id = json.loads(LINES[name]["line"])["id"]
    expected = {"id": request_id, "result": result, "error": None}
    assert sent(core) == ([] if result is None else [expected])
    assert core.state is ServerState.OPEN
    assert core.takes_extranonce_changes is (name == "c-xnsub")


def test_every_line_of_the_field_is_covered_above() -> None:
    kinds = ("c-sub-", "c-conf-", "c-auth", "c-submit", "c-sugg", "c-xnsub", "c-gettx", "c-pong")
    assert [name for name in LINES if not name.startswith(kinds)] == []


# requests


@pytest.mark.parametrize("request_id", [0, -1, 2**64, 10**40, "auth", "", 'a"b', [1], {"a": None}])
def test_an_id_is_echoed_with_its_json_type(request_id: object) -> None:
    core = ServerConnection()
    core.receive_data(request(request_id, "mining.ping"))
    assert sent(core) == [{"id": request_id, "result": "pong", "error": None}]


json_ids = st.recursive(
    st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=3,
)
asked = st.sampled_from(
    [
        ("mining.subscribe", ["agent"]),
        ("mining.authorize", [USER, "x"]),
        ("mining.authorize", []),
        ("mining.configure", [["version-rolling"], {}]),
        ("mining.suggest_difficulty", ["0.5"]),
        ("mining.suggest_target", ["00"]),
        ("mining.extranonce.subscribe", []),
        ("mining.get_transactions", ["1"]),
        ("mining.unheard", {}),
        ("mining.submit", [USER, "11", "00000000", f"{NTIME:08x}", "00000001"]),
        ("mining.submit", ["stranger", "11", "00000000", f"{NTIME:08x}", "1"]),
        ("mining.submit", [USER, "11", "short", 5]),
    ]
)


@settings(max_examples=100, deadline=None)
@given(
    requests=st.lists(st.tuples(json_ids | st.none(), asked), max_size=12),
    sizes=cuts,
    order=st.randoms(use_true_random=False),
)
def test_every_request_with_an_id_gets_one_answer_in_order(
    requests: list[tuple[object, tuple[str, Any]]], sizes: list[int], order: random.Random
) -> None:
    core = seated()
    stream = b"".join(
        json.dumps({"params": params, "id": one, "method": method}).encode() + b"\n"
        for one, (method, params) in requests
    )
    shares = []
    for piece in cut(stream, sizes):
        events = core.receive_data(piece)
        act(core, events)
        shares += [event for event in events if isinstance(event, ShareSubmitted)]
    order.shuffle(shares)
    for share in shares:
        core.reply(share.ticket, ACCEPTED)
    answered = [line["id"] for line in sent(core) if "method" not in line]
    expected = [one for one, _ in requests if one is not None]
    assert json.dumps(answered) == json.dumps(expected), "the very ids, with their types"


def test_a_request_without_an_id_gets_no_answer() -> None:
    core = ServerConnection()
    core.receive_data(request(None, "mining.ping") + b'{"method":"mining.ping"}\n')
    assert sent(core) == []


def test_a_request_may_spell_its_method_with_escapes() -> None:
    core = ServerConnection()
    [joined] = core.receive_data(SUBSCRIBE.replace(b"mining.", b"\\u006dining."))
    assert isinstance(joined, Joined)
    core.seat(joined.ticket, seat_of())
    [share] = core.receive_data(submit().replace(b"mining.submit", b"mining.s\\u0075bmit"))
    assert isinstance(share, ShareSubmitted)


def test_an_unknown_method_is_refused_and_told() -> None:
    core = ServerConnection()
    (notice,) = core.receive_data(request(9, "mining.term\n"))
    assert notice == Notice(kind="unknown_method", text="mining.term")
    assert sent(core) == [{"id": 9, "result": None, "error": [-3, "Method not found", None]}]
    assert core.state is ServerState.OPEN


def test_a_wish_may_stand_in_the_methods_name() -> None:
    core = ServerConnection()
    (wish,) = core.receive_data(request(1, "mining.suggest_difficulty(8)"))
    assert wish == TargetWished(channel=0, target=Target(DIFFICULTY_1 // 8))
    assert sent(core)[0]["result"] is True


@pytest.mark.parametrize(
    "line",
    [
        request(1, "mining.suggest_difficulty"),
        request(1, "mining.suggest_difficulty", 0),
        request(1, "mining.suggest_difficulty", "nan"),
        request(1, "mining.suggest_difficulty()"),
        request(1, "mining.suggest_target"),
        request(1, "mining.suggest_target", "00"),
        request(1, "mining.authorize"),
        request(1, "mining.authorize", None),
        request(1, "mining.configure"),
        b'{"id":1,"method":"mining.authorize","params":null}\n',
        b'{"id":1,"method":"mining.authorize","params":"x"}\n',
        b'{"id":1,"method":"mining.authorize","params":["x",1e999]}\n',
    ],
)
def test_a_request_that_makes_no_sense_is_refused_and_told(line: bytes) -> None:
    core = ServerConnection()
    (fault,) = core.receive_data(line)
    assert isinstance(fault, PeerFault)
    assert not fault.fatal
    assert fault.what.startswith(json.loads(line)["method"])
    assert sent(core) == [{"id": 1, "result": None, "error": [20, "Malformed request", None]}]


@pytest.mark.parametrize("params", ["null", "{}", '"agent"', "[5, 6]"])
def test_a_subscribe_with_odd_params_is_a_subscribe(params: str) -> None:
    line = b'{"id":1,"method":"mining.subscribe","params":%b}\n' % params.encode()
    (joined,) = ServerConnection().receive_data(line)
    assert isinstance(joined, Joined)
    assert (joined.agent, joined.session) == ("", "")


def test_what_a_rig_tells_of_itself_is_told() -> None:
    info = request(
        1, "mining.configure", ["info"], {"info.sw-version": "1", "info.hw-version": "S9"}
    )
    assert list(ServerConnection().receive_data(info)) == [
        Notice(kind="rig_info", text="hw-version S9, sw-version 1")
    ]


# shares


def test_answers_leave_in_order_whatever_the_order_of_the_replies() -> None:
    core = seated()
    data = submit("a") + submit("b") + request("c", "mining.ping") + submit("d")
    shares = [event for event in core.receive_data(data) if isinstance(event, ShareSubmitted)]
    for share in reversed(shares):
        assert sent(core) == []
        core.reply(share.ticket, Verdict(reason=Reason.DUPLICATE))
    assert [answer["id"] for answer in sent(core)] == ["a", "b", "c", "d"]


def test_a_share_under_an_unknown_name_is_offered_for_the_block_it_may_be() -> None:
    core = seated()
    [share] = core.receive_data(submit(worker="stranger"))
    assert isinstance(share, ShareSubmitted)
    assert (share.refused, share.target, share.job_id) == (Reason.UNAUTHORIZED, None, 0x11)
    core.reply(share.ticket, Verdict(reason=Reason.UNAUTHORIZED))
    assert sent(core) == [{"id": 4, "result": None, "error": [24, "Unauthorized worker", None]}]


@pytest.mark.parametrize(
    ("worker", "ok", "refused"),
    [("new", True, None), ("new", False, Reason.UNAUTHORIZED), ("x", True, Reason.UNAUTHORIZED)],
)
def test_a_share_in_one_go_with_its_authorize_counts_as_that_is_answered(
    worker: str, ok: bool, refused: Reason | None
) -> None:
    core = seated()
    asks, share = core.receive_data(request(7, "mining.authorize", "new") + submit(worker=worker))
    assert isinstance(asks, AuthorizeAsked)
    core.authorize(asks.ticket, ok=ok)
    assert isinstance(share, ShareSubmitted)
    assert share.refused == refused
    assert (share.target is None) is (refused is not None)


def test_a_share_in_one_go_with_its_authorize_that_cannot_be_read_is_no_stranger() -> None:
    core = seated()
    line = request(4, "mining.submit", "new", "11", "0000", f"{NTIME:08x}", "00000001")
    asks, notice = core.receive_data(request(7, "mining.authorize", "new") + line)
    core.authorize(asks.ticket, ok=True)  # type: ignore[union-attr]
    assert notice == Notice(kind="share_refused", text="bad_extranonce")


def test_a_share_under_an_unknown_name_that_cannot_be_read_is_refused_by_the_core() -> None:
    core = seated()
    line = request(4, "mining.submit", "stranger", "11", "0000", f"{NTIME:08x}", "00000001")
    assert list(core.receive_data(line)) == [Notice(kind="share_refused", text="unauthorized")]
    assert sent(core)[0]["error"] == [24, "Unauthorized worker", None]


def test_an_unknown_name_before_the_seat_is_what_is_said_first() -> None:
    core = ServerConnection()
    assert list(core.receive_data(submit(worker="stranger"))) == [
        Notice(kind="share_refused", text="unauthorized")
    ]


def test_a_share_before_the_seat_is_refused_by_the_core() -> None:
    core = ServerConnection()
    act(core, core.receive_data(AUTHORIZE))
    assert list(core.receive_data(submit())) == [
        Notice(kind="share_refused", text="not_subscribed")
    ]
    assert sent(core)[1]["error"] == [25, "Not subscribed", None]


@pytest.mark.parametrize(
    ("params", "error"),
    [
        (["11", "000000", "6553f100", "1"], "Incorrect size of extranonce2"),
        (["11", "00000000", "6553f100", "xyz"], "Malformed request"),
        (["11", "00000000", "6553f100"], "Malformed request"),
        (["11", "00000000", "6553f100", None], "Malformed request"),
        ([11, "00000000", "6553f100", -1], "Malformed request"),
        ([["11"], "00000000", "6553f100", "1"], "Malformed request"),
    ],
)
def test_a_share_that_cannot_be_read_is_refused_by_the_core(
    params: list[object], error: str
) -> None:
    core = seated()
    (notice,) = core.receive_data(request(4, "mining.submit", USER, *params))
    assert isinstance(notice, Notice)
    assert sent(core) == [{"id": 4, "result": None, "error": [20, error, None]}]


def test_a_share_with_numbers_is_read() -> None:
    core = seated()
    line = request(4, "mining.submit", USER, 11, "00000000", NTIME, 0xABC)
    share = only_share(core.receive_data(line))
    assert (share.job_id, share.ntime, share.nonce) == (0x11, NTIME, 0xABC)


def test_every_submit_may_have_the_same_id() -> None:
    """cpuminer sends each with 4."""
    core = seated()
    shares = core.receive_data(submit(4) * 3)
    for share in shares:
        assert isinstance(share, ShareSubmitted)
        core.reply(share.ticket, ACCEPTED)
    assert [answer["id"] for answer in sent(core)] == [4, 4, 4]


def test_a_silent_share_is_judged_and_not_answered() -> None:
    core = seated()
    core.reply(only_share(core.receive_data(submit(None))).ticket, ACCEPTED)
    assert sent(core) == []


def test_a_rig_that_does_not_wait_for_answers_is_cut_off() -> None:
    core = seated()
    events: list[ServerEvent] = []
    for _ in range(module.MAX_WAITING // 100 + 1):
        events.extend(core.receive_data(submit() * 100))
    assert isinstance(events[-1], PeerFault)
    assert events[-1].fatal
    assert len(events) == module.MAX_WAITING + 2
    assert core.state is ServerState.CLOSED


# jobs


def test_the_difficulty_is_sent_when_it_changes() -> None:
    core = seated()
    core.offer(0, job_of(2), DIFFICULTY_1, clean=False)
    assert methods_and_ids(sent(core)) == ["mining.notify"]
    asked = core.offer(0, job_of(3), Target(DIFFICULTY_1 // 4096), clean=False)
    lines = sent(core)
    assert lines[0] == {"id": None, "method": "mining.set_difficulty", "params": [4096]}
    assert asked == DIFFICULTY_1 // 4096


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        (Numbers.EXACT, "1000.5"),
        (Numbers.WHOLE, "1000"),
        (Numbers.POWER_OF_TWO, "512"),
        (Numbers.PDIFF, "1000.5"),
    ],
)
def test_the_difficulty_is_one_that_the_rig_reads(numbers: Numbers, text: str) -> None:
    core = ServerConnection()
    (joined, asks) = core.receive_data(SUBSCRIBE + AUTHORIZE)
    core.seat(joined.ticket, msgspec.structs.replace(seat_of(), numbers=numbers))  # type: ignore[union-attr]
    act(core, [asks])
    got = core.offer(0, job_of(), target_from_difficulty(1000.5), clean=True)
    assert b'"mining.set_difficulty","params":[%b]}' % text.encode() in core.data_to_send()
    assert got == target_from_difficulty(float(text))


def test_all_connections_send_the_same_bytes_object() -> None:
    job = job_of(0x77)
    first, second = seated(), seated()
    for core in (first, second):
        core.offer(0, job, DIFFICULTY_1, clean=False)
    assert first.data_to_send() is second.data_to_send()


def test_a_narrower_mask_is_sent_before_the_job() -> None:
    core = seated(CONFIGURE)
    core.offer(0, job_of(2, version_mask=0x6000), DIFFICULTY_1, clean=True)
    lines = sent(core)
    assert methods_and_ids(lines) == ["mining.set_version_mask", "mining.notify"]
    assert lines[0]["params"] == ["00006000"]
    assert core.version_mask == 0x6000


def test_a_mask_comes_back_with_the_pool_that_allows_it() -> None:
    """BIP 310: the server may change the mask, and it counts at once."""
    core = seated(request(3, "mining.configure", ["version-rolling"], {MASK: "00ffe000"}))
    for mask, granted in ((0, "00000000"), (0x6000, "00006000"), (BIP320_MASK, "00ffe000")):
        core.offer(0, job_of(mask + 2, version_mask=mask), DIFFICULTY_1, clean=True)
        lines = sent(core)
        assert methods_and_ids(lines) == ["mining.set_version_mask", "mining.notify"]
        assert lines[0]["params"] == [granted]
        assert core.version_mask == int(granted, 16)


def test_a_mask_never_grows_beyond_what_the_rig_asked_for_and_the_seat_allows() -> None:
    core = ServerConnection()
    asked = request(3, "mining.configure", ["version-rolling"], {MASK: "00006000"})
    (joined, asks) = core.receive_data(asked + SUBSCRIBE + AUTHORIZE)
    core.seat(joined.ticket, seat_of(mask=0x1FFFC000))  # type: ignore[union-attr]
    act(core, [asks])
    for number, mask in enumerate((0, BIP320_MASK), start=1):
        core.offer(0, job_of(number, version_mask=mask), DIFFICULTY_1, clean=True)
        assert core.version_mask == mask & 0x4000


def test_a_rig_that_was_refused_version_rolling_never_gets_a_mask() -> None:
    core = seated(job=job_of(0x11, version_mask=0))
    core.receive_data(CONFIGURE)
    assert sent(core)[0]["result"] == {"version-rolling": False}
    core.offer(0, job_of(2), DIFFICULTY_1, clean=True)
    assert methods_and_ids(sent(core)) == ["mining.notify"]


def test_bits_that_came_back_count_on_the_job_they_came_with() -> None:
    job = job_of(3)
    core = seated(CONFIGURE, job=job_of(2, version_mask=0))
    core.offer(0, job, DIFFICULTY_1, clean=True)
    share = only_share(core.receive_data(submit(4, "3", "00002000")))
    assert fault_of(job, share, mask=share.mask, now=NTIME) is None
    assert share.version == job.version | 0x2000


def test_a_rig_without_version_rolling_hears_nothing_of_masks() -> None:
    core = seated()
    core.offer(0, job_of(2, version_mask=0), DIFFICULTY_1, clean=True)
    assert methods_and_ids(sent(core)) == ["mining.notify"]


def test_a_seats_mask_narrows_what_configure_promised() -> None:
    core = ServerConnection()
    (joined,) = core.receive_data(CONFIGURE + SUBSCRIBE)
    core.seat(joined.ticket, seat_of(mask=0x2000))  # type: ignore[union-attr]
    lines = sent(core)
    assert methods_and_ids(lines) == [3, 1, "mining.set_version_mask"]
    assert lines[2]["params"] == ["00002000"]


@pytest.mark.parametrize("configured", [b"", CONFIGURE])
def test_bits_outside_the_granted_mask_are_found(configured: bytes) -> None:
    job = job_of(0x11)
    core = seated(*([configured] if configured else []), job=job)
    for bits in (0, 0x2000, 0x20002000, 0x80000000):
        share = only_share(core.receive_data(submit(4, "11", f"{bits:08x}")))
        fault = fault_of(job, share, mask=share.mask, now=NTIME)
        allowed = not bits or (bool(configured) and not bits & ~BIP320_MASK)
        assert (fault is None) is allowed


def test_version_rolling_may_be_off() -> None:
    core = ServerConnection(mask=0)
    core.receive_data(CONFIGURE)
    assert sent(core)[0]["result"] == {"version-rolling": False}


def test_a_new_seat_is_announced_to_those_who_take_it() -> None:
    core = seated(request(0, "mining.extranonce.subscribe"))
    assert core.reseat(msgspec.structs.replace(seat_of(), slice=b"\x0f", size=3))
    core.offer(0, job_of(2, size=5), DIFFICULTY_1, clean=True)
    lines = sent(core)
    assert methods_and_ids(lines) == ["mining.set_extranonce", "mining.notify"]
    assert lines[0]["params"] == ["0f", 3]
    old = only_share(core.receive_data(submit(4, "11")))
    assert (old.job_id, len(old.extranonce)) == (0x11, 4)
    new = request(4, "mining.submit", USER, "2", "000000", f"{NTIME:08x}", "0")
    assert only_share(core.receive_data(new)).job_id == 2


def test_a_rig_that_takes_no_changes_keeps_its_seat() -> None:
    core = seated()
    assert not core.reseat(msgspec.structs.replace(seat_of(), slice=b"\x0f", size=3))
    assert sent(core) == []


@pytest.mark.parametrize(
    "mistake",
    [
        lambda core: core.offer(0, job_of(), DIFFICULTY_1, clean=True),
        lambda core: core.reseat(seat_of()),
    ],
)
def test_nothing_is_shown_before_the_seat(mistake: Callable[[ServerConnection], object]) -> None:
    with pytest.raises(LocalProtocolError, match="no seat yet"):
        mistake(ServerConnection())


@pytest.mark.parametrize(
    "mistake",
    [
        lambda core: core.offer(1, job_of(), DIFFICULTY_1, clean=True),
        lambda core: core.offer(0, job_of(size=7), DIFFICULTY_1, clean=True),
        lambda core: core.offer(0, job_of().fix(bytes(8)), DIFFICULTY_1, clean=True),
        lambda core: core.reseat(msgspec.structs.replace(seat_of(), channel=1)),
    ],
)
def test_a_job_that_does_not_fit_the_seat_is_our_mistake(
    mistake: Callable[[ServerConnection], object],
) -> None:
    core = seated()
    with pytest.raises(LocalProtocolError):
        mistake(core)
    assert sent(core) == []


# what is no Stratum


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00", "speaks TLS to a port without it"),
        (b"\x16" + bytes(SERVER_LINE_LIMIT), "speaks TLS to a port without it"),
        (b"\x80\x00", "its first byte is 0x80"),
        (b"GET /metrics HTTP/1.1\r\n", "speaks HTTP, not Stratum"),
        (b'{"id": 1, "method": "mining.authorize", "params": ["a"b"]}\n', "no Stratum message"),
        (b"[]\n", "no Stratum message"),
        (b'{"id":1,"method":5}\n', "no Stratum message"),
        (b'{"id":' + b"[" * 10_000 + b"\n", "no Stratum message"),
        (b" " * (SERVER_LINE_LIMIT + 1), f"more than {SERVER_LINE_LIMIT} bytes"),
    ],
)
def test_what_connects_instead_of_a_miner_is_named(data: bytes, what: str) -> None:
    core = ServerConnection()
    (fault,) = core.receive_data(data + SUBSCRIBE)
    assert isinstance(fault, PeerFault)
    assert fault.fatal
    assert what in fault.what
    assert core.state is ServerState.CLOSED
    assert list(core.receive_data(SUBSCRIBE)) == []


def test_lines_before_a_fatal_one_still_count() -> None:
    core = ServerConnection()
    events = core.receive_data(SUBSCRIBE + b"rubbish\n" + AUTHORIZE)
    assert [type(event) for event in events] == [Joined, PeerFault]


def test_a_long_line_is_taken_up_to_the_limit() -> None:
    core = ServerConnection()
    padding = b" " * (SERVER_LINE_LIMIT - len(SUBSCRIBE) + 1)
    (joined,) = core.receive_data(padding + SUBSCRIBE)
    assert isinstance(joined, Joined)


def test_after_the_end_nothing_is_heard() -> None:
    core = ServerConnection()
    assert list(core.receive_eof()) == []
    assert list(core.receive_data(SUBSCRIBE)) == []


# laws


SHARES = b"".join(
    [
        submit("one"),
        b"\r\n",
        submit(2, "12"),
        submit(3, "11", "00002000"),
        request(4, "mining.suggest_difficulty", "0.5"),
        submit(5, "11", worker="stranger"),
        request(6, "nonsense"),
        b'{"id":7,"result":"pong","error":null}\n',
        submit(8, "nope"),
    ]
)


@settings(deadline=None)
@given(sizes=cuts)
def test_events_are_the_same_in_any_cutting(sizes: list[int]) -> None:
    whole, pieces = seated(CONFIGURE), seated(CONFIGURE)
    expected = list(whole.receive_data(SHARES))
    assert len(expected) == 7
    assert [e for piece in cut(SHARES, sizes) for e in pieces.receive_data(piece)] == expected
    assert pieces.data_to_send() == whole.data_to_send()


@settings(deadline=None)
@given(sizes=cuts)
def test_both_cores_agree_in_any_cutting(sizes: list[int]) -> None:
    whole, pieces = Pair(), Pair()
    for pair, by in ((whole, [1 << 20]), (pieces, sizes)):
        pair.run(by)
        for number in range(3):
            pair.server.offer(
                0, job_of(number + 1), Target(DIFFICULTY_1 << number), clean=number == 2
            )
            pair.run(by)
            pair.client.submit(answer_to(pair.jobs[-1], nonce=number), None)
            pair.run(by)
            pair.server.reply(pair.shares[-1].ticket, Verdict(reason=Reason.STALE))
            pair.run(by)
    assert pieces.client_events == whole.client_events
    assert pieces.server_events == whole.server_events
    assert pieces.to_client == whole.to_client
    assert pieces.to_server == whole.to_server
    assert len(whole.answers) == 3


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["version-rolling.mask", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
methods = st.sampled_from(
    [
        "mining.subscribe",
        "mining.authorize",
        "mining.configure",
        "mining.submit",
        "mining.suggest_difficulty",
        "mining.suggest_target",
        "mining.extranonce.subscribe",
        "mining.get_transactions",
        "pong",
        "x",
    ]
)


@settings(max_examples=120, deadline=None)
@given(method=methods, params=st.lists(json_values, max_size=7), bare=json_values)
def test_no_request_makes_it_raise(method: str, params: list[object], bare: object) -> None:
    for core in (ServerConnection(), seated(CONFIGURE)):
        core.receive_data(request(1, method, *params))
        line = json.dumps({"id": bare, "method": method, "params": bare})
        core.receive_data(line.encode() + b"\n")
        core.data_to_send()


@settings(deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=5))
def test_no_broken_conversation_makes_it_raise(edits: list[tuple[int, int]]) -> None:
    data = bytearray(CONFIGURE + SUBSCRIBE + AUTHORIZE + SHARES)
    for at, value in edits:
        data[at % len(data)] = value
    core = ServerConnection()
    act(core, core.receive_data(bytes(data)))
    core.data_to_send()


# recorded sessions


def jobs_of_the_pool(name: str, connection: int) -> tuple[dict[str, Job], bytes, int]:
    """Read a recorded pool's jobs: by wire id, as jobs whose extranonce1 is still free."""
    client = ClientConnection(ClientOptions(user=USER, version_mask=0), lineage=new_lineage())
    jobs: dict[str, Job] = {}
    ids = {"mining.subscribe": 1, "mining.authorize": 2}
    asked: dict[object, int] = {}
    extranonce1, size = b"", 0
    for recorded in transcript(name)[connection]:
        message = json.loads(recorded.data)
        method = message.get("method")
        if recorded.from_client:
            asked |= {message["id"]: ids[method]} if method in ids else {}
            continue
        if method is None:
            if isinstance(message.get("result"), list):
                extranonce1, size = bytes.fromhex(message["result"][1]), message["result"][2]
            message["id"] = asked.get(message["id"], 0)
        for event in client.receive_data(json.dumps(message).encode() + b"\n"):
            if isinstance(event, NewJob):
                assert method == "mining.notify"
                jobs[message["params"][0]] = _opened(event.job, extranonce1, message["params"][0])
    return jobs, extranonce1, size


def _opened(job: Job, extranonce1: bytes, wire_id: str) -> Job:
    split = job.commitment
    assert isinstance(split, SplitCoinbase)
    return replace(
        job,
        id=JobId(int(wire_id, 16) if wire_id[0] != "N" else 1),
        commitment=replace(
            split,
            prefix=split.prefix.removesuffix(extranonce1),
            extranonce_size=len(extranonce1) + split.extranonce_size,
        ),
    )


@pytest.mark.parametrize("name", TRANSCRIPT_NAMES)
def test_recorded_miners_are_served(name: str) -> None:
    """The recorded miner's bytes, judged by our server with the recorded pool's jobs."""
    connection = max(transcript(name))
    jobs, extranonce1, size = jobs_of_the_pool(name, connection)
    seat = seat_of(lane=b"", slice_=extranonce1, size=size)
    core = ServerConnection()
    verdicts: list[bool] = []
    pool_said = [
        json.loads(r.data)
        for r in transcript(name)[connection]
        if not r.from_client and b'"method"' not in r.data
    ]
    for recorded in transcript(name)[connection]:
        message = json.loads(recorded.data)
        if not recorded.from_client:
            if message.get("method") == "mining.notify":
                job = jobs[message["params"][0]]
                core.offer(0, job, MAX_TARGET, clean=message["params"][8])
            continue
        for event in core.receive_data(recorded.data):
            match event:
                case Joined():
                    core.seat(event.ticket, seat)
                case AuthorizeAsked():
                    core.authorize(event.ticket, ok=True)
                case ShareSubmitted():
                    job = jobs[f"{event.job_id:x}"]
                    wide = answer_to(job)
                    wide = replace(
                        wide,
                        extranonce=extranonce1 + event.extranonce,
                        ntime=event.ntime,
                        nonce=event.nonce,
                        version=event.version,
                    )
                    verdicts.append(proof_of(job, wide) <= job.target)
                    core.reply(event.ticket, ACCEPTED)
                case _:
                    raise AssertionError(f"unexpected {event}")
    assert all(verdicts)
    submits = [r for r in transcript(name)[connection] if b"mining.submit" in r.data]
    assert len(verdicts) == len(submits)
    ours = [answer for answer in sent(core) if "method" not in answer]
    assert len(ours) >= len(pool_said)
    accepted = [a["id"] for a in pool_said if a["result"] is True]
    assert [a["id"] for a in ours if a["result"] is True][: len(accepted)] == accepted


def test_the_recorded_miner_that_tries_tls_first_is_told_so() -> None:
    lines = transcript("bfgminer-ckpool-solo.jsonl")
    data = b"".join(recorded.data for recorded in lines[min(lines)])
    (fault,) = ServerConnection().receive_data(data)
    assert isinstance(fault, PeerFault)
    assert fault.fatal
    assert "TLS" in fault.what


def test_what_was_shown_before_is_known_to_the_core_that_the_rig_comes_back_to() -> None:
    before, after = seated(), ServerConnection()
    act(after, after.receive_data(SUBSCRIBE))
    assert after.recollect() is None
    after.recall(None)
    after.recall(before.recollect())
    act(after, after.receive_data(AUTHORIZE))
    share = only_share(after.receive_data(submit()))
    assert (share.job_id, share.target) == (0x11, DIFFICULTY_1)


def test_fewer_version_bits_may_be_permitted_at_any_time_and_more_again() -> None:
    fresh = ServerConnection()
    fresh.permit(0x2000)
    act(fresh, fresh.receive_data(CONFIGURE + SUBSCRIBE))
    assert fresh.version_mask == 0x2000
    core = seated(request(3, "mining.configure", ["version-rolling"], {MASK: "1fffe000"}))
    for mask in (0x2000, 0, BIP320_MASK):
        core.permit(mask)
        assert core.data_to_send() == b"", "it is said with the next job"
        core.offer(0, job_of(0x12 + mask), DIFFICULTY_1, clean=False)
        [told] = [m["params"] for m in sent(core) if m.get("method") == "mining.set_version_mask"]
        assert told == [f"{mask:08x}"]
        assert core.version_mask == mask
