"""Figures as people read them. Pure."""

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["difficulty_text", "duration_text", "hashrate_text", "line_of", "spans_text"]

_SPANS: Final = (
    ("5 s", "hashrate_5s_hps"),
    ("1 min", "hashrate_hps"),
    ("15 min", "hashrate_15m_hps"),
)
_PREFIXES: Final = ("", "k", "M", "G", "T", "P", "E", "Z")


def hashrate_text(hps: float) -> str:
    """Write hashes in a second with an SI prefix and three digits: `12.3 MH/s`."""
    size = 0
    while hps >= 999.5 and size < len(_PREFIXES) - 1:
        hps /= 1000
        size += 1
    return f"{_three_digits(hps)} {_PREFIXES[size]}H/s"


def difficulty_text(difficulty: float) -> str:
    """Write a difficulty, from the billionths of test pools to the trillions of mainnet."""
    if 1000 <= difficulty < 1_000_000:
        return f"{difficulty:.0f}"
    return f"{difficulty:.4g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")


def duration_text(seconds: float) -> str:
    """Write a time in its two largest units: `2 d 3 h`, `4 min 5 s`, `6 s`."""
    whole = int(seconds)
    parts = (
        (whole // 86400, "d"),
        (whole // 3600 % 24, "h"),
        (whole // 60 % 60, "min"),
        (whole % 60, "s"),
    )
    first = next((i for i, (number, _) in enumerate(parts) if number), len(parts) - 1)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2])


def spans_text(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Write the hashrates over the spans that are measured: `("5 s", "12.3 MH/s")`, ...

    Args:
        figures: of the miner or of a device, as in `Monitor.status`.
    """
    return [(span, hashrate_text(figures[key])) for span, key in _SPANS]


def line_of(status: Mapping[str, Any]) -> str:
    """Write the miner's status in one line, most wanted first: terminals cut the end.

    Args:
        status: as `Monitor.status` makes it.
    """
    shares, upstream = status["shares"], status["upstream"]
    parts = [hashrate_text(status["hashrate_hps"]), f"accepted {shares['accepted']}"]
    parts.append(f"rejected {shares['rejected']}{_reasons(shares['by_reason'])}")
    if shares["lost"]:
        parts.append(f"lost {shares['lost']}")
    if status["blocks"]["accepted"]:
        parts.append(f"blocks {status['blocks']['accepted']}")
    parts.append(f"difficulty {difficulty_text(status['difficulty'])}")
    parts.append(_upstream(upstream))
    parts.append(", ".join(dict.fromkeys(each["kernel"] for each in status["devices"])))
    parts.append(f"up {duration_text(status['uptime_seconds'])}")
    return " | ".join(part for part in parts if part)


def _upstream(upstream: Mapping[str, Any]) -> str:
    height = "" if upstream["height"] is None else f" at height {upstream['height']}"
    if upstream["state"] == "active":
        return f"{upstream['source']}{height}"
    waiting = upstream["state"] == "down" and not upstream["detail"]  # it has not failed yet
    return f"{upstream['source']} {'connecting' if waiting else upstream['state']}"


def _reasons(by_reason: Mapping[str, int]) -> str:
    seen = [f"{reason} {count}" for reason, count in by_reason.items() if count]
    return f" ({', '.join(seen)})" if seen else ""


def _three_digits(number: float) -> str:
    if number >= 99.95:
        return f"{number:.0f}"
    return f"{number:.1f}" if number >= 9.995 else f"{number:.2f}"
