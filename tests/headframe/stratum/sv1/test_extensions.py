from typing import Any

import pytest

from headframe.chain.target import DIFFICULTY_1, MAX_TARGET
from headframe.stratum.errors import RemoteProtocolError
from headframe.stratum.sv1.extensions import EXTENSIONS, Terms, answer_all, ask_all, settle_all
from tests.fakes.vectors import load

MASK = 0x1FFFE000
NEGOTIATIONS = load("version_rolling")["negotiation"]


@pytest.mark.parametrize("case", NEGOTIATIONS, ids=lambda case: case["id"])
def test_server_grants_what_both_sides_allow(case: dict[str, Any]) -> None:
    terms = Terms(own_mask=int(case["server_mask"], 16))
    params: dict[str, object] = {"version-rolling.mask": case["miner_mask"]}
    if case["min_bit_count"] is not None:
        params["version-rolling.min-bit-count"] = case["min_bit_count"]
    answer = answer_all(terms, [["version-rolling"], params])
    if int(case["result_mask"], 16):
        assert answer == {"version-rolling": True, "version-rolling.mask": case["result_mask"]}
        assert terms.mask == int(case["result_mask"], 16)
    else:
        assert answer == {"version-rolling": False}
        assert terms.mask is None


@pytest.mark.parametrize("case", NEGOTIATIONS, ids=lambda case: case["id"])
def test_client_intersects_once_more(case: dict[str, Any]) -> None:
    """ckpool and public-pool answer with their own mask whatever was asked for."""
    terms = Terms(own_mask=int(case["miner_mask"], 16))
    settle_all(terms, {"version-rolling": True, "version-rolling.mask": case["server_mask"]})
    assert terms.mask == int(case["result_mask"], 16)


def test_both_sides_agree() -> None:
    client, server = Terms(own_mask=0x00C0_0000, min_bits=2), Terms(own_mask=MASK)
    asked = ask_all(client)
    assert asked is not None
    settle_all(client, answer_all(server, list(asked)))
    assert client.mask == server.mask == 0x00C0_0000


def test_without_a_mask_of_our_own_nothing_is_asked() -> None:
    assert ask_all(Terms(own_mask=0)) is None


def test_the_request_has_the_bips_form() -> None:
    names, params = ask_all(Terms(own_mask=MASK, min_bits=16)) or ([], {})
    assert names == ["version-rolling"]
    assert params == {
        "version-rolling.mask": "1fffe000",
        "version-rolling.min-bit-count": 16,
    }


def test_every_extension_named_gets_a_value() -> None:
    terms = Terms(own_mask=MASK)
    names = [*EXTENSIONS, "x-unknown", 5, "version-rolling"]
    members = answer_all(terms, [names, {}])
    assert set(EXTENSIONS) | {"x-unknown"} <= set(members)
    assert members["x-unknown"] is False
    assert members["version-rolling.mask"] == "1fffe000"  # left out: all bits are asked for


@pytest.mark.parametrize("params", [None, {}, [], "version-rolling", [{}], ["version-rolling"]])
def test_a_request_without_names_is_the_peers_fault(params: object) -> None:
    with pytest.raises(RemoteProtocolError, match="list of extensions"):
        answer_all(Terms(own_mask=MASK), params)


@pytest.mark.parametrize("second", [[], [None], ["x"]])
def test_the_second_parameter_may_be_missing(second: list[object]) -> None:
    assert answer_all(Terms(own_mask=MASK), [["version-rolling"], *second])["version-rolling"]


@pytest.mark.parametrize("mask", ["", "xyz", "1fffe0000", None, [], -1])
def test_a_mask_that_is_none_is_refused(mask: object) -> None:
    terms = Terms(own_mask=MASK)
    answer = answer_all(terms, [["version-rolling"], {"version-rolling.mask": mask}])
    assert answer == {"version-rolling": False}
    assert terms.mask is None


def test_a_minimum_is_kept() -> None:
    terms = Terms(own_mask=0)
    answer = answer_all(terms, [["minimum-difficulty"], {"minimum-difficulty.value": 2048}])
    assert answer == {"minimum-difficulty": True}
    assert terms.wish == DIFFICULTY_1 // 2048
    answer = answer_all(terms, [["minimum-difficulty"], {"minimum-difficulty.value": 0}])
    assert answer == {"minimum-difficulty": True}, "no minimum is one too"
    assert terms.wish == MAX_TARGET


@pytest.mark.parametrize("value", [-1, "x", None, False, True, [1]])
def test_a_minimum_that_is_none_is_refused(value: object) -> None:
    terms = Terms(own_mask=0)
    answer = answer_all(terms, [["minimum-difficulty"], {"minimum-difficulty.value": value}])
    assert answer == {"minimum-difficulty": False}
    assert terms.wish is None


def test_extranonce_changes_and_info_are_remembered() -> None:
    terms = Terms(own_mask=MASK)
    params = {"info.sw-version": "1.2\x00", "info.hw-id": 5, "info.hw-version": "S9"}
    answer = answer_all(terms, [["subscribe-extranonce", "info"], params])
    assert answer == {"subscribe-extranonce": True, "info": True}
    assert terms.extranonce_changes
    assert terms.info == {"hw-version": "S9", "sw-version": "1.2"}


@pytest.mark.parametrize("result", [{"version-rolling": False}, {}, {"version-rolling": "no"}])
def test_a_refusal_leaves_nothing_negotiated(result: dict[str, object]) -> None:
    terms = Terms(own_mask=MASK)
    settle_all(terms, result)
    assert terms.mask is None


@pytest.mark.parametrize(
    "result", [None, True, [], {"version-rolling": True, "version-rolling.mask": "x"}]
)
def test_an_answer_that_makes_no_sense_is_the_peers_fault(result: object) -> None:
    with pytest.raises(RemoteProtocolError):
        settle_all(Terms(own_mask=MASK), result)
