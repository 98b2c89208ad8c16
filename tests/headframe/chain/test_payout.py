import pytest
from hypothesis import given
from hypothesis import strategies as st

from headframe.chain.coinbase import MAX_MONEY, Output
from headframe.chain.errors import CoinbaseError
from headframe.chain.payout import WHOLE, Payout, share_out

MAIN, A, B = b"main", b"a", b"b"


def payout(script: bytes, basis_points: int) -> Payout:
    return Payout(script=script, basis_points=basis_points)


def test_one_who_is_paid_gets_all():
    assert share_out(5_000_000_000, MAIN) == (Output(value=5_000_000_000, script=MAIN),)


def test_shares_are_parts_of_ten_thousand_and_the_rest_comes_first():
    outputs = share_out(5_000_000_000, MAIN, [payout(A, 150), payout(B, 2_500)])
    assert outputs == (
        Output(value=3_675_000_000, script=MAIN),
        Output(value=75_000_000, script=A),
        Output(value=1_250_000_000, script=B),
    )


def test_rounding_goes_to_the_main_one():
    outputs = share_out(9_999, MAIN, [payout(A, 3_333), payout(B, 3_333)])
    assert [output.value for output in outputs] == [3_335, 3_332, 3_332]


def test_outputs_of_nothing_are_left_out():
    assert share_out(100, MAIN, [payout(A, WHOLE)]) == (Output(value=100, script=A),)
    assert share_out(1, MAIN, [payout(A, 5_000)]) == (Output(value=1, script=MAIN),)
    assert share_out(0, MAIN, [payout(A, 5_000)]) == (Output(value=0, script=MAIN),)


def test_shares_of_more_than_all_are_refused():
    with pytest.raises(CoinbaseError, match="add up to 10001 of 10000 basis points"):
        share_out(100, MAIN, [payout(A, 9_000), payout(B, 1_001)])


@pytest.mark.parametrize("basis_points", [0, -1, 10_001])
def test_a_share_that_is_none_is_refused(basis_points):
    with pytest.raises(CoinbaseError, match=rf"{basis_points} basis points is not in 1 \.\. 10000"):
        payout(A, basis_points)


@given(
    value=st.integers(0, MAX_MONEY),
    shares=st.lists(st.integers(1, 1_000), max_size=10),
)
def test_nothing_is_lost_and_nobody_gets_more_than_a_share(value, shares):
    outputs = share_out(value, MAIN, [payout(bytes([n]), share) for n, share in enumerate(shares)])
    assert sum(output.value for output in outputs) == value
    for output in outputs:
        if output.script != MAIN:
            assert output.value <= value * shares[output.script[0]] / WHOLE
