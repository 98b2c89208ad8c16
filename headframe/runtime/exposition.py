"""Prometheus's text format: metrics with their samples, and the page that is made of them.

The format is that of Prometheus's documentation, "Exposition formats", version 0.0.4: for each
metric a line of help, a line with its type, and a line for each sample. A counter's samples
end in `_total`; a histogram has a bucket for each bound, their count, and their sum.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Literal, Protocol

__all__ = ["CONTENT_TYPE", "Collector", "Family", "Kind", "write"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Kind = Literal["counter", "gauge", "histogram"]

_IN_HELP: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})
_IN_LABELS: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Family:
    """One metric, with the numbers that it has at a scrape.

    Args:
        name: the whole of it, but for the `_total` of a counter.
        kind: what its numbers are.
        help: one sentence for operators.
        labels: names of what its samples differ in.
    """

    __slots__ = ("_histograms", "_numbers", "help", "kind", "labels", "name")

    def __init__(self, name: str, kind: Kind, help: str, labels: Sequence[str] = ()) -> None:
        self.name = name
        self.kind = kind
        self.help = help
        self.labels = tuple(labels)
        self._numbers: list[tuple[Sequence[str], float]] = []
        self._histograms: list[tuple[Sequence[str], Sequence[tuple[str, float]], float]] = []

    def __bool__(self) -> bool:
        """Whether there is a sample."""
        return bool(self._numbers or self._histograms)

    @property
    def shown_as(self) -> str:
        """The name in the page."""
        return self.name + "_total" if self.kind == "counter" else self.name

    def add(self, values: Sequence[str], number: float) -> None:
        """Add the number of a counter or a gauge.

        Args:
            values: of the labels, in their order.
            number: what it is now.
        """
        self._numbers.append((values, number))

    def add_histogram(
        self, values: Sequence[str], buckets: Sequence[tuple[str, float]], total: float
    ) -> None:
        """Add a histogram.

        Args:
            values: of the labels, in their order.
            buckets: upper bound as text, and how many values are at most that; the last is
                "+Inf", and so has all.
            total: the sum of the values.
        """
        self._histograms.append((values, buckets, total))

    def lines(self) -> Iterator[str]:
        """Write it."""
        name = self.shown_as
        yield f"# HELP {name} {self.help.translate(_IN_HELP)}\n# TYPE {name} {self.kind}\n"
        line = _writer(name, self.labels)
        for values, number in self._numbers:
            yield line(values, number)
        bucket = _writer(f"{name}_bucket", (*self.labels, "le"))
        count, sum_ = (_writer(f"{name}_{end}", self.labels) for end in ("count", "sum"))
        for values, buckets, total in self._histograms:
            for bound, number in buckets:
                yield bucket((*values, bound), number)
            yield count(values, buckets[-1][1])
            yield sum_(values, total)


class Collector(Protocol):
    """Whoever has metrics to tell."""

    def collect(self) -> Iterable[Family]:
        """Return them with their numbers of now."""


def write(families: Iterable[Family]) -> bytes:
    """Write a page; `CONTENT_TYPE` is its content type."""
    text = "".join(line for family in families for line in family.lines())
    return text.encode(errors="replace")


def _writer(name: str, labels: Sequence[str]) -> Callable[[Sequence[str], float], str]:
    """Make what writes samples of this name; their labels stand in the order of the alphabet."""
    order = sorted(range(len(labels)), key=labels.__getitem__)
    shown = ",".join(f'{labels[at]}="%s"' for at in order)
    shape = (f"{name}{{{shown}}}" if labels else name) + " %s\n"

    def line(values: Sequence[str], number: float) -> str:
        return shape % (*[values[at].translate(_IN_LABELS) for at in order], _text(number))

    return line


def _text(number: float) -> str:
    """Write a number as Go reads it."""
    number = float(number)
    if math.isfinite(number):
        return repr(number)
    return "NaN" if math.isnan(number) else "+Inf" if number > 0 else "-Inf"
