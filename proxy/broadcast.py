"""`Broadcast`: what many rigs are sent alike, gathered for one call.

Between the first `add` and `send` nothing may be awaited: so no socket is closed meanwhile,
and no other line overtakes.
"""

from array import array
from asyncio import WriteTransport
from typing import Final

from native.send import Sender

__all__ = ["Broadcast"]

_FEW: Final = 4
"""So few are sent one by one."""


class Broadcast:
    """Lines to many connections.

    Args:
        sender: sends them.
    """

    __slots__ = ("_lines", "_sender")

    def __init__(self, sender: Sender | None = None) -> None:
        self._sender = sender or Sender()
        self._lines: dict[bytes, tuple[array[int], list[WriteTransport]]] = {}

    def add(self, data: bytes, number: int, transport: WriteTransport) -> None:
        """Have bytes sent.

        Args:
            data: all that is to be sent on this connection.
            number: the descriptor of its socket; nothing waits to be sent there.
            transport: takes what the socket does not take at once.
        """
        group = self._lines.get(data)
        if group is None:
            group = self._lines[data] = (array("i"), [])
        group[0].append(number)
        group[1].append(transport)

    def send(self) -> None:
        """Send all that was added."""
        lines, self._lines = self._lines, {}
        for data, (numbers, transports) in lines.items():
            if len(transports) < _FEW:
                for transport in transports:
                    transport.write(data)
                continue
            taken, size = self._sender.send(data, numbers), len(data)
            if taken.count(size) == len(transports):
                continue
            for got, transport in zip(taken, transports, strict=True):
                if got != size:  # its buffer is full, or the connection is at its end
                    transport.write(data[got:])
