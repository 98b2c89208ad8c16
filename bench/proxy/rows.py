"""What is measured: the rows of the table, and the limits that each must keep."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["ROWS", "Figure", "Row", "show"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing that is measured.

    Attributes:
        what: in words.
        unit: of all its figures.
        peers: what pools in C took on the reference machine.
        reference: the floor of that machine.
        must: the most it may be, on that machine.
        aim: what it should be, there.
    """

    what: str
    unit: str
    peers: str
    must: float
    aim: float
    reference: float | None = None


ROWS: Final = {
    "cpu_1000": Row(
        what="CPU a share, 1,000/s, 200 rigs",
        unit="us",
        reference=30,
        peers="130-229",
        must=90,
        aim=60,
    ),
    "cpu_5000": Row(
        what="CPU a share, 5,000/s, 200 rigs",
        unit="us",
        reference=17,
        peers="60-150",
        must=50,
        aim=30,
    ),
    "cpu_fleet": Row(
        what="CPU a share, 1,000/s, 5,000 rigs",
        unit="us",
        reference=38,
        peers="243-281",
        must=110,
        aim=75,
    ),
    "cpu_closed": Row(
        what="CPU a share, 8 unanswered, 200 rigs",
        unit="us",
        reference=9,
        peers="12.6-54",
        must=16,
        aim=12,
    ),
    "cpu_pool": Row(
        what="CPU a share, all sent up, 1,000/s", unit="us", peers="319", must=140, aim=90
    ),
    "p99_rate": Row(
        what="share answer p99, 5,000/s",
        unit="ms",
        reference=0.35,
        peers="1.0-3.3",
        must=2,
        aim=1,
    ),
    "p99_job": Row(what="... during a job to 5,000 rigs", unit="ms", peers="-", must=25, aim=10),
    "cpu_job": Row(
        what="CPU of one job to one rig", unit="us", reference=18, peers="31-63", must=21, aim=19
    ),
    "spread": Row(
        what="job to first to last of 5,000 rigs",
        unit="ms",
        reference=93,
        peers="82-112",
        must=105,
        aim=60,
    ),
    "block_first": Row(
        what="node's block to first of 5,000 rigs", unit="ms", peers="5-34", must=5, aim=3
    ),
    "block_last": Row(what="... to last", unit="ms", peers="118-120", must=115, aim=65),
    "rss_base": Row(
        what="memory without rigs", unit="MB", reference=1.4, peers="7-17", must=55, aim=40
    ),
    "rss_rig": Row(
        what="... and for each rig", unit="kB", reference=2, peers="5-50", must=4, aim=3
    ),
    "cpu_connect": Row(
        what="connecting, CPU a rig, 9,000 rigs",
        unit="us",
        reference=70,
        peers="250-1,100",
        must=200,
        aim=120,
    ),
}
"""By key, in the order of the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What came out.

    Attributes:
        row: key in `ROWS`.
        branches: merkle branches of the jobs; `None` where they play no part.
        floor: of the server that checks nothing, in the same run.
        proxy: of the proxy, the median of the rounds.
        low: the least of the rounds.
        high: the most of the rounds.
        note: what else there is to say.
    """

    row: str
    proxy: float
    low: float
    high: float
    branches: int | None = None
    floor: float | None = None
    note: str = ""

    @property
    def good(self) -> bool:
        """It keeps the limit."""
        return self.proxy <= ROWS[self.row].must


def _short(number: float | None) -> str:
    if number is None:
        return "-"
    return f"{number:.1f}" if number >= 3 else f"{number:.2f}"


def show(figures: Sequence[Figure]) -> None:
    """Print the table."""
    print(
        f"{'what':<38}{'br.':>4}{'floor':>7}{'proxy':>7}{'rounds':>14}{'ratio':>7}"
        f"{'must':>7}{'aim':>6}{'ref':>6}  peers"
    )
    for figure in figures:
        row = ROWS[figure.row]
        ratio = None if not figure.floor else figure.proxy / figure.floor
        mark = "" if figure.good else " !"
        print(
            f"{row.what + ', ' + row.unit:<38}"
            f"{'' if figure.branches is None else figure.branches:>4}"
            f"{_short(figure.floor):>7}{_short(figure.proxy):>7}"
            f"{_short(figure.low) + '-' + _short(figure.high):>14}{_short(ratio):>7}"
            f"{row.must:>7g}{row.aim:>6g}{_short(row.reference):>6}  {row.peers}{mark}"
            f"{'  ' + figure.note if figure.note else ''}"
        )
