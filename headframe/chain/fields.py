"""Strict reading of decoded JSON: each fault names the field that has it."""

from collections.abc import Iterator, Mapping
from typing import Final

from headframe.chain.errors import TemplateError
from headframe.chain.hashes import hash_from_hex

__all__ = ["Fields"]

_SHOWN: Final = 80  # characters of a wrong value that an error repeats


class Fields:
    """The members of one JSON object, and where it stands in the whole.

    Each reading method takes a `default` for when the member is missing; without one it
    must be there. All of them raise `TemplateError`.

    Args:
        members: the decoded object.
        path: its name in error messages, empty for the outermost.
    """

    __slots__ = ("_members", "_path")

    def __init__(self, members: Mapping[str, object], path: str = "") -> None:
        self._members = members
        self._path = path

    @property
    def members(self) -> Mapping[str, object]:
        """The object itself, for who reads it without questions."""
        return self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def fault(self, name: str, what: str) -> TemplateError:
        """Make the error for a member; the caller raises it."""
        return TemplateError(f"template: {self._path}{name} {what}")

    def integer(
        self, name: str, *, low: int = 0, high: int = 2**63 - 1, default: int | None = None
    ) -> int:
        """Read a whole number within bounds, both included."""
        value = self._get(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(name, "a whole number", value)
        if not low <= value <= high:
            raise self.fault(name, f"is {value}, outside {low} .. {high}")
        return value

    def text(self, name: str, *, default: str | None = None) -> str:
        """Read a string."""
        value = self._get(name, default)
        if not isinstance(value, str):
            raise self._wrong(name, "a string", value)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Read a list of strings."""
        entries = self._list(name)
        return tuple(entries.text(index) for index in entries)

    def hex(self, name: str, *, size: int | None = None, default: bytes | None = None) -> bytes:
        """Read bytes written as hex digits, so many of them where `size` is given."""
        if default is not None and name not in self._members:
            return default
        text = self.text(name)
        wanted = "hex digits" if size is None else f"{2 * size} hex digits"
        try:
            data = bytes.fromhex(text)
        except ValueError:
            raise self._wrong(name, wanted, text) from None
        if 2 * len(data) != len(text) or size not in (None, len(data)):
            raise self._wrong(name, wanted, text)
        return data

    def hash(self, name: str) -> bytes:
        """Read a hash written in display order; 32 bytes, header order."""
        text = self.text(name)
        try:
            return hash_from_hex(text)
        except ValueError:
            raise self._wrong(name, "64 hex digits", text) from None

    def mapping(self, name: str) -> "Fields":
        """Read an object."""
        value = self._get(name, None)
        if not isinstance(value, Mapping):
            raise self._wrong(name, "an object", value)
        return Fields(value, f"{self._path}{name}.")

    def mappings(self, name: str) -> tuple["Fields", ...]:
        """Read a list of objects."""
        entries = self._list(name)
        return tuple(entries.mapping(index) for index in entries)

    def _list(self, name: str) -> "Fields":
        value = self._get(name, None)
        if not isinstance(value, list):
            raise self._wrong(name, "a list", value)
        return Fields({str(i): entry for i, entry in enumerate(value)}, f"{self._path}{name}.")

    def _get(self, name: str, default: object) -> object:
        value = self._members.get(name, default)
        if value is None and name not in self._members:
            raise self.fault(name, "is missing")
        return value

    def _wrong(self, name: str, wanted: str, value: object) -> TemplateError:
        shown = repr(value)
        if len(shown) > _SHOWN:
            shown = f"{shown[:_SHOWN]}..."
        return self.fault(name, f"should be {wanted}, not {shown}")
