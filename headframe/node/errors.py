"""What `node` raises, and the numbers that bitcoind gives to its RPC errors.

NodeError                the node cannot start or go on; one line for people
    KernelError          libbitcoinkernel refuses the folder, or failed
        FolderError      the data folder cannot be used; exit code 2
    NoKernelError        libbitcoinkernel is not to be had here; exit code 2
RpcError                 the answer to one request: a code and a message, as bitcoind has them
TxRefusedError           a transaction is not taken into the mempool
BlockDecodeError         bytes that are no block
"""

from enum import IntEnum
from typing import ClassVar

from headframe.runtime.errors import EXIT_USAGE, HeadframeError

__all__ = [
    "BlockDecodeError",
    "Code",
    "FolderError",
    "KernelError",
    "NoKernelError",
    "NodeError",
    "RpcError",
    "TxRefusedError",
]


class NodeError(HeadframeError):
    """The node cannot start or go on; the text is one line that says what to do."""


class KernelError(NodeError):
    """libbitcoinkernel refuses the folder, or failed."""


class FolderError(KernelError):
    """The data folder cannot be used: another process has it, or we may not write there."""

    exit_code: ClassVar[int] = EXIT_USAGE


class NoKernelError(NodeError):
    """libbitcoinkernel is not to be had on this machine or for this Python."""

    exit_code: ClassVar[int] = EXIT_USAGE


class TxRefusedError(ValueError):
    """A transaction is not taken into the mempool; the text is bitcoind's word for why.

    Attributes:
        missing: an input is unknown or spent, which has an RPC code of its own.
    """

    def __init__(self, reason: str, *, missing: bool = False) -> None:
        super().__init__(reason)
        self.missing = missing


class BlockDecodeError(ValueError):
    """Bytes that do not begin with a whole block."""


class Code(IntEnum):
    """Error codes of bitcoind's JSON-RPC, as in its `rpc/protocol.h`."""

    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    PARSE_ERROR = -32700
    INTERNAL = -32603
    MISC = -1
    TYPE = -3
    INVALID_ADDRESS_OR_KEY = -5
    INVALID_PARAMETER = -8
    NOT_CONNECTED = -9
    DESERIALIZATION = -22
    VERIFY = -25
    VERIFY_REJECTED = -26
    VERIFY_ALREADY_IN_CHAIN = -27


class RpcError(Exception):
    """One request failed.

    Attributes:
        code: the number for the caller.
        message: the text for the caller.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(f"{code.value}: {message}")
        self.code = code
        self.message = message
