import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.target import DIFFICULTY_1, MAX_TARGET
from headframe.stratum.errors import RemoteProtocolError
from headframe.stratum.sv1 import dialect
from headframe.stratum.sv1.messages import LooseSubmitParams, SubmitParams


@settings(deadline=None)
@given(raw=st.binary(max_size=100))
def test_hex_is_read_in_either_case(raw: bytes) -> None:
    assert dialect.bytes_from_hex(raw.hex()) == raw
    assert dialect.bytes_from_hex(raw.hex().upper()) == raw


@pytest.mark.parametrize("text", ["0", "0x00", "00 00", " 00", "00\n", "zz", "é0", 7, None, ["00"]])
def test_what_is_not_exactly_hex_is_refused(text: object) -> None:
    with pytest.raises(RemoteProtocolError, match="not hex"):
        dialect.bytes_from_hex(text)


@settings(deadline=None)
@given(number=st.integers(min_value=0, max_value=2**32 - 1))
def test_numbers_are_read_padded_or_not_or_as_numbers(number: int) -> None:
    for text in (f"{number:08x}", f"{number:x}", f"{number:08X}", number):
        assert dialect.u32_from_hex(text) == number


@pytest.mark.parametrize(
    "text", ["", "000000001", "-1", "+1", "0x1", " 1", "1_0", "g", True, -1, 2**32, 1.0, None]
)
def test_other_numbers_are_refused(text: object) -> None:
    with pytest.raises(RemoteProtocolError, match=r"not a number|not hex"):
        dialect.u32_from_hex(text)


def test_difficulty_is_a_number_above_zero() -> None:
    assert dialect.target_of(1) == dialect.target_of(1.0) == DIFFICULTY_1
    assert dialect.target_of(2) == DIFFICULTY_1 // 2
    assert dialect.target_of(4.656542373906925e-10) >= DIFFICULTY_1 << 31
    assert dialect.target_of(1e-30) == MAX_TARGET
    assert dialect.target_of(1e300) == 1


@pytest.mark.parametrize(
    "value", [0, -1, "1", True, False, None, [], {}, float("nan"), float("inf")]
)
def test_other_difficulties_are_refused(value: object) -> None:
    with pytest.raises(RemoteProtocolError, match="difficulty"):
        dialect.target_of(value)


@pytest.mark.parametrize(
    ("value", "halves"), [("0.500000", 1), (0.5, 1), ("1", 2), ("1.", 2), ("5e-1", 1), ("2", 4)]
)
def test_a_wish_may_be_a_text(value: object, halves: int) -> None:
    assert dialect.target_wished(value) == DIFFICULTY_1 * 2 // halves


@pytest.mark.parametrize(
    "value", ["", "x", "nan", "inf", "-1", "1_0", "\u0661", "1e999", "1" * 41, " 1", True, None]
)
def test_other_wishes_are_refused(value: object) -> None:
    with pytest.raises(RemoteProtocolError, match="difficulty"):
        dialect.target_wished(value)


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("mining.suggest_difficulty(42)", "42"),
        ("mining.suggest_difficulty()", ""),
        ("mining.suggest_difficulty", None),
        ("mining.suggest_difficulty(1)(2)", None),
        ("xmining.suggest_difficulty(1)", None),
    ],
)
def test_the_value_may_stand_in_the_methods_name(method: str, value: str | None) -> None:
    assert dialect.difficulty_in_name(method) == value


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("mining.suggest_difficulty", [2]),
        ("mining.suggest_difficulty", ["2.000000"]),  # cpuminer-opt
        ("mining.suggest_difficulty", 2.0),
        ("mining.suggest_difficulty(2)", []),
        ("mining.suggest_target", ["000000007fff80" + "0" * 50]),
    ],
)
def test_a_wish_comes_in_many_ways(method: str, params: object) -> None:
    assert dialect.wish_of(method, params) == DIFFICULTY_1 // 2


def test_other_methods_wish_nothing() -> None:
    assert dialect.wish_of("mining.suggest", [2]) is None


@pytest.mark.parametrize("method", ["mining.suggest_difficulty", "mining.suggest_target"])
def test_a_wish_without_a_value_is_refused(method: str) -> None:
    with pytest.raises(RemoteProtocolError):
        dialect.wish_of(method, [])


def test_a_target_has_64_digits() -> None:
    assert dialect.target_from_hex("00000000ffff" + "0" * 52) == DIFFICULTY_1
    for text in ("0" * 64, "f" * 62, "f" * 66, "x" * 64, "", None, 5):
        with pytest.raises(RemoteProtocolError, match=r"not a target|not hex"):
            dialect.target_from_hex(text)


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        ([21, "Job not found", None], (21, "Job not found")),
        ([21, "Job not found", ""], (21, "Job not found")),
        ([23, "low"], (23, "low")),
        (["only text"], (None, "only text")),
        ([20, None, "Traceback"], (20, "")),
        (["20", "text", None], (None, "text")),
        ([True, "text", None], (None, "text")),
        ({"code": 22, "message": "duplicate share", "data": None}, (22, "duplicate share")),
        ({}, (None, "")),
        ("Stale", (None, "Stale")),
        ("-3:method not found", (None, "-3:method not found")),
        (True, (None, "")),
        (None, (None, "")),
        ([], (None, "")),
    ],
)
def test_errors_are_understood_in_all_shapes(error: object, parts: tuple[int | None, str]) -> None:
    assert dialect.error_parts(error) == parts


def test_texts_for_the_log_are_harmless() -> None:
    assert dialect.printable("a\x1b[2Jb\nc\x00\u202ed\ud800e") == "a [2Jb c  d e"
    assert dialect.printable("Grüße, 世界") == "Grüße, 世界"
    assert len(dialect.printable("x" * 10_000)) == 200


@pytest.mark.parametrize(
    ("items", "text"), [([], ""), ([None], ""), ([3], ""), (["x"], "x"), ([["x"]], "")]
)
def test_an_optional_text_may_be_missing(items: list[object], text: str) -> None:
    assert dialect.text_or_empty(items, 0) == text


def test_a_bare_value_stands_for_a_list_of_one() -> None:
    assert dialect.unwrapped(["x", 1]) == ["x", 1]
    assert dialect.unwrapped("x") == ["x"]


def test_a_submit_with_numbers_is_the_same_submit() -> None:
    loose = LooseSubmitParams("w", 7, "00", 0x6553F100, "b2957c02", 0x2000)
    strict = SubmitParams("w", "7", "00", "6553f100", "b2957c02", "2000")
    assert dialect.strict_submit(loose) == strict
    assert dialect.strict_submit(LooseSubmitParams("w", "7", "00", "1", 2)).bits is None
