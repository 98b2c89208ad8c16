"""Looks at `/metrics` again and again, and remembers the highest value of each counter."""

from collections.abc import Mapping

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Scrapes"]

Key = tuple[str, tuple[tuple[str, str], ...]]


class Scrapes:
    """Counters over many scrapes.

    Attributes:
        falls: each time that a counter was lower than before, in words.
        count: scrapes so far.
    """

    def __init__(self) -> None:
        self.falls: list[str] = []
        self.count = 0
        self._highest: dict[Key, float] = {}
        self._newest: dict[Key, float] = {}

    def add(self, page: bytes) -> None:
        """Take a scrape in."""
        self.count += 1
        self._newest = {}
        for family in text_string_to_metric_families(page.decode()):
            for key, value in _samples(family).items():
                self._newest[key] = value
                if family.type in {"counter", "histogram"}:
                    self._watch(key, value)

    def get(self, name: str, **labels: str) -> float:
        """Return a sample of the newest scrape; the sum of all that have these labels."""
        wanted = set(labels.items())
        return sum(
            value
            for (each, given), value in self._newest.items()
            if each == name and wanted <= set(given)
        )

    def labels(self, name: str, label: str) -> set[str]:
        """Return the values that a label has in the newest scrape."""
        return {dict(given)[label] for each, given in self._newest if each == name}

    def _watch(self, key: Key, value: float) -> None:
        highest = self._highest.get(key, 0.0)
        if value < highest:
            self.falls.append(f"{key[0]}{dict(key[1])} from {highest} to {value}")
        self._highest[key] = max(highest, value)


def _samples(family: Metric) -> Mapping[Key, float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for sample in family.samples
    }
