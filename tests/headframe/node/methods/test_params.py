"""Parameters of requests; the words of refusals are a real bitcoind's."""

from typing import Any

import pytest

from headframe.node.errors import Code, RpcError
from headframe.node.methods.params import Kind, Method, Param, bind, parse_hash


async def nothing(*_: object) -> None:
    """A handler that is never called."""


METHOD = Method(
    name="pay",
    about="Pay somebody.",
    handler=nothing,
    params=(
        Param("to", Kind.STRING),
        Param("sats", Kind.NUMBER, 5),
        Param("fast", Kind.BOOL, default=False),
        Param("more", Kind.OBJECT, None),
        Param("else", Kind.ANY, "x"),
    ),
)


@pytest.mark.parametrize(
    ("given", "values"),
    [
        (["a"], ["a", 5, False, None, "x"]),
        (["a", 7, True, {"b": 1}, 9], ["a", 7, True, {"b": 1}, 9]),
        (["a", None, None, None, None], ["a", 5, False, None, "x"]),
        ({"to": "a", "fast": True}, ["a", 5, True, None, "x"]),
    ],
)
def test_each_parameter_gets_its_value_or_its_default(given: Any, values: list[Any]) -> None:
    assert bind(METHOD, given) == values


@pytest.mark.parametrize("given", [None, [], {}, [None], ["a", 1, True, {}, 1, "too many"]])
def test_too_few_or_too_many_get_the_help(given: Any) -> None:
    with pytest.raises(RpcError) as caught:
        bind(METHOD, given)
    assert caught.value.code == Code.MISC
    assert caught.value.message == "pay to ( sats ) ( fast ) ( more ) ( else )\n\nPay somebody.\n"


def test_an_unknown_name_is_named() -> None:
    with pytest.raises(RpcError, match="Unknown named parameter who") as caught:
        bind(METHOD, {"to": "a", "who": 1})
    assert caught.value.code == Code.INVALID_PARAMETER


@pytest.mark.parametrize(
    ("value", "kind"),
    [(1, "number"), (1.5, "number"), (True, "bool"), ([], "array"), ({}, "object")],
)
def test_a_wrong_kind_is_told_as_bitcoind_does(value: object, kind: str) -> None:
    with pytest.raises(RpcError) as caught:
        bind(METHOD, [value])
    assert caught.value.code == Code.TYPE
    assert caught.value.message == (
        'Wrong type passed:\n{\n    "Position 1 (to)": '
        f'"JSON value of type {kind} is not of expected type string"\n}}'
    )


@pytest.mark.parametrize("given", [["a", "5"], ["a", True], ["a", 1, 1], ["a", 1, True, "s"]])
def test_kinds_are_not_mixed_up(given: list[Any]) -> None:
    with pytest.raises(RpcError) as caught:
        bind(METHOD, given)
    assert caught.value.code == Code.TYPE


def test_a_hash_is_read_in_display_order() -> None:
    assert parse_hash("00" * 31 + "ff", "hash") == b"\xff" + bytes(31)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("abc", "txid must be of length 64 (not 3, for 'abc')"),
        ("zz" * 32, f"txid must be hexadecimal string (not '{'zz' * 32}')"),
    ],
)
def test_a_wrong_hash_is_told_as_bitcoind_does(text: str, message: str) -> None:
    with pytest.raises(RpcError) as caught:
        parse_hash(text, "txid")
    assert (caught.value.code, caught.value.message) == (Code.INVALID_PARAMETER, message)
