import pytest

from headframe.chain.share import Reason
from headframe.runtime.metrics import Exporter, render
from miner.stats import DROPPED, REFUSED, HashMeter, MinerStats, Rates


def test_every_reason_is_either_an_answer_of_its_own_or_a_refusal() -> None:
    assert set(REFUSED) | {Reason.ACCEPTED, Reason.LOST, Reason.PENDING} == set(Reason)


def test_each_refusal_and_each_cause_has_its_row_from_the_start() -> None:
    stats = MinerStats()
    assert set(stats.shares_rejected) == set(REFUSED)
    assert set(stats.shares_dropped) == set(DROPPED)
    stats.shares_rejected[Reason.STALE] += 2
    stats.shares_rejected[Reason.OTHER] += 1
    assert stats.rejected == 3


def test_the_exporter_shows_them() -> None:
    stats = MinerStats(shares_accepted=7)
    text = render(Exporter("headframe_miner_", [stats])).decode()
    assert "headframe_miner_shares_accepted_total 7.0" in text
    assert 'headframe_miner_shares_rejected_total{reason="stale"} 0.0' in text


def test_the_meter_knows_nothing_before_its_second_sample() -> None:
    meter = HashMeter()
    assert meter.rate_hps == 0
    meter.add(5.0, 1000)
    assert meter.rate_hps == 0
    meter.add(5.0, 2000)
    assert meter.rate_hps == 0, "no time has passed"
    meter.add(7.0, 5000)
    assert meter.rate_hps == pytest.approx(2000)


def test_the_meter_forgets_what_is_older_than_its_window() -> None:
    meter = HashMeter(window_seconds=60)
    for second in range(200):
        fast = min(second, 100) * 1000
        meter.add(float(second), fast)
    assert meter.rate_hps == 0
    meter.add(200.0, 100_000 + 6_000)
    assert meter.rate_hps == pytest.approx(100)


def test_the_meter_keeps_a_baseline_when_samples_are_rare() -> None:
    meter = HashMeter(window_seconds=60)
    meter.add(0.0, 0)
    meter.add(1000.0, 5000)
    assert meter.rate_hps == pytest.approx(5)


def test_rates_look_back_over_three_spans() -> None:
    rates, hashes = Rates(), 0
    for second in range(1201):
        rates.add(float(second), hashes)
        hashes += 100 if second < 1140 else 1000
    assert rates.hps_5s == pytest.approx(1000)
    assert rates.hps == pytest.approx(1000)
    assert rates.hps_15m == pytest.approx((840 * 100 + 60 * 1000) / 900)
