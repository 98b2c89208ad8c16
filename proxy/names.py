"""The name that a rig's shares go upstream under. Pure.

A name that a stranger chose is never sent as it came: what pools do not take is replaced,
and it is cut at a length.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from string import Formatter
from typing import Final, Literal

__all__ = ["FIELDS", "Mode", "Naming", "NamingError", "Sender", "own_name"]

Mode = Literal["replace", "passthrough", "prefix", "template"]

FIELDS: Final = ("worker", "user", "rig", "address", "agent")
"""What a template may name."""

_STRANGE: Final = re.compile(r"[^A-Za-z0-9._@:/+=-]")
"""All but what names of pools consist of; quotes, blanks and controls above all."""
_CACHED: Final = 8192


class NamingError(ValueError):
    """A template cannot be used; says why."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose share it is.

    Attributes:
        worker: the name that the rig sent it under.
        address: where the rig is, without the port.
        agent: what its software calls itself.
    """

    worker: str
    address: str = ""
    agent: str = ""


def own_name(_sender: Sender) -> str | None:
    """Send everything under the upstream's own user."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How names are made.

    Attributes:
        mode: `replace` the name by the upstream's own; `passthrough`; `prefix` + name;
            `template`.
        prefix: for `prefix`.
        template: for `template`: text with any of `FIELDS` in braces. `worker` is the whole
            name, `user` what stands before its first dot, `rig` what stands behind it, or
            all of it.
        longest: characters; what is longer is cut.

    Raises:
        NamingError: the template has an unknown field, or none.
    """

    mode: Mode = "replace"
    prefix: str = ""
    template: str = ""
    longest: int = 128

    def __post_init__(self) -> None:
        if self.mode == "template":
            _ensure_usable(self.template)

    def rule(self) -> Callable[[Sender], str | None]:
        """Make the function that names senders; it remembers those it saw last."""
        if self.mode == "replace":
            return own_name
        return lru_cache(_CACHED)(self._name)

    def _name(self, sender: Sender) -> str | None:
        match self.mode:
            case "replace":
                return None
            case "passthrough":
                text = clean(sender.worker)
            case "prefix":
                text = self.prefix + clean(sender.worker)
            case "template":
                user, _, rig = sender.worker.partition(".")
                text = self.template.format(
                    worker=clean(sender.worker),
                    user=clean(user),
                    rig=clean(rig or user),
                    address=clean(sender.address),
                    agent=clean(sender.agent),
                )
        return text[: self.longest] or None


def clean(text: str) -> str:
    """Replace what pools do not take in a name."""
    return _STRANGE.sub("_", text)


def _ensure_usable(template: str) -> None:
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise NamingError(f"template {template!r}: {error}") from None
    named = [(name, spec, how) for _, name, spec, how in parts if name is not None]
    for name, spec, how in named:
        if name not in FIELDS or spec or how:
            raise NamingError(
                f"template {template!r}: expected some of "
                f"{', '.join('{' + each + '}' for each in FIELDS)}, and no other braces"
            )
    if not named:
        raise NamingError(f"template {template!r} names no field, such as {{worker}}")
