"""What libbitcoinkernel says about the blocks it checks, and bitcoind's word for it.

The exact reason for a refusal is in its debug log alone; the callback beside it knows only
good from bad, and stands in should the log's text ever change.
"""

import ctypes
import re
import threading
from typing import Any, Final

from headframe.chain.hashes import hash_from_hex

__all__ = ["Ears"]

_CHECKED: Final = re.compile(r"BlockChecked: block hash=([0-9a-f]{64}) state=(.*)")
_REASON_END: Final = re.compile(r", (?![^(]*\))")  # the first comma that no parentheses enclose


class Ears:
    """Hears what the library says about the blocks it checks, on the thread that asked.

    Attributes:
        states: what was said of each block: hash (header order) to `Valid` or
            `REASON, detail`; the last word counts.
        invalid: hashes of blocks that the validation callback called bad.
        fault: the last error that was logged; "" for none.
        fatal: that the library cannot go on, in its words; "" as long as it can.
    """

    def __init__(self) -> None:
        self.states: dict[bytes, str] = {}
        self.invalid: set[bytes] = set()
        self.fault = ""
        self.fatal = ""
        self._thread = threading.get_ident()

    def clear(self) -> None:
        """Forget what was said of blocks, before the next one is checked."""
        self.states.clear()
        self.invalid.clear()

    def on_line(self, line: str) -> None:
        """Take a line of the log."""
        # The log is one for the whole process; another kernel's lines come on its own thread.
        if threading.get_ident() != self._thread:
            return
        if found := _CHECKED.search(line):
            self.states[hash_from_hex(found[1])] = found[2].strip()
        elif "[error]" in line:
            self.fault = line.partition("[error]")[2].strip()

    def on_checked(self, _user: object, block: Any, state: Any) -> None:
        """Take the validation callback `block_checked`."""
        if state.validation_mode != 0:
            self.invalid.add(bytes(block.block_hash))

    def on_fatal(self, _user: object, message: Any, size: int) -> None:
        """Take the notifications `flush_error` and `fatal_error`: a C string and its length."""
        self.fatal = ctypes.string_at(message, size).decode("utf-8", "replace")

    def reason(self, block_hash: bytes) -> str | None:
        """Say why a block was refused; `None` when it was checked and is valid.

        Raises:
            KeyError: nothing was said about it.
        """
        state = self.states.get(block_hash)
        if block_hash in self.invalid and state in (None, "Valid"):
            return "rejected"  # the log said nothing: bitcoind's word for "no reason given"
        if state is None:
            raise KeyError(block_hash)
        if state == "Valid":
            return None
        return _REASON_END.split(state, maxsplit=1)[0]
