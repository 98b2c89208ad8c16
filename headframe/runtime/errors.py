"""What `runtime` raises, and what a process prints as one line instead of a traceback.

HeadframeError          its text is one line for people: what happened, with what value,
                        and what to do; its `exit_code` is what the process ends with
    ConfigError         a setting or an argument that cannot be used
    DialError           another machine could not be reached
    ListenError         an address could not be listened on
        PortInUseError  another program holds it
"""

from typing import ClassVar

__all__ = [
    "EXIT_FAILED",
    "EXIT_INTERRUPTED",
    "EXIT_OK",
    "EXIT_UNAVAILABLE",
    "EXIT_USAGE",
    "ConfigError",
    "DialError",
    "HeadframeError",
    "ListenError",
    "PortInUseError",
]

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNAVAILABLE = 69
"""`EX_UNAVAILABLE` of sysexits.h: an upstream cannot be reached."""
EXIT_INTERRUPTED = 130
"""128 + SIGINT, as shells count."""


class HeadframeError(Exception):
    """Something went wrong that one line explains; a process that meets it prints the line."""

    exit_code: ClassVar[int] = EXIT_FAILED


class ConfigError(HeadframeError):
    """A setting cannot be used: tells where it was given, its key, value and what was expected."""

    exit_code: ClassVar[int] = EXIT_USAGE


class DialError(HeadframeError):
    """A connection could not be made: tells the host and port, why, and what to do."""

    exit_code: ClassVar[int] = EXIT_UNAVAILABLE


class ListenError(HeadframeError):
    """An address cannot be listened on: tells which, why, and what to do."""

    exit_code: ClassVar[int] = EXIT_USAGE


class PortInUseError(ListenError):
    """Another program listens there."""
