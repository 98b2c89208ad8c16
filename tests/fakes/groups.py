"""Groups of sources, by one call each."""

from collections.abc import Sequence
from typing import Any

from headframe.upstream.base import JobSource
from headframe.upstream.group import GroupOptions, SourceGroup
from headframe.upstream.strategy import FailoverStrategy, QuotaStrategy, RotateStrategy

__all__ = ["failover", "quota", "rotate"]


def failover(
    sources: Sequence[JobSource], *, standby: bool = False, **patience: Any
) -> SourceGroup:
    """The first that works; `patience` as in `GroupOptions`."""
    return SourceGroup(sources, FailoverStrategy(standby=standby), GroupOptions(**patience))


def quota(
    sources: Sequence[JobSource], weights: Sequence[float], *, turn_seconds: float, **patience: Any
) -> SourceGroup:
    """Each by its weight."""
    return SourceGroup(sources, QuotaStrategy(weights, turn_seconds), GroupOptions(**patience))


def rotate(sources: Sequence[JobSource], *, turn_seconds: float, **patience: Any) -> SourceGroup:
    """Each in turn."""
    return SourceGroup(sources, RotateStrategy(turn_seconds), GroupOptions(**patience))
