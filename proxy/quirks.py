"""What is known of firmware: a table, looked up by what a rig calls itself.

A row is one program or line of machines, what is peculiar about it, and who says so. All
rows that fit a rig count together. Most is never noticed: extranonce sizes are chosen so
that every row can use them. What cannot be met is told in the rig's status, and never a
reason to turn it away, since software may call itself what it likes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from headframe.stratum.numbers import Numbers

__all__ = ["PLAIN", "QUIRKS", "Quirk", "Traits", "page", "traits_of"]

_ANY_SIZE: Final = range(1, 1 << 16)
_EXTRANONCE1: Final = 32
"""Bytes that all take that no row is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirk:
    """One row.

    Attributes:
        name: short, for the status.
        agent: a regular expression for the beginning of what such a rig calls itself; case
            does not count.
        about: what the row is for, in a line.
        sources: who says so: an issue as owner/repository#number, or a file.
        extranonce1: bytes of extranonce1 that it takes at most.
        extranonce2: sizes of extranonce2 that it takes, in bytes.
        login: characters of a user name that it keeps; `None`: not known.
        numbers: difficulties that it reads.
        clean: a changed difficulty must come with a clean job.
        coinbase: bytes of coinbase that it can hash; `None`: not known.
        least: the least difficulty that it works on.
    """

    name: str
    agent: str
    about: str
    sources: tuple[str, ...]
    extranonce1: int = _EXTRANONCE1
    extranonce2: range | tuple[int, ...] = _ANY_SIZE
    login: int | None = None
    numbers: Numbers = Numbers.EXACT
    clean: bool = False
    coinbase: int | None = None
    least: float = 0.0


