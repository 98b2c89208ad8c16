import asyncio
from dataclasses import dataclass
from enum import StrEnum

import pytest
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from headframe.runtime.metrics import (
    CONTENT_TYPE,
    Exporter,
    Histogram,
    Rising,
    Rows,
    by_label,
    by_labels,
    counter,
    describe,
    gauge,
    histogram,
    histograms,
    render,
    render_in_turns,
)


class Why(StrEnum):
    STALE = "stale"
    DUPLICATE = "duplicate"


@dataclass(slots=True)
class Stats:
    shares_accepted: int = counter("Shares accepted.")
    sent_bytes: int = counter("Bytes sent.", "bytes")
    hashrate: float = gauge("Hashes over the last minute.", "hashes_per_second")
    rigs: int = gauge("Rigs connected.")
    shares_refused: dict[str, int] = by_label("Shares refused.", "reason", Why)
    sources: dict[str, int] = by_label("Sources by state.", "state", ["up", "down"], kind="gauge")
    answer: Histogram = histogram("Time to the pool's answer.", "seconds", (0.1, 1.0))
    note: str = "not a metric"


def parsed(text: bytes) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text.decode())}


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parsed(text).values()
        for sample in family.samples
    }


def test_a_scrape_shows_the_numbers_of_now():
    stats = Stats()
    exporter = Exporter("headframe_proxy_", [stats])
    stats.shares_accepted += 3
    stats.sent_bytes += 10
    stats.hashrate = 2.5
    stats.shares_refused[Why.STALE] += 2
    assert samples(render(exporter)) == {
        ("headframe_proxy_shares_accepted_total", ()): 3,
        ("headframe_proxy_sent_bytes_total", ()): 10,
        ("headframe_proxy_hashrate_hashes_per_second", ()): 2.5,
        ("headframe_proxy_rigs", ()): 0,
        ("headframe_proxy_shares_refused_total", (("reason", "stale"),)): 2,
        ("headframe_proxy_shares_refused_total", (("reason", "duplicate"),)): 0,
        ("headframe_proxy_sources", (("state", "up"),)): 0,
        ("headframe_proxy_sources", (("state", "down"),)): 0,
        ("headframe_proxy_answer_seconds_bucket", (("le", "0.1"),)): 0,
        ("headframe_proxy_answer_seconds_bucket", (("le", "1.0"),)): 0,
        ("headframe_proxy_answer_seconds_bucket", (("le", "+Inf"),)): 0,
        ("headframe_proxy_answer_seconds_count", ()): 0,
        ("headframe_proxy_answer_seconds_sum", ()): 0,
    }
    stats.shares_accepted += 1
    assert samples(render(exporter))["headframe_proxy_shares_accepted_total", ()] == 4


def test_types_and_help_are_told():
    families = parsed(render(Exporter("headframe_", [Stats()])))
    told = {name: (family.type, family.documentation) for name, family in families.items()}
    assert told["headframe_shares_accepted"] == ("counter", "Shares accepted.")
    assert told["headframe_rigs"] == ("gauge", "Rigs connected.")
    assert told["headframe_answer_seconds"] == ("histogram", "Time to the pool's answer.")
    assert "headframe_note" not in told


def test_several_collectors_and_extra_metrics_are_rendered_together():
    def workers() -> list[Metric]:
        family = GaugeMetricFamily("headframe_worker_hashrate", "Each.", labels=["worker"])
        family.add_metric(['a "name"\nwith\\care'], 7)
        return [family]

    text = render(Exporter("a_", [Stats()], workers), Exporter("b_", [Stats()]))
    shown = samples(text)
    assert shown["headframe_worker_hashrate", (("worker", 'a "name"\nwith\\care'),)] == 7
    assert shown["a_rigs", ()] == shown["b_rigs", ()] == 0


def test_each_object_has_its_own_numbers_by_label():
    one, other = Stats(), Stats()
    one.shares_refused[Why.STALE] += 1
    assert other.shares_refused[Why.STALE] == 0


def test_the_content_type_is_prometheus_text():
    assert CONTENT_TYPE.startswith("text/plain; version=")


def test_a_histogram_counts_values_at_most_the_bound():
    times = Histogram((0.1, 1.0, 10.0))
    for value in (0.05, 0.1, 0.5, 10.0, 11.0):
        times.observe(value)
    assert times.buckets() == [("0.1", 2), ("1.0", 3), ("10.0", 4), ("+Inf", 5)]
    assert times.count == 5
    assert times.sum == pytest.approx(21.65)


@pytest.mark.parametrize("bounds", [(), (2, 1), (1, 1)])
def test_bounds_that_do_not_rise_are_refused(bounds):
    with pytest.raises(ValueError, match="must rise"):
        Histogram(bounds)


def test_a_metric_without_help_is_refused():
    with pytest.raises(ValueError, match="help"):
        counter("")


