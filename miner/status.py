"""What the miner tells of itself: the data of its page, its API and its screens.

The JSON Schema of `MinerStatus` is in `docs/schema` and served at `/api/v1/schema`. Fields
come to be, and none goes or changes its meaning within `v1`.
"""

from typing import Annotated, Literal

import msgspec

from headframe.upstream.report import PoolStatus, UpstreamStatus

__all__ = ["BlockStatus", "BlocksStatus", "DeviceStatus", "MinerStatus", "SharesStatus"]

Count = Annotated[int, msgspec.Meta(ge=0)]


class SharesStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the shares that were found."""

    submitted: Annotated[Count, msgspec.Meta(description="Sent to an upstream.")]
    accepted: Annotated[Count, msgspec.Meta(description="Of these, accepted.")]
    rejected: Annotated[Count, msgspec.Meta(description="Of these, refused.")]
    by_reason: Annotated[dict[str, Count], msgspec.Meta(description="The refused ones, by reason.")]
    lost: Annotated[Count, msgspec.Meta(description="Of these, those whose connection went first.")]
    dropped: Annotated[dict[str, Count], msgspec.Meta(description="Found, but not sent, by cause.")]


class BlockStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A block that was found."""

    height: Annotated[int | None, msgspec.Meta(description="Where the upstream told it.")]
    hash: Annotated[str, msgspec.Meta(description="In display order.", pattern="^[0-9a-f]*$")]
    time: Annotated[int, msgspec.Meta(description="Of the verdict, in seconds since 1970.")]
    verdict: Annotated[str, msgspec.Meta(description='"accepted", or why not.')]


class BlocksStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The blocks that were found."""

    found: Count
    accepted: Count
    list: Annotated[
        tuple[BlockStatus, ...], msgspec.Meta(description="The last ones, the newest first.")
    ]


class DeviceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A device that hashes."""

    name: Annotated[str, msgspec.Meta(description='Such as "cpu:0"; unique.')]
    kernel: Annotated[str, msgspec.Meta(description='The kernel in use, or "".')]
    state: Literal["idle", "hashing", "failed"]
    hashrate_5s_hps: Annotated[float, msgspec.Meta(description="Over the last 5 seconds.")]
    hashrate_hps: Annotated[float, msgspec.Meta(description="Over the last minute.")]
    hashrate_15m_hps: Annotated[float, msgspec.Meta(description="Over the last 15 minutes.")]
    hashes: Annotated[Count, msgspec.Meta(description="Since the start.")]
    solutions: Annotated[Count, msgspec.Meta(description="Nonces that it claimed.")]
    wrong: Annotated[Count, msgspec.Meta(description="Of these, refused by hashlib.")]
    retired: Annotated[Count, msgspec.Meta(description="Kernels given up for such nonces.")]
    sensors: Annotated[
        dict[str, float],
        msgspec.Meta(description="What it tells, by name and unit, such as power_watts."),
    ]


class MinerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a miner is doing."""

    program: Literal["miner"] = "miner"
    version: str
    uptime_seconds: Annotated[float, msgspec.Meta(ge=0)]
    upstream: UpstreamStatus
    pools: Annotated[
        tuple[PoolStatus, ...],
        msgspec.Meta(description="All upstreams, in the order of preference."),
    ]
    hashrate_5s_hps: Annotated[
        float, msgspec.Meta(description="Hashes in a second, over the last 5 seconds.")
    ]
    hashrate_hps: Annotated[float, msgspec.Meta(description="Over the last minute.")]
    hashrate_15m_hps: Annotated[float, msgspec.Meta(description="Over the last 15 minutes.")]
    hashes: Annotated[Count, msgspec.Meta(description="Since the start, of all devices.")]
    difficulty: Annotated[
        float, msgspec.Meta(ge=0, description="Of the running job's shares; 0 without a job.")
    ]
    best_difficulty: Annotated[
        float, msgspec.Meta(ge=0, description="Of the best share sent; 0 before one.")
    ]
    job_age_seconds: Annotated[
        float | None, msgspec.Meta(description="Since the running job came.")
    ]
    lost_hashes: Annotated[
        Count, msgspec.Meta(description="Not done for lack of work between two jobs.")
    ]
    shares: SharesStatus
    blocks: BlocksStatus
    devices: tuple[DeviceStatus, ...]
