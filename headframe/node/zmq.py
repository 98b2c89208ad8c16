"""`BlockPublisher`: tells by ZMQ of each new tip, as bitcoind's `-zmqpubhashblock` does.

A message has three frames: `hashblock`, the hash in display order, and a counter of 4 bytes,
little-endian. Of blocks that come faster than they can be told the last one is. Needs the
extra `zmq` (pyzmq).
"""

from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from headframe.chain.hashes import hash_to_hex
from headframe.node.service import NodeService
from headframe.runtime.errors import ConfigError

if TYPE_CHECKING:
    import zmq

__all__ = ["HIGH_WATER_MARK", "BlockPublisher"]

HIGH_WATER_MARK: Final = 1000
"""Messages kept for a subscriber that does not read; bitcoind's default."""
_TOPIC: Final = b"hashblock"
_COUNTER_MODULUS: Final = 2**32
_LONGEST_WAIT_SECONDS: Final = 3600.0


class BlockPublisher:
    """Publishes a node's tips, as an asynchronous context manager.

    Attributes:
        address: where it publishes, once the context was entered.
    """

    def __init__(self, node: NodeService, address: str) -> None:
        """Say where to publish.

        Args:
            node: whose blocks; it is told the address for `getzmqnotifications`.
            address: `tcp://host:port`, as bitcoind takes it; port `*` for a free one.
        """
        self._node = node
        self._asked = address
        self._counter = 0
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self.address = ""

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            ConfigError: pyzmq is missing, or the address cannot be listened on.
        """
        try:
            import zmq
        except ImportError:
            raise ConfigError(
                "publishing blocks by ZMQ needs pyzmq: install headframe[zmq], or leave `zmq` out"
            ) from None
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        try:
            self._socket.setsockopt(zmq.SNDHWM, HIGH_WATER_MARK)
            self._socket.setsockopt(zmq.IPV6, int("[" in self._asked))
            self._socket.bind(self._asked)
        except zmq.ZMQError as error:
            self._close()
            raise ConfigError(
                f"cannot publish at {self._asked} ({error.strerror}): `zmq` is an "
                "address of this machine and a free port, as in tcp://127.0.0.1:28332"
            ) from None
        self.address = self._socket.get_string(zmq.LAST_ENDPOINT).rstrip("\x00")
        self._node.published_at = self.address
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Stop; what subscribers have not read is dropped."""
        self._node.published_at = ""
        self._close()

    async def run(self) -> None:
        """Publish each new tip until cancelled.

        Raises:
            RpcError: the node is shutting down.
        """
        last = self._node.tip.hash
        while True:
            tip = await self._node.wait_tip(
                lambda tip, last=last: tip.hash != last,  # type: ignore[misc]
                _LONGEST_WAIT_SECONDS,
            )
            if tip.hash != last:
                last = tip.hash
                self._publish(last)

    def _publish(self, tip: bytes) -> None:
        assert self._socket is not None  # noqa: S101 - inside the context
        counter = self._counter.to_bytes(4, "little")
        self._counter = (self._counter + 1) % _COUNTER_MODULUS
        self._socket.send_multipart([_TOPIC, bytes.fromhex(hash_to_hex(tip)), counter])

    def _close(self) -> None:
        if self._context is not None:
            self._context.destroy(linger=0)
