"""Names of workers, introduced to a pool before their first share.

Many pools refuse shares of a name that was never authorised (error 24). So a new name is
authorised when its first share comes, and its shares wait for the answer; but not longer
than until a later request is answered or a job comes, since ckpool never answers a second
authorize.
"""

from typing import Final

__all__ = ["MAX_NAMES", "Names"]

MAX_NAMES: Final = 4096
"""Names that are introduced on one connection; shares of others go unannounced."""


class Names:
    """The names that one connection has used.

    Args:
        own: the one that the connection itself is authorised for.
    """

    def __init__(self, own: str) -> None:
        self._known = {own}
        self._asked: dict[int, str] = {}  # request id of the authorize, rising
        self._held: dict[str, list[bytes]] = {}

    def is_new(self, name: str) -> bool:
        """Tell whether a name is to be introduced before it is used."""
        return name not in self._known and len(self._known) < MAX_NAMES

    def introduced(self, name: str, request_id: int) -> None:
        """Take note of the request that introduces a name."""
        self._known.add(name)
        self._asked[request_id] = name
        self._held[name] = []

    def hold(self, name: str, line: bytes) -> bool:
        """Keep a share's line back if its name waits for an answer; tell whether it does."""
        held = self._held.get(name)
        if held is None:
            return False
        held.append(line)
        return True

    def name_of(self, request_id: int) -> str:
        """Return whom a request introduced; "" if nobody."""
        return self._asked.pop(request_id, "")

    def release(self, up_to: int | None = None) -> list[bytes]:
        """Return the lines that wait for no answer any more.

        Args:
            up_to: the id of a request that was answered; `None`: of all.
        """
        if not self._held:
            return []
        lines: list[bytes] = []
        for request_id, name in self._asked.items():
            if up_to is None or request_id <= up_to:
                lines += self._held.pop(name, [])
        return lines
