import pytest

from miner.show import difficulty_text, duration_text, hashrate_text, line_of, spans_text


@pytest.mark.parametrize(
    ("hps", "text"),
    [
        (0, "0.00 H/s"),
        (999, "999 H/s"),
        (999.6, "1.00 kH/s"),
        (1_234_000, "1.23 MH/s"),
        (12_340_000, "12.3 MH/s"),
        (123_400_000, "123 MH/s"),
        (99_960_000, "100 MH/s"),
        (1.5e12, "1.50 TH/s"),
        (2e27, "2000000 ZH/s"),
    ],
)
def test_hashrates_have_three_digits_and_a_prefix(hps: float, text: str) -> None:
    assert hashrate_text(hps) == text


@pytest.mark.parametrize(
    ("difficulty", "text"),
    [
        (0, "0"),
        (1, "1"),
        (0.001, "0.001"),
        (4.6565e-10, "4.656e-10"),
        (16384, "16384"),
        (65536.4, "65536"),
        (2_500_000, "2.5e6"),
        (1.2e14, "1.2e14"),
    ],
)
def test_difficulties_of_every_size_are_short(difficulty: float, text: str) -> None:
    assert difficulty_text(difficulty) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min 0 s"),
        (3 * 3600 + 65, "3 h 1 min"),
        (50 * 3600, "2 d 2 h"),
    ],
)
def test_times_have_their_two_largest_units(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_rates_are_told_for_each_span() -> None:
    figures = {"hashrate_5s_hps": 1.5e6, "hashrate_hps": 0.0, "hashrate_15m_hps": 2e3}
    assert spans_text(figures) == [
        ("5 s", "1.50 MH/s"),
        ("1 min", "0.00 H/s"),
        ("15 min", "2.00 kH/s"),
    ]


STATUS = {
    "hashrate_hps": 12_300_000.0,
    "shares": {
        "accepted": 120,
        "rejected": 3,
        "by_reason": {"stale": 2, "low_difficulty": 1},
        "lost": 0,
    },
    "blocks": {"accepted": 0},
    "difficulty": 0.01,
    "upstream": {"source": "pool:3333", "state": "active", "detail": "", "height": None},
    "devices": [{"kernel": "shani"}, {"kernel": "shani"}],
    "uptime_seconds": 245.0,
}


def test_the_line_says_what_a_miner_wants_to_know() -> None:
    assert line_of(STATUS) == (
        "12.3 MH/s | accepted 120 | rejected 3 (stale 2, low_difficulty 1) | difficulty 0.01 | "
        "pool:3333 | shani | up 4 min 5 s"
    )


def test_the_line_says_when_there_is_more_and_when_the_pool_is_away() -> None:
    status = {
        **STATUS,
        "shares": {"accepted": 1, "rejected": 0, "by_reason": {}, "lost": 4},
        "blocks": {"accepted": 2},
        "upstream": {"source": "node:18443", "state": "down", "detail": "gone", "height": 7},
    }
    assert line_of(status) == (
        "12.3 MH/s | accepted 1 | rejected 0 | lost 4 | blocks 2 | difficulty 0.01 | "
        "node:18443 down | shani | up 4 min 5 s"
    )


def test_the_line_names_the_height_where_it_is_known() -> None:
    upstream = {"source": "node:18443", "state": "active", "detail": "", "height": 7}
    assert "node:18443 at height 7" in line_of({**STATUS, "upstream": upstream})


def test_what_has_not_failed_yet_is_not_called_down() -> None:
    upstream = {"source": "node:18443", "state": "down", "detail": "", "height": None}
    assert "node:18443 connecting" in line_of({**STATUS, "upstream": upstream})
