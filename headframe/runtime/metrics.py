"""Metrics as plain numbers in a dataclass, read when somebody asks.

    @dataclass(slots=True)
    class Stats:
        shares_accepted: int = counter("Shares that the upstream accepted.")
        hashrate: float = gauge("Hashes over the last minute.", "hashes_per_second")
        shares_rejected: dict[str, int] = by_label("Shares refused.", "reason", Reason)

The program writes `stats.shares_accepted += 1`; nothing on its hot path knows of
Prometheus. `Exporter` turns the object into samples at each scrape, and `describe` into
rows for the documentation.
"""

import asyncio
import dataclasses
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

__all__ = [
    "CONTENT_TYPE",
    "Exporter",
    "Histogram",
    "Rising",
    "Rows",
    "by_label",
    "by_labels",
    "counter",
    "describe",
    "gauge",
    "histogram",
    "histograms",
    "render",
    "render_in_turns",
]

CONTENT_TYPE = CONTENT_TYPE_LATEST

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """What stands beside a field: how it is exported, and what it means."""

    kind: Kind
    help: str
    unit: str
    labels: tuple[str, ...] = ()


class Histogram:
    """How often a measured value was at most so much.

    Args:
        bounds: upper bounds of the buckets, rising; one above all is added.
        counts: what was counted before, in each bucket alone; nothing by default.
        total: the sum of these values.
    """

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(
        self, bounds: Sequence[float], counts: Sequence[int] = (), total: float = 0.0
    ) -> None:
        if not bounds or list(bounds) != sorted(set(bounds)):
            raise ValueError(f"bounds of a histogram must rise: {list(bounds)}")
        self._bounds = tuple(bounds)
        self._counts = list(counts) or [0] * (len(bounds) + 1)
        self._sum = total

    def observe(self, value: float) -> None:
        """Count one measured value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def with_all_of(self, other: "Histogram") -> "Histogram":
        """Return a new one that has counted what both have.

        Args:
            other: one with the same bounds.
        """
        bounds, counts, total = other.parts
        if bounds != self._bounds:
            raise ValueError("histograms of other bounds cannot be added")
        return Histogram(
            bounds,
            [a + b for a, b in zip(self._counts, counts, strict=True)],
            self._sum + total,
        )

    @property
    def parts(self) -> tuple[tuple[float, ...], tuple[int, ...], float]:
        """The bounds, how many values are in each bucket alone, and their sum."""
        return self._bounds, tuple(self._counts), self._sum

    @property
    def count(self) -> int:
        """How many values were counted."""
        return sum(self._counts)

    @property
    def sum(self) -> float:
        """All counted values together."""
        return self._sum

    def buckets(self) -> list[tuple[str, float]]:
        """Return (upper bound as text, how many values are at most that), the last "+Inf"."""
        rows: list[tuple[str, float]] = []
        total = 0
        for bound, count in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            total += count
            rows.append((str(bound), float(total)))
        return rows


def counter(help: str, unit: str = "") -> Any:  # the field's own annotation says its type
    """Make a field for a number that only rises; exported with `_total` at the end.

    Args:
        help: one sentence for operators.
        unit: a base unit in the plural (`seconds`, `bytes`), or "" for things that are
            counted. It becomes the end of the exported name, unless the field's has it.
    """
    return dataclasses.field(default=0, metadata=_metadata("counter", help, unit))


def gauge(help: str, unit: str = "") -> Any:
    """Make a field for a number that rises and falls; arguments as for `counter`."""
    return dataclasses.field(default=0, metadata=_metadata("gauge", help, unit))


def by_label(
    help: str,
    label: str,
    values: Iterable[str],
    *,
    kind: Literal["counter", "gauge"] = "counter",
    unit: str = "",
) -> Any:
    """Make a field of one number for each of a closed set of values: a `dict[str, int]`.

    Args:
        help: one sentence for operators.
        label: what the values are, such as `reason`.
        values: all there are, such as a `StrEnum`; each starts at 0. Never names that a
            stranger can choose.
        kind: as `counter` or as `gauge`.
        unit: as for `counter`.
    """
    closed = tuple(values)
    return dataclasses.field(
        default_factory=lambda: dict.fromkeys(closed, 0),
        metadata=_metadata(kind, help, unit, (label,)),
    )


def by_labels(help: str, labels: Sequence[str], *, unit: str = "") -> Any:
    """Make a field of one counter for each of some tuples: a `dict[tuple[str, ...], int]`.

    Args:
        help: one sentence for operators.
        labels: what the parts of a tuple are, such as ("from", "to").
        unit: as for `counter`.

    It begins empty; who fills it sees to it that there is an end to the tuples, as there is
    of what stands in the settings.
    """
    return dataclasses.field(
        default_factory=dict, metadata=_metadata("counter", help, unit, tuple(labels))
    )


def histogram(help: str, unit: str, bounds: Sequence[float]) -> Any:
    """Make a field for a `Histogram` with these upper bounds; `unit` as for `counter`."""
    return dataclasses.field(
        default_factory=lambda: Histogram(bounds), metadata=_metadata("histogram", help, unit)
    )


def histograms(
    help: str, unit: str, bounds: Sequence[float], label: str, values: Iterable[str]
) -> Any:
    """Make a field of one `Histogram` for each of a closed set: a `dict[str, Histogram]`.

    Arguments as for `histogram` and `by_label`.
    """
    closed = tuple(values)
    return dataclasses.field(
        default_factory=lambda: {value: Histogram(bounds) for value in closed},
        metadata=_metadata("histogram", help, unit, (label,)),
    )


class Rising:
    """A counter that never falls, made of one that starts anew now and then.

    What it follows (a connection's, a device's, a pool's count) is at 0 again when that
    thing was made anew; what it had counted before stays counted.
    """

    __slots__ = ("_seen", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self._seen = 0.0

    def follow(self, value: float) -> float:
        """Take note of the value of now; return the total."""
        self.total += value - self._seen if value >= self._seen else value
        self._seen = value
        return self.total


class Rows:
    """Stats objects of one kind, told apart by a label, such as one for each device.

    Args:
        label: the label's name; the caller keeps its values bounded.
        kind: the dataclass of every row. A gauge that is `None` is not told.
        read: called at each scrape; the label's value and the row.
    """

    def __init__(self, label: str, kind: type, read: Callable[[], Mapping[str, object]]) -> None:
        self.label = label
        self.kind = kind
        self.read = read


class Exporter(Collector):
    """A Prometheus collector over objects of numbers; reads them at each scrape.

    Args:
        prefix: goes before every name, such as `headframe_proxy_`.
        stats_objects: dataclass objects whose fields were made by this module (other
            fields are passed over), and `Rows` of such.
        extra: metrics made at each scrape, such as those per worker; the caller keeps
            their number bounded and gives whole names.
    """

    def __init__(
        self,
        prefix: str,
        stats_objects: Iterable[object],
        extra: Callable[[], Iterable[Metric]] | None = None,
    ) -> None:
        self._prefix = prefix
        self._objects = tuple(stats_objects)
        self._extra = extra

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with its value of now."""
        for stats in self._objects:
            yield from self._families(stats)
        if self._extra is not None:
            yield from self._extra()

    def _families(self, stats: object) -> Iterator[Metric]:
        if isinstance(stats, Rows):
            kind, label = stats.kind, stats.label
            rows = [([key], row) for key, row in stats.read().items()]
        else:
            kind, label, rows = type(stats), "", [([], stats)]
        for field, about in _exported(kind):
            family = _family(self._prefix + field.name, about, label)
            for labels, row in rows:
                _fill(family, about, labels, getattr(row, field.name))
            if family.samples:
                yield family


def render(*collectors: Collector) -> bytes:
    """Write metrics in Prometheus's text format; `CONTENT_TYPE` is its content type."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return generate_latest(registry)


async def render_in_turns(*collectors: Collector) -> bytes:
    """Write metrics as `render` does, and let others have a turn after each metric.

    The text is made in a thread, of numbers that do not change any more: it is most of the work,
    and no other task waits for it.
    """
    families = []
    for collector in collectors:
        for family in collector.collect():
            families.append(family)
            await asyncio.sleep(0)
    return await asyncio.to_thread(generate_latest, _Collected(families))


class _Collected(CollectorRegistry):
    """Metrics that were read already."""

    def __init__(self, families: Sequence[Metric]) -> None:
        super().__init__()
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def describe(stats_type: type, *, prefix: str = "headframe_", label: str = "") -> str:
    """Write a Markdown table of a dataclass's metrics: name, kind, label and meaning.

    Args:
        stats_type: the dataclass.
        prefix: of the names.
        label: of the `Rows` that its objects are exported as, if they are.
    """
    rows = ["| metric | kind | label | meaning |", "|---|---|---|---|"]
    for field, about in _exported(stats_type):
        family = _family(prefix + field.name, about, label)
        suffix = "_total" if about.kind == "counter" else ""
        labels = ", ".join(f"`{each}`" for each in (label, *about.labels) if each)
        rows.append(f"| `{family.name}{suffix}` | {about.kind} | {labels} | {about.help} |")
    return "\n".join(rows) + "\n"


def _metadata(kind: Kind, text: str, unit: str, labels: tuple[str, ...] = ()) -> dict[str, _About]:
    if not text:
        raise ValueError("a metric needs a help text")
    return {"metric": _About(kind=kind, help=text, unit=unit, labels=labels)}


def _exported(stats_type: type) -> Iterator[tuple[dataclasses.Field[Any], _About]]:
    for field in dataclasses.fields(stats_type):
        about = field.metadata.get("metric")
        if isinstance(about, _About):
            yield field, about


_FAMILIES: Final = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}


def _family(name: str, about: _About, label: str) -> Any:  # three types, alike but for a base
    labels = [each for each in (label, *about.labels) if each]
    return _FAMILIES[about.kind](name, about.help, labels=labels, unit=about.unit)


def _fill(family: Any, about: _About, labels: list[str], value: Any) -> None:
    """Add the samples of one field: one, or one for each value of its own labels."""
    points = value.items() if about.labels else [((), value)]
    for key, number in points:
        whose = [*labels, *(key if isinstance(key, tuple) else (str(key),))]
        if number is None:
            continue
        if about.kind == "histogram":
            family.add_metric(whose, buckets=number.buckets(), sum_value=number.sum)
        else:
            family.add_metric(whose, number)
