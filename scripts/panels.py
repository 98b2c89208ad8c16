"""What dashboards are made of: boards, panels, and words that several of them use.

A metric's name may hold a variable: `headframe_${program}_...` is the proxy's or the miner's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

__all__ = [
    "BAD",
    "DEVICE_STATES",
    "GOOD",
    "MINER",
    "PROXY",
    "RATE",
    "STATES",
    "WHERE",
    "Board",
    "Panel",
    "quantiles",
    "stat",
    "state_number",
]

Kind = Literal["timeseries", "stat", "table", "bargauge", "state-timeline"]
Limits = tuple[tuple[float, str], ...]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A panel.

    Attributes:
        title: above it.
        help: what it tells, for who hovers over its corner.
        queries: expressions, and how each of their series is called.
        kind: of picture.
        unit: one of Grafana's, such as `Hs` for hashes in a second.
        width: in columns, of 24.
        height: in rows.
        stack: the series add up.
        limits: from which value on which colour; the first value is not looked at.
        words: (text, colour) for the values 0, 1, ...
        key: of a table, the label that makes a row.
        columns: of a table, what each query's column is called, and its unit.
        leads_to: of a table, the board that tells more of a row; it has a variable for the key.
    """

    title: str
    help: str
    queries: tuple[tuple[str, str], ...]
    kind: Kind = "timeseries"
    unit: str = "short"
    width: int = 12
    height: int = 8
    stack: bool = False
    limits: Limits = ()
    words: tuple[tuple[str, str], ...] = ()
    key: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    leads_to: str = ""


@dataclass(frozen=True, kw_only=True)
class Board:
    """A dashboard.

    Attributes:
        name: of its file.
        title: for people.
        help: what it is for.
        variables: by name, the label, and the metric whose values may be chosen; or the
            values themselves, with commas.
        panels: in order.
    """

    name: str
    title: str
    help: str
    variables: Mapping[str, tuple[str, str]]
    panels: tuple[Panel, ...]


PROXY: Final = "headframe_proxy_"
MINER: Final = "headframe_miner_"
WHERE: Final = '{instance=~"$instance"}'
"""In every query: the instances that are chosen."""
RATE: Final = "[$__rate_interval]"
"""Grafana's range that holds some scrapes, whatever the zoom."""
GOOD: Final[Limits] = ((0, "red"), (1, "green"))
BAD: Final[Limits] = ((0, "green"), (1, "red"))
STATES: Final = (
    ("down", "red"),
    ("connecting", "orange"),
    ("idle", "blue"),
    ("degraded", "yellow"),
    ("active", "green"),
)
DEVICE_STATES: Final = (("failed", "red"), ("idle", "blue"), ("hashing", "green"))


def stat(title: str, help: str, query: str, unit: str = "short", limits: Limits = ()) -> Panel:
    """Make a panel of one number."""
    return Panel(
        title=title,
        help=help,
        queries=((query, title),),
        kind="stat",
        unit=unit,
        width=4,
        height=4,
        limits=limits,
    )


def quantiles(metric: str, by: str) -> tuple[tuple[str, str], ...]:
    """Make the queries of a histogram's median and 99 %, for each value of a label."""
    labels = f"le, {by}" if by else "le"
    legend = f"{{{{{by}}}}} " if by else ""
    return tuple(
        (
            f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{WHERE}{RATE})))",
            f"{legend}{round(100 * share)} %",
        )
        for share in (0.5, 0.99)
    )


def state_number(metric: str, label: str, words: tuple[tuple[str, str], ...]) -> str:
    """Make one number of a state's gauges: the place of the state among the words."""
    parts = " or ".join(
        f'{metric}{{instance=~"$instance",state="{state}"}} * {value}'
        for value, (state, _) in enumerate(words)
    )
    return f"sum by (instance, {label}) ({parts})"
