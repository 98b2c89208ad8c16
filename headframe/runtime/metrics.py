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

import dataclasses
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

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
    "by_label",
    "counter",
    "describe",
    "gauge",
    "histogram",
    "render",
]

CONTENT_TYPE = CONTENT_TYPE_LATEST

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """What stands beside a field: how it is exported, and what it means."""

    kind: Kind
    help: str
    unit: str
    label: str = ""


class Histogram:
    """How often a measured value was at most so much.

    Args:
        bounds: upper bounds of the buckets, rising; one above all is added.
    """

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        if not bounds or list(bounds) != sorted(set(bounds)):
            raise ValueError(f"bounds of a histogram must rise: {list(bounds)}")
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one measured value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

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
        metadata=_metadata(kind, help, unit, label),
    )


def histogram(help: str, unit: str, bounds: Sequence[float]) -> Any:
    """Make a field for a `Histogram` with these upper bounds; `unit` as for `counter`."""
    return dataclasses.field(
        default_factory=lambda: Histogram(bounds), metadata=_metadata("histogram", help, unit)
    )


class Exporter(Collector):
    """A Prometheus collector over objects of numbers; reads them at each scrape.

    Args:
        prefix: goes before every name, such as `headframe_proxy_`.
        stats_objects: dataclass objects whose fields were made by this module; other
            fields are passed over.
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
            for field, about in _exported(type(stats)):
                yield _family(self._prefix + field.name, about, getattr(stats, field.name))
        if self._extra is not None:
            yield from self._extra()


def render(*collectors: Collector) -> bytes:
    """Write metrics in Prometheus's text format; `CONTENT_TYPE` is its content type."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return generate_latest(registry)


def describe(stats_type: type, *, prefix: str = "headframe_") -> str:
    """Write a Markdown table of a dataclass's metrics: name, kind, label and meaning."""
    rows = ["| metric | kind | label | meaning |", "|---|---|---|---|"]
    for field, about in _exported(stats_type):
        family = _family(prefix + field.name, about, _empty(about))
        suffix = "_total" if about.kind == "counter" else ""
        label = f"`{about.label}`" if about.label else ""
        rows.append(f"| `{family.name}{suffix}` | {about.kind} | {label} | {about.help} |")
    return "\n".join(rows) + "\n"


def _metadata(kind: Kind, text: str, unit: str, label: str = "") -> dict[str, _About]:
    if not text:
        raise ValueError("a metric needs a help text")
    return {"metric": _About(kind=kind, help=text, unit=unit, label=label)}


def _exported(stats_type: type) -> Iterator[tuple[dataclasses.Field[Any], _About]]:
    for field in dataclasses.fields(stats_type):
        about = field.metadata.get("metric")
        if isinstance(about, _About):
            yield field, about


def _empty(about: _About) -> object:
    if about.kind == "histogram":
        return Histogram((1.0,))
    return {} if about.label else 0


def _family(name: str, about: _About, value: Any) -> Metric:
    if about.kind == "histogram":
        family = HistogramMetricFamily(name, about.help, unit=about.unit)
        family.add_metric([], buckets=value.buckets(), sum_value=value.sum)
        return family
    family_type = CounterMetricFamily if about.kind == "counter" else GaugeMetricFamily
    if not about.label:
        return family_type(name, about.help, value=value, unit=about.unit)
    labelled = family_type(name, about.help, labels=[about.label], unit=about.unit)
    for key, number in value.items():
        labelled.add_metric([str(key)], number)
    return labelled
