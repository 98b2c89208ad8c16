"""The miner's settings."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from headframe.upstream.settings import BlocksSettings, PoolsSettings, UpstreamSettings
from miner.devices.base import Wishes
from miner.devices.manners import Manners, Priority, parse_cores

__all__ = [
    "DEFAULT_API_PORT",
    "DEFAULT_WEB_PORT",
    "ApiSettings",
    "LogSettings",
    "MinerConfig",
    "StopSettings",
    "WebSettings",
]

DEFAULT_WEB_PORT = 9333
DEFAULT_API_PORT = 4028


class WebSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The page with live figures, and the metrics."""

    enabled: Annotated[
        bool, msgspec.Meta(description="Serve page, JSON and metrics over HTTP.")
    ] = True
    host: Annotated[
        str,
        msgspec.Meta(description="Where to listen; whoever reaches it can read the figures."),
    ] = "127.0.0.1"
    port: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=65535)] | None,
        msgspec.Meta(
            description=f"The port. If unset: {DEFAULT_WEB_PORT}, or a free one when that is taken."
        ),
    ] = None
    allowed_hosts: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Further names that browsers reach the page by."),
    ] = ()
    token: Annotated[
        str,
        msgspec.Meta(
            description="What a caller must send to change something, such as POST "
            "/api/v1/reload: the header `Authorization: Bearer TOKEN`. 16 characters or more; "
            "without one, nothing can be changed over HTTP."
        ),
    ] = ""
    token_file: Annotated[
        str, msgspec.Meta(description="A file that holds the token, instead of `token`.")
    ] = ""


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The API of cgminer, for programs that watch miners."""

    enabled: Annotated[bool, msgspec.Meta(description="Answer cgminer's API over TCP.")] = True
    host: Annotated[
        str,
        msgspec.Meta(description="Where to listen; who is answered there, `read` and `write` say."),
    ] = "127.0.0.1"
    port: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=65535)] | None,
        msgspec.Meta(
            description=f"The port. If unset: {DEFAULT_API_PORT}, and when that is taken, a "
            "warning and no API."
        ),
    ] = None
    read: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Addresses and networks that may ask for figures, such as 192.168.0.0/24."
        ),
    ] = ("127.0.0.0/8", "::1")
    write: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Addresses and networks that may also change pools and end the miner."
        ),
    ] = ()


class LogSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is told on standard output."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        msgspec.Meta(description="The least that is told; debug tells of each job and share."),
    ] = "info"
    format: Annotated[
        Literal["auto", "screen", "text", "json"],
        msgspec.Meta(
            description="screen: all figures on the whole terminal; text: lines for people, with "
            "a live line below on a terminal; json: one JSON object a line; auto: screen on a "
            "terminal, text elsewhere."
        ),
    ] = "auto"
    every_seconds: Annotated[
        float,
        msgspec.Meta(
            gt=0, description="How often the figures are told where there is no terminal."
        ),
    ] = 30.0
    wire: Annotated[
        str,
        msgspec.Meta(
            description="A file for every line that pools say and hear, as JSON, passwords left "
            "out; it is put aside at 32 MiB, and three such are kept. Nothing if empty."
        ),
    ] = ""


class StopSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When to end by itself; for scripts."""

    once: Annotated[
        bool,
        msgspec.Meta(description="End with exit code 69 when no upstream can be used."),
    ] = False
    shares: Annotated[
        int, msgspec.Meta(ge=0, description="End after so many accepted shares; 0: never.")
    ] = 0
    blocks: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            description="End after so many accepted blocks; 0: never. Pools on regtest tell none.",
        ),
    ] = 0


class MinerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `headframe mine`."""

    upstreams: Annotated[
        tuple[UpstreamSettings, ...],
        msgspec.Meta(description="Pools and nodes, the preferred first; the others stand by."),
    ] = ()
    pools: Annotated[PoolsSettings, msgspec.Meta(description="How several upstreams are used.")] = (
        PoolsSettings()
    )
    blocks: Annotated[
        BlocksSettings, msgspec.Meta(description="What is done for blocks that are found.")
    ] = BlocksSettings()
    devices: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="What hashes: cpu; gpu for all GPUs, or gpu:0 for one; opencl or "
            "opencl:0 for what OpenCL finds, CPUs included; python for the slow reference alone. "
            "`headframe devices` lists them."
        ),
    ] = ("cpu",)
    threads: Annotated[
        int,
        msgspec.Meta(ge=0, le=4096, description="Threads that hash on the CPU; 0: all its cores."),
    ] = 0
    kernel: Annotated[
        str,
        msgspec.Meta(
            description="The kernel by its name, as `headframe devices` lists them; if empty, "
            "the fastest in a short measurement."
        ),
    ] = ""
    priority: Annotated[
        Priority,
        msgspec.Meta(
            description="What hashing threads are worth to Linux. low: nice 19, so others go "
            "first; idle: next to nothing while others want the core, but then the miner answers "
            "its pool slowly, too; normal: like any program."
        ),
    ] = "low"
    pin: Annotated[
        str,
        msgspec.Meta(
            description="Cores to keep hashing threads on, each thread on one: 0-3,6 or all. If "
            "empty, Linux moves them as it likes."
        ),
    ] = ""
    duty: Annotated[
        int,
        msgspec.Meta(
            ge=1, le=100, description="Percent of its core's time that each hashing thread takes."
        ),
    ] = 100
    gpu_latency_ms: Annotated[
        float,
        msgspec.Meta(
            ge=1,
            le=2000,
            description="How long a GPU is busy with one launch. Less keeps a desktop smooth; "
            "more is a little faster, and a new job waits longer.",
        ),
    ] = 50.0
    state_dir: Annotated[
        Path | None,
        msgspec.Meta(
            description="Where found blocks are kept until a node has judged them. If unset: "
            "$XDG_STATE_HOME/headframe/miner, or ~/.local/state/headframe/miner."
        ),
    ] = None
    web: Annotated[WebSettings, msgspec.Meta(description="Page and metrics.")] = WebSettings()
    api: Annotated[ApiSettings, msgspec.Meta(description="cgminer's API.")] = ApiSettings()
    log: Annotated[LogSettings, msgspec.Meta(description="Log lines.")] = LogSettings()
    stop: Annotated[StopSettings, msgspec.Meta(description="When to end.")] = StopSettings()

    def wishes(self) -> Wishes:
        """Make what the devices need.

        Raises:
            ConfigError: `pin` is no list of cores, or names one that may not be used.
        """
        manners = Manners(
            priority=self.priority, cores=parse_cores(self.pin), duty_percent=self.duty
        )
        return Wishes(
            threads=self.threads,
            kernel=self.kernel,
            manners=manners,
            latency_seconds=self.gpu_latency_ms / 1e3,
        )