QUIRKS: Final = (
    Quirk(
        name="nerdminer",
        agent=r"nerd ?miner",
        about="Other sizes of extranonce2 become four bytes; the coinbase has a fixed buffer.",
        sources=("BitMaker-hub/NerdMiner_v2: src/utils.cpp", "BitMaker-hub/NerdMiner_v2#352"),
        extranonce2=(2, 4, 8),
        login=79,
        coinbase=255,
    ),
    Quirk(
        name="cpuminer",
        agent=r"cpuminer/",
        about="Takes any extranonce2 of 1 to 100 bytes.",
        sources=("pooler/cpuminer: util.c",),
        extranonce2=range(1, 101),
    ),
    Quirk(
        name="cpuminer-opt",
        agent=r"cpuminer-opt",
        about="As cgminer does, it refuses a pool with other sizes of extranonce2.",
        sources=("JayDDee/cpuminer-opt: util.c",),
        extranonce2=range(2, 17),
    ),
    Quirk(
        name="cgminer",
        agent=r"cgminer",
        about="Refuses a pool whose extranonce2 has fewer than 2 or more than 16 bytes.",
        sources=("ckolivas/cgminer: util.c",),
        extranonce2=range(2, 17),
    ),
    Quirk(
        name="cgminer-4.9",
        agent=r"cgminer/4\.9\.",
        about="One line of it read a difficulty of 1024.0 as 0; whole numbers are safe.",
        sources=("Stratehm/stratum-proxy#51",),
        numbers=Numbers.WHOLE,
    ),
    Quirk(
        name="avalon",
        agent=r"cgminer/4\.1[01]|.*avalon",
        about="Cuts user names off after 63 characters.",
        sources=("OCEAN-xyz/datum_gateway: doc/usernames.md",),
        login=63,
    ),
    Quirk(
        name="bfgminer",
        agent=r"bfgminer/",
        about="Takes whole difficulties as pool difficulty, 0.0015 % easier than all others.",
        sources=("luke-jr/bfgminer: util.c",),
        numbers=Numbers.PDIFF,
    ),
    Quirk(
        name="whatsminer",
        agent=r"whatsminer|btminer",
        about="Does not work with more than 8 bytes of extranonce2; longer names overflow.",
        sources=(
            "stratum-mining/stratum#1861",
            "OCEAN-xyz/datum_gateway: doc/usernames.md",
            "OCEAN-xyz/datum_gateway: src/datum_stratum.h",
        ),
        extranonce2=range(2, 9),
        login=127,
        coinbase=6500,
    ),
    Quirk(
        name="antminer",
        agent=r"(antminer|bmminer)(?! s21)",
        about="Stock firmware hashes a coinbase of some 750 bytes at most.",
        sources=("OCEAN-xyz/datum_gateway: src/datum_stratum.h",),
        coinbase=750,
    ),
    Quirk(
        name="antminer-s21",
        agent=r"antminer s21",
        about="Stock firmware hashes a coinbase of some 2,250 bytes at most.",
        sources=("OCEAN-xyz/datum_gateway: src/datum_stratum.h",),
        coinbase=2250,
    ),
    Quirk(
        name="bosminer",
        agent=r".*bosminer",
        about="Braiins OS is given no larger coinbase than that either.",
        sources=("OCEAN-xyz/datum_gateway: src/datum_stratum.c",),
        coinbase=2250,
    ),
    Quirk(
        name="closed-firmware",
        agent=r"antminer|bmminer|whatsminer|btminer",
        about="Some closed firmware, it is not said which, fails on fractions and on whole "
        "numbers that are no power of two; large pools send nothing else.",
        sources=("stratum-mining/sv2-apps#561",),
        numbers=Numbers.POWER_OF_TWO,
    ),
    Quirk(
        name="esp-miner",
        agent=r"bitaxe|nerd(q|oct|h|eko|a)|nmaxe|bitforge|luckyminer|zyber8",
        about="After a changed difficulty without a clean job it sends the same shares again "
        "and again. It goes through a small extranonce2 within minutes.",
        sources=(
            "bitaxeorg/ESP-Miner#1587",
            "bitaxeorg/ESP-Miner#1168",
            "bitaxeorg/ESP-Miner#1799",
            "OCEAN-xyz/datum_gateway: src/datum_stratum.h",
        ),
        extranonce2=range(2, 33),
        clean=True,
        coinbase=16_384,
    ),
    Quirk(
        name="apollo",
        agent=r"apollo|futurebit",
        about="Refuses an extranonce1 of more than 16 bytes.",
        sources=("jstefanop/Apollo-Miner-Binaries#19",),
        extranonce1=16,
    ),
    Quirk(
        name="epic-vnish",
        agent=r"powerplay-bm|xminer-1\.",
        about="Control boards with room for a coinbase of 16 KiB.",
        sources=("OCEAN-xyz/datum_gateway: src/datum_stratum.h",),
        coinbase=16_384,
    ),
    Quirk(
        name="nicehash",
        agent=r"nicehash/",
        about="Rents out hashrate: leaves pools of small difficulty and of large coinbases.",
        sources=("OCEAN-xyz/datum_gateway: src/datum_stratum.c",),
        coinbase=500,
        least=524_288,
    ),
    Quirk(
        name="ckpool",
        agent=r"ckpool|ckproxy",
        about="As a proxy behind us: takes an extranonce1 of 15 bytes and 1 to 8 of extranonce2.",
        sources=("skaisser/ckpool: src/stratifier.c",),
        extranonce1=15,
        extranonce2=range(1, 9),
    ),
)
"""The table. A row is added with its source, or not at all."""