def test_the_documentation_has_a_row_for_each_metric_by_its_exported_name():
    rows = describe(Stats, prefix="headframe_proxy_").splitlines()
    assert rows[:2] == ["| metric | kind | label | meaning |", "|---|---|---|---|"]
    assert rows[2] == (
        "| `headframe_proxy_shares_accepted_total` | counter |  | Shares accepted. |"
    )
    assert (
        "| `headframe_proxy_shares_refused_total` | counter | `reason` | Shares refused. |" in rows
    )
    exported = set(parsed(render(Exporter("headframe_proxy_", [Stats()]))))
    documented = {row.split("`")[1].removesuffix("_total") for row in rows[2:]}
    assert documented == exported


@dataclass(slots=True)
class PoolStats:
    shares: int = counter("Shares of a pool.")
    age: float | None = gauge("Age of its job.", "seconds")
    state: dict[str, int] = by_label("1 for its state.", "state", ["up", "down"], kind="gauge")
    answer: dict[str, Histogram] = histograms(
        "Time to its answer.", "seconds", (1.0,), "stage", ["first", "last"]
    )


def test_rows_are_told_apart_by_a_label_in_front_of_their_own():
    rows = {"a": PoolStats(shares=3, age=None), "b": PoolStats(shares=4, age=2.5)}
    rows["b"].state["up"] = 1
    rows["b"].answer["last"].observe(0.5)
    exporter = Exporter("x_", [Rows("pool", PoolStats, lambda: rows)])
    shown = samples(render(exporter))
    assert shown["x_shares_total", (("pool", "a"),)] == 3
    assert shown["x_shares_total", (("pool", "b"),)] == 4
    assert shown["x_state", (("pool", "b"), ("state", "up"))] == 1
    assert shown["x_state", (("pool", "a"), ("state", "up"))] == 0
    assert shown["x_answer_seconds_count", (("pool", "b"), ("stage", "last"))] == 1
    assert shown["x_answer_seconds_count", (("pool", "b"), ("stage", "first"))] == 0
    ages = {key: value for key, value in shown.items() if key[0] == "x_age_seconds"}
    assert ages == {("x_age_seconds", (("pool", "b"),)): 2.5}, "what is not known is not told"


def test_a_family_without_any_value_is_left_out():
    assert render(Exporter("x_", [Rows("pool", PoolStats, dict)])) == b""


def test_the_documentation_of_rows_names_both_labels():
    table = describe(PoolStats, prefix="x_", label="pool")
    assert "| `x_state` | gauge | `pool`, `state` | 1 for its state. |" in table
    assert "| `x_answer_seconds` | histogram | `pool`, `stage` | Time to its answer. |" in table


def test_a_counter_made_of_one_that_starts_anew_never_falls():
    rising = Rising()
    assert [rising.follow(value) for value in (0, 3, 3, 1, 4, 0, 2)] == [0, 3, 3, 4, 7, 7, 9]
    assert rising.total == 9


@dataclass(slots=True)
class Moves:
    moves: dict[tuple[str, ...], int] = by_labels("Moves.", ("from", "to"))
    answer: Histogram | None = histogram("Time to an answer.", "seconds", (1.0,))

    def __post_init__(self) -> None:
        self.answer = None


def test_a_counter_may_have_several_labels_and_begins_with_none():
    stats = Moves()
    exporter = Exporter("x_", [stats])
    assert samples(render(exporter)) == {}
    stats.moves["a", "b"] = 2
    assert samples(render(exporter)) == {("x_moves_total", (("from", "a"), ("to", "b"))): 2}
    assert "| `x_moves_total` | counter | `from`, `to` | Moves. |" in describe(Moves, prefix="x_")


def test_labels_of_rows_come_before_their_own():
    stats = Moves()
    stats.moves["a", "b"] = 1
    text = render(Exporter("x_", [Rows("site", Moves, lambda: {"here": stats})]))
    labels = (("from", "a"), ("site", "here"), ("to", "b"))
    assert samples(text) == {("x_moves_total", labels): 1}


def test_a_histogram_that_is_not_there_has_no_sample():
    assert render(Exporter("x_", [Moves()])) == b""


async def test_others_have_a_turn_after_each_metric():
    stats, turns = Stats(), 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    exporter = Exporter("x_", [stats])
    async with asyncio.TaskGroup() as group:
        task = group.create_task(other())
        text = await render_in_turns(exporter)
        task.cancel()
    assert text == render(exporter)
    assert turns >= len(list(exporter.collect()))


def test_histograms_of_the_same_bounds_add_up():
    one, other = Histogram((1.0, 2.0)), Histogram((1.0, 2.0))
    for histogram_, value in ((one, 0.5), (one, 5.0), (other, 1.5)):
        histogram_.observe(value)
    both = one.with_all_of(other)
    assert both.buckets() == [("1.0", 1.0), ("2.0", 2.0), ("+Inf", 3.0)]
    assert (both.sum, one.count) == (7.0, 2)
    with pytest.raises(ValueError, match="other bounds"):
        one.with_all_of(Histogram((1.0,)))
