import pytest

from headframe.runtime.moments import MomentError, parse_time, stamp


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 910),
        ("15m", 100),
        ("0s", 1000),
        ("1700000000", 1_700_000_000),
        ("1970-01-02", 86_400),
        ("1970-01-01T01:00", 3600),
        ("1970-01-01T01:00Z", 3600),
        ("1970-01-01T01:00+01:00", 0),
        ("0001-01-01T00:00+23:59", -62_135_683_140),
        ("9999-12-31T23:59:59-23:59", 253_402_387_139),
        ("999999999d", 1000 - 999_999_999 * 86_400),
    ],
)
def test_times_are_read(text: str, seconds: int):
    assert parse_time(text, 1000) == seconds


@pytest.mark.parametrize(
    "text", ["", "yesterday", "7x", "12", "-5m", "\u0663\u0663\u0663\u0663\u0663", "2026-13-01"]
)
def test_what_is_no_time_is_told(text: str):
    with pytest.raises(MomentError, match="is no time: expected such as"):
        parse_time(text, 1000)


def test_moments_are_told_in_utc():
    assert stamp(0) == "1970-01-01T00:00:00Z"
    assert stamp(1_700_000_000) == "2023-11-14T22:13:20Z"