_PATTERNS: Final = tuple((re.compile(row.agent, re.IGNORECASE), row) for row in QUIRKS)
_STRICTEST: Final = (Numbers.POWER_OF_TWO, Numbers.WHOLE, Numbers.PDIFF, Numbers.EXACT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """All rows that fit a rig, put together.

    Attributes:
        rows: those rows.
        numbers: difficulties that it reads.
        clean: a changed difficulty must come with a clean job.
        login: characters of a user name that it keeps; `None`: not known.
        coinbase: bytes of coinbase that it can hash; `None`: not known.
        least: the least difficulty that it works on; 0 for any.
    """

    rows: tuple[Quirk, ...] = field(default=(), repr=False)
    numbers: Numbers = Numbers.EXACT
    clean: bool = False
    login: int | None = None
    coinbase: int | None = None
    least: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the rows."""
        return tuple(row.name for row in self.rows)

    def problems(self, *, slice_size: int, size: int, coinbase: int, user: str) -> Iterator[str]:
        """Say what such a rig cannot do here, a line for each thing.

        Args:
            slice_size: bytes of its extranonce1.
            size: bytes of its extranonce2.
            coinbase: bytes of the running job's coinbase; 0 before the first.
            user: the name it gave.
        """
        for row in self.rows:
            if slice_size > row.extranonce1:
                yield f"{row.name} takes no extranonce1 of {slice_size} bytes"
            if size not in row.extranonce2:
                yield (
                    f"{row.name} takes no extranonce2 of {size} bytes: change extranonce.rollable"
                )
        if self.coinbase is not None and coinbase > self.coinbase:
            yield f"the coinbase has {coinbase} bytes, such rigs hash {self.coinbase} at most"
        if self.login is not None and len(user) >= self.login:
            yield f"its name has {len(user)} characters, such rigs cut off at {self.login}"


PLAIN: Final = Traits()
"""A rig that is in no row."""


def _least(values: Iterator[int | None]) -> int | None:
    return min((value for value in values if value is not None), default=None)


@lru_cache(maxsize=512)
def traits_of(agent: str) -> Traits:
    """Look up what is known of a rig.

    Args:
        agent: what it calls itself, as in `mining.subscribe`.
    """
    rows = tuple(row for pattern, row in _PATTERNS if pattern.match(agent))
    if not rows:
        return PLAIN
    return Traits(
        rows=rows,
        numbers=next(n for n in _STRICTEST if any(row.numbers is n for row in rows)),
        clean=any(row.clean for row in rows),
        login=_least(row.login for row in rows),
        coinbase=_least(row.coinbase for row in rows),
        least=max(row.least for row in rows),
    )


_INTRODUCTION: Final = """\
A row is a program or a line of machines, known by the beginning of what it calls itself.
All rows that fit a rig count together, at once and without a setting.
Its row in the status names them (`quirks`), and what it cannot do here (`problems`).
A difficulty is rounded down to what the rig reads, and its shares are judged by that number.
A clean job with each changed difficulty costs such a rig the work in hand, and nothing else.
"""
_COLUMNS: Final = (
    "quirk",
    "calls itself",
    "extranonce1",
    "extranonce2",
    "user name",
    "difficulty",
    "coinbase",
    "why",
    "source",
)


def page() -> str:
    """Make the table's page of the documentation, without its title."""
    head = f"| {' | '.join(_COLUMNS)} |\n{'|---' * len(_COLUMNS)}|\n"
    return f"{_INTRODUCTION}\n{head}{''.join(map(_line, QUIRKS))}"


def _line(row: Quirk) -> str:
    difficulty = [
        "" if row.numbers is Numbers.EXACT else str(row.numbers),
        "clean job" if row.clean else "",
        f"{row.least:,.0f} or more" if row.least else "",
    ]
    cells = (
        f"`{row.name}`",
        "`" + row.agent.replace("|", "\\|") + "`",
        "" if row.extranonce1 == _EXTRANONCE1 else f"to {row.extranonce1} bytes",
        _sizes(row.extranonce2),
        f"{row.login} characters" if row.login else "",
        ", ".join(filter(None, difficulty)),
        f"{row.coinbase:,} bytes" if row.coinbase else "",
        row.about,
        ", ".join(map(_link, row.sources)),
    )
    return "| " + " | ".join(cells) + " |\n"


def _sizes(sizes: range | tuple[int, ...]) -> str:
    if sizes == _ANY_SIZE:
        return ""
    if isinstance(sizes, range):
        return f"{sizes[0]} to {sizes[-1]} bytes"
    return ", ".join(map(str, sizes)) + " bytes"


def _link(source: str) -> str:
    repository, mark, number = source.partition("#")
    if mark:
        return f"[{source}](https://github.com/{repository}/issues/{number})"
    repository, _, path = source.partition(": ")
    return f"[{repository}](https://github.com/{repository}) `{path}`"
