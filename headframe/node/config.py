"""Settings of the embedded node."""

from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

__all__ = ["DEFAULT_PORT", "NodeConfig"]

DEFAULT_PORT: Final = 18443
"""Where bitcoind's RPC is on regtest."""


class NodeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the node is started with."""

    datadir: Annotated[
        str,
        Meta(description="Data folder; the chain is in its subfolder regtest. Empty: a default."),
    ] = ""
    listen: Annotated[str, Meta(description="Address that the RPC listens on.", min_length=1)] = (
        "127.0.0.1"
    )
    rpc_port: Annotated[
        int, Meta(description="Port of the RPC; 0 takes a free one.", ge=0, le=65535)
    ] = DEFAULT_PORT
    zmq: Annotated[
        str,
        Meta(
            description="Publish new blocks by ZMQ there (hashblock), as in tcp://127.0.0.1:28332; "
            "needs headframe[zmq]. Empty: do not."
        ),
    ] = ""
    tx_rate: Annotated[
        float,
        Meta(
            description="Transactions per second to make with coins of our own, so that blocks "
            "are not empty; on a chain without such coins 101 blocks are mined first. 0: none.",
            ge=0,
            le=100,
        ),
    ] = 0.0
    log_level: Annotated[
        str, Meta(description="The least that is logged: debug, info, warning or error.")
    ] = "info"
    log_format: Annotated[
        str, Meta(description="auto (text on a terminal, else JSON), json or text.")
    ] = "auto"

    def chain_folder(self, default: Path) -> Path:
        """Say where the chain is: where bitcoind would have it in the same data folder.

        Args:
            default: the data folder where none is set.
        """
        return (Path(self.datadir).expanduser() if self.datadir else default) / "regtest"
