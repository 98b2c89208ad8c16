"""The table of commands, and what a request is answered with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from miner.cgapi.access import Right
from miner.cgapi.codes import Code
from miner.cgapi.figures import Figures
from miner.cgapi.pools import POOL_COMMANDS, PoolList
from miner.cgapi.reply import Reply, encode, encode_joined
from miner.cgapi.reports import REPORTS, one_device
from miner.cgapi.request import Request, parse

__all__ = ["COMMANDS", "Api", "Call", "Command", "Control"]


class Control(Protocol):
    """What the privileged commands do to the miner."""

    @property
    def pools(self) -> PoolList:
        """The pools, to be changed."""

    def quit(self) -> None:
        """End the miner soon, as SIGTERM does: shares in flight get their answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a command is answered with.

    Attributes:
        figures: the miner's.
        parameter: the command's, as text; "" without one.
        right: what the client may do.
        control: what the command may do.
    """

    figures: Figures
    parameter: str
    right: Right
    control: Control


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command.

    Attributes:
        answer: makes its answer.
        privileged: it may change something, and needs the right to write.
        joinable: it may be asked for together with others, by "+".
    """

    answer: Callable[[Call], Reply]
    privileged: bool = False
    joinable: bool = False

    def allows(self, right: Right) -> bool:
        """Tell whether a client may use it."""
        return right >= (Right.WRITE if self.privileged else Right.READ)


class Api:
    """Answers requests.

    Args:
        figures: reads the miner's figures.
        control: what the privileged commands do.
        now: seconds since 1970.
    """

    def __init__(
        self, figures: Callable[[], Figures], control: Control, now: Callable[[], int]
    ) -> None:
        self._figures = figures
        self._control = control
        self._now = now

    def answer(self, data: bytes, right: Right) -> bytes:
        """Answer a request; there is an answer to anything.

        Args:
            data: the request as it came.
            right: what its sender may do.
        """
        request, when = parse(data), self._now()
        if request.fault is not None:
            return encode(Reply(code=request.fault), as_json=request.as_json, when=when)
        replies = {name: self._one(name, request, right) for name in request.commands}
        if request.joined:
            return encode_joined(replies, as_json=request.as_json, when=when)
        return encode(replies[request.commands[0]], as_json=request.as_json, when=when)

    def _one(self, name: str, request: Request, right: Right) -> Reply:
        command = COMMANDS.get(name)
        if command is None:
            return Reply(code=Code.INVALID_COMMAND)
        if not command.allows(right) or (request.joined and not command.joinable):
            return Reply(code=Code.DENIED, values=(name,))
        call = Call(
            figures=self._figures(),
            parameter=request.parameter,
            right=right,
            control=self._control,
        )
        return command.answer(call)


def _report(make: Callable[[Figures], Reply]) -> Command:
    return Command(answer=lambda call: make(call.figures), joinable=True)


def _change(name: str) -> Command:
    return Command(
        answer=lambda call: call.control.pools.change(name, call.parameter), privileged=True
    )


def _check(call: Call) -> Reply:
    """Tell whether a command exists, and whether this client may use it."""
    if not call.parameter:
        return Reply(code=Code.MISSING_CHECK)
    command = COMMANDS.get(call.parameter)
    row = {
        "Exists": "N" if command is None else "Y",
        "Access": "Y" if command is not None and command.allows(call.right) else "N",
    }
    return Reply(code=Code.CHECK, section="CHECK", rows=(row,), titled=True)


def _privileged(_call: Call) -> Reply:
    """Say that the client may change things: it was let through to here."""
    return Reply(code=Code.PRIVILEGED)


def _quit(call: Call) -> Reply:
    call.control.quit()
    return Reply(code=Code.PRIVILEGED, word="BYE")


COMMANDS: Final[Mapping[str, Command]] = {
    **{name: _report(make) for name, make in REPORTS.items()},
    "asc": Command(answer=lambda call: one_device(call.figures, call.parameter)),
    "check": Command(answer=_check),
    "privileged": Command(answer=_privileged, privileged=True),
    **{name: _change(name) for name in POOL_COMMANDS},
    "quit": Command(answer=_quit, privileged=True),
}
"""All commands. To add one: a row here, or in `REPORTS` where it only tells."""
