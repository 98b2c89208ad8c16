"""`TipFeed`: hears by ZMQ of a new block, the moment the node has connected it.

The node publishes `hashblock` as three frames: the topic, the new tip's hash in display
order, and a counter, 4 bytes little-endian. It is a hint and no more: messages may be lost
(then the counter has a gap), and a node that counts as being in initial download, or that
goes back by `invalidateblock`, publishes nothing. So the other ways go on beside it, and a
publisher that is gone is waited for without end. Needs the extra `zmq` (pyzmq).
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from headframe.runtime.logs import get_logger
from headframe.upstream.node import NodeRpc, RpcError
from headframe.upstream.tasks import run_together

if TYPE_CHECKING:
    import zmq.asyncio

__all__ = ["TipFeed", "feed_address", "has_zmq", "is_feed_address"]

_log = get_logger(__name__)

_TOPIC: Final = b"hashblock"
_COUNTER_MODULUS: Final = 2**32
_RECONNECT_MS: Final = 250
_LONGEST_RECONNECT_MS: Final = 5_000
_HEARTBEAT_MS: Final = 10_000
"""A publisher whose machine vanished shows itself by this, and is connected to again."""
_HEARTBEAT_TIMEOUT_MS: Final = 30_000
_LARGEST_MESSAGE: Final = 4096
_ANYWHERE: Final = frozenset({"0.0.0.0", "*", "::", ""})  # noqa: S104 - what nodes say, not a bind
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def has_zmq() -> bool:
    """Tell whether pyzmq is installed."""
    return find_spec("zmq") is not None


def is_feed_address(text: str) -> bool:
    """Tell whether ZMQ can be told to connect there: `tcp://host:port` or `ipc://path`."""
    try:
        parts = urlsplit(text)
        if parts.scheme == "ipc":
            return bool(parts.netloc or parts.path)
        return parts.scheme == "tcp" and bool(parts.hostname) and bool(parts.port)
    except ValueError:  # a port that is none
        return False


async def feed_address(rpc: NodeRpc) -> str:
    """Ask a node where it publishes `hashblock`.

    Returns:
        An address that can be reached from here, "" if there is none: the node publishes
        nothing, does not say, or says it on its own machine alone and we are on another.

    Raises:
        UpstreamError: the node could not be asked.
    """
    try:
        answer = await rpc.call("getzmqnotifications")
    except RpcError:
        return ""  # built without ZMQ, or not allowed to us
    host = urlsplit(rpc.url).hostname or ""
    for entry in answer if isinstance(answer, list) else ():
        if isinstance(entry, dict) and entry.get("type") == "pubhashblock":
            address = _reachable(str(entry.get("address", "")), host)
            if address:
                return address
    return ""


def _reachable(address: str, node_host: str) -> str:
    """Make of where a node listens where to connect; "" if that cannot be from here."""
    local = node_host in _LOOPBACK
    if address.startswith("ipc://"):
        return address if local else ""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if parts.scheme != "tcp" or not port:
        return ""
    if host in _ANYWHERE:
        host = node_host
    elif host in _LOOPBACK and not local:
        return ""
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


class TipFeed:
    """Listens to one node's `hashblock`.

    Args:
        address: `tcp://host:port` or `ipc://path`, see `is_feed_address`.
        source: name of the node, for the log.
        saw: told each new tip, display hex.
        missed: told that messages may have been lost: ask for the tip.
    """

    def __init__(
        self,
        address: str,
        *,
        source: str,
        saw: Callable[[str], None],
        missed: Callable[[], None],
    ) -> None:
        self._address = address
        self._source = source
        self._saw = saw
        self._missed = missed
        self._last: int | None = None
        self._told = False

    async def run(self) -> None:
        """Listen until cancelled; a publisher that is gone is waited for."""
        import zmq
        import zmq.asyncio

        context = zmq.asyncio.Context()
        try:
            socket = context.socket(zmq.SUB)
            socket.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
            socket.setsockopt(zmq.RECONNECT_IVL_MAX, _LONGEST_RECONNECT_MS)
            socket.setsockopt(zmq.HEARTBEAT_IVL, _HEARTBEAT_MS)
            socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, _HEARTBEAT_TIMEOUT_MS)
            socket.setsockopt(zmq.MAXMSGSIZE, _LARGEST_MESSAGE)
            socket.setsockopt(zmq.IPV6, 1)
            socket.setsockopt(zmq.SUBSCRIBE, _TOPIC)
            events = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
            monitor = socket.get_monitor_socket(events)
            socket.connect(self._address)
            await run_together(self._listen(socket), self._follow_connection(monitor))
        finally:
            context.destroy(linger=0)

    async def _listen(self, socket: "zmq.asyncio.Socket") -> None:
        while True:
            self._take(await socket.recv_multipart())

    def _take(self, frames: list[Any]) -> None:
        if len(frames) != 3 or frames[0] != _TOPIC or len(frames[1]) != 32 or len(frames[2]) != 4:
            if not self._told:
                self._told = True
                _log.warning("zmq_not_understood", source=self._source, address=self._address)
            return
        counter = int.from_bytes(frames[2], "little")
        expected = None if self._last is None else (self._last + 1) % _COUNTER_MODULUS
        self._last = counter
        if expected not in (None, counter):
            _log.debug("zmq_messages_lost", source=self._source, expected=expected, counter=counter)
            self._missed()
        self._saw(frames[1].hex())

    async def _follow_connection(self, monitor: "zmq.asyncio.Socket") -> None:
        """Say when the publisher comes and goes; what it said in between is lost."""
        import zmq
        from zmq.utils.monitor import recv_monitor_message

        connected = False
        while True:
            event = (await recv_monitor_message(monitor))["event"]
            up = event == zmq.EVENT_HANDSHAKE_SUCCEEDED
            if up:
                self._last = None  # a node that was restarted counts from 0
                self._missed()
            if up != connected:
                name = "zmq_connected" if up else "zmq_lost"
                _log.info(name, source=self._source, address=self._address)
            connected = up
