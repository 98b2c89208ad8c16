"""The status line of every answer: cgminer's numbers and words, one row each. Pure.

Source: the `MSG_...` numbers and the table `codes` in `api.c` of ckolivas/cgminer; clients
tell answers apart by the numbers.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from headframe import __version__

__all__ = ["DESCRIPTION", "Code", "Value", "status_row"]

Value = str | int | float | bool
"""What a field of an answer may hold."""

DESCRIPTION: Final = f"headframe {__version__}"
"""What calls itself the miner; cgminer's own answers say `cgminer 4.11.1` here."""


class Code(Enum):
    """An outcome: number, severity (S success, I information, W warning, E error), words."""

    POOLS = (7, "S", "{} Pool(s)")
    NO_POOLS = (8, "E", "No pools")
    DEVICES = (9, "S", "{} ASC(s)")
    NO_DEVICES = (10, "E", "No ASCs")
    SUMMARY = (11, "S", "Summary")
    INVALID_COMMAND = (14, "E", "Invalid command")
    MISSING_DEVICE = (15, "E", "Missing device id parameter")
    VERSION = (22, "S", "CGMiner versions")
    INVALID_JSON = (23, "E", "Invalid JSON")
    MISSING_COMMAND = (24, "E", "Missing JSON 'command'")
    MISSING_POOL = (25, "E", "Missing pool id parameter")
    INVALID_POOL = (26, "E", "Invalid pool id {} - range is 0 - {}")
    SWITCHED = (27, "S", "Switching to pool {}:'{}'")
    CONFIG = (33, "S", "CGMiner config")
    DENIED = (45, "E", "Access denied to '{}' command")
    PRIVILEGED = (46, "S", "Privileged access OK")
    ENABLED = (47, "S", "Enabling pool {}:'{}'")
    DISABLED = (48, "S", "Disabling pool {}:'{}'")
    ALREADY_ENABLED = (49, "I", "Pool {}:'{}' already enabled")
    ALREADY_DISABLED = (50, "I", "Pool {}:'{}' already disabled")
    LAST_ENABLED = (51, "E", "Cannot disable last active pool {}:'{}'")
    MISSING_DETAILS = (52, "E", "Missing addpool details")
    INVALID_DETAILS = (53, "E", "Invalid addpool details '{}'")
    ADDED = (55, "S", "Added pool {}: '{}'")
    PGA_COUNT = (59, "S", "PGA count")
    NOTIFY = (60, "S", "Notify")
    LAST_POOL = (66, "E", "Cannot remove last pool {}:'{}'")
    ACTIVE_POOL = (67, "E", "Cannot remove active pool {}:'{}'")
    REMOVED = (68, "S", "Removed pool {}:'{}'")
    DEVICE_DETAILS = (69, "S", "Device Details")
    STATS = (70, "S", "CGMiner stats")
    MISSING_CHECK = (71, "E", "Missing check cmd")
    CHECK = (72, "S", "Check command")
    PRIORITY = (73, "S", "Changed pool priorities")
    DUPLICATE_POOL = (74, "E", "Duplicate pool specified {}")
    COIN = (78, "S", "CGMiner coin")
    ASC_COUNT = (104, "S", "ASC count")
    ASC = (106, "S", "ASC{}")
    INVALID_ASC = (107, "E", "Invalid ASC id {} - range is 0 - {}")
    LCD = (125, "S", "LCD")

    @property
    def number(self) -> int:
        """The number that clients know it by."""
        return self.value[0]


def status_row(code: Code, values: tuple[Value, ...], when: int) -> Mapping[str, Value]:
    """Make the status line of an answer.

    An invalid command is not told what answers, as in cgminer: whoever tries ports at
    random shall not learn it.

    Args:
        code: the outcome.
        values: for the braces in its words.
        when: seconds since 1970.
    """
    number, severity, words = code.value
    row: dict[str, Value] = {
        "STATUS": severity,
        "When": when,
        "Code": number,
        "Msg": words.format(*values),
    }
    if code is not Code.INVALID_COMMAND:
        row["Description"] = DESCRIPTION
    return row
