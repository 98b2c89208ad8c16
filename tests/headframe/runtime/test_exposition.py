"""Pages of metrics, read by Prometheus's own client library, and held against what it writes."""

import math
from collections.abc import Iterable

import pytest
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from headframe.runtime.exposition import CONTENT_TYPE, Family, write

NASTY = 'a "name"\nwith\\care, {braces} and 100 %s'
BUCKETS = [("0.1", 1.0), ("1.0", 3.0), ("+Inf", 4.0)]


class Theirs(Collector):
    def __init__(self, *families: Metric) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def read(page: bytes) -> list[tuple[object, ...]]:
    """What a page says, whatever the order of labels."""
    return [
        (family.name, family.type, family.documentation, sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    ]


def test_a_page_says_what_prometheus_s_own_library_would_say() -> None:
    counter = Family("x_shares", "counter", "Good\nand \\bad.", ["worker", "reason"])
    counter.add([NASTY, "stale"], 3)
    counter.add(["", "other"], 1e22)
    gauge = Family("x_rigs", "gauge", "Rigs.")
    gauge.add((), 0.1 + 0.2)
    histogram = Family("x_answer_seconds", "histogram", "Time.", ["pool"])
    histogram.add_histogram([NASTY], BUCKETS, 6.5)
    alone = Family("x_lag_seconds", "histogram", "Lag.")
    alone.add_histogram((), BUCKETS, 0.5)

    registry = CollectorRegistry()
    shares = CounterMetricFamily("x_shares", "Good\nand \\bad.", labels=["worker", "reason"])
    shares.add_metric([NASTY, "stale"], 3)
    shares.add_metric(["", "other"], 1e22)
    answer = HistogramMetricFamily("x_answer_seconds", "Time.", labels=["pool"])
    answer.add_metric([NASTY], BUCKETS, 6.5)
    lag = HistogramMetricFamily("x_lag_seconds", "Lag.", buckets=BUCKETS, sum_value=0.5)
    rigs = GaugeMetricFamily("x_rigs", "Rigs.", value=0.1 + 0.2)
    registry.register(Theirs(shares, rigs, answer, lag))

    page = write([counter, gauge, histogram, alone])
    assert read(page) == read(generate_latest(registry))
    assert len(read(page)) == 3 + 2 * 5


@pytest.mark.parametrize("number", [0, 7, -1.5, 1e-9, 2**70, math.inf, -math.inf])
def test_numbers_arrive_as_they_are(number: float) -> None:
    family = Family("x", "gauge", "Any.")
    family.add((), number)
    (sample,) = read(write([family]))
    assert sample[-1] == number


def test_a_number_that_is_none_arrives_as_such() -> None:
    family = Family("x", "gauge", "Any.")
    family.add((), math.nan)
    assert write([family]).endswith(b"x NaN\n")


def test_a_name_that_no_text_can_have_spoils_no_page() -> None:
    family = Family("x", "gauge", "Any.", ["worker"])
    family.add(["a\ud800b"], 1)
    (sample,) = read(write([family]))
    assert sample[-2] == {"worker": "a?b"}


def test_a_family_is_false_while_it_has_no_sample() -> None:
    empty, filled = Family("x", "gauge", "Any."), Family("x", "histogram", "Any.")
    filled.add_histogram((), BUCKETS, 1)
    assert not empty
    assert filled


def test_a_counter_is_shown_with_its_ending() -> None:
    names = [Family("x", kind, "Any.").shown_as for kind in ("counter", "gauge", "histogram")]
    assert names == ["x_total", "x", "x"]


def test_the_content_type_is_prometheus_text() -> None:
    assert CONTENT_TYPE.startswith("text/plain; version=0.0.4")
