"""What is wrong with settings: every problem of a file at once, each with its key.

A problem's text tells the key, the value (secrets hidden) and what was expected; where the
value was given is for the caller to say, who knows.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from headframe.runtime.logs import HIDDEN, is_secret, redact
from headframe.runtime.settings_fields import Field, all_keys, fields_of, find

__all__ = ["Problem", "decode", "expectation", "explain", "find_problems", "shown", "suggest"]

LONGEST_VALUE_SHOWN: Final = 80
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        parts: the key's, such as `("upstreams", "0", "url")`; none for the whole.
        what: one line, without where it was given.
        missing: the key should be there, and is not.
    """

    parts: tuple[str, ...]
    what: str
    missing: bool = False

    @property
    def key(self) -> str:
        """The key with dots between."""
        return dotted(self.parts)


def dotted(parts: Sequence[str]) -> str:
    """Write a key with dots between its parts; odd parts in quotes, as TOML has them."""
    return ".".join(
        part if _BARE_KEY.fullmatch(part) else msgspec.json.encode(part).decode() for part in parts
    )


def find_problems(struct: type[msgspec.Struct], data: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield everything that is wrong with plain data for a settings struct.

    Each value is looked at by itself; what the struct's own `__post_init__` says comes
    only when it is made.
    """
    yield from _of_table(struct, data, (), root=struct)


def _of_table(
    struct: type[msgspec.Struct],
    data: Mapping[str, Any],
    path: tuple[str, ...],
    *,
    root: type[msgspec.Struct],
) -> Iterator[Problem]:
    known = {field.name: field for field in fields_of(struct)}
    hints = ""
    for name, value in data.items():
        parts = (*path, name)
        if name in known:
            yield from _of_value(known[name], value, parts, root)
        else:
            hint = suggest(root, dotted(parts))
            hints += hint
            yield Problem(parts, f"no setting {dotted(parts)!r}{hint}")
    for name, field in known.items():
        key = dotted((*path, name))
        if field.required and name not in data and repr(key) not in hints:  # else it is misspelt
            meaning = f": {field.description}" if field.description else ""
            yield Problem((*path, name), f"the setting {key!r} is missing{meaning}", missing=True)


def _of_value(
    field: Field, value: object, parts: tuple[str, ...], root: type[msgspec.Struct]
) -> Iterator[Problem]:
    if field.table is None:
        if wrong := _wrong(field, value):
            yield Problem(parts, f"{shown(dotted(parts), value)}: {wrong}")
    elif not field.many and isinstance(value, dict):
        yield from _of_table(field.table, value, parts, root=root)
    elif (
        field.many
        and isinstance(value, list | tuple)
        and all(isinstance(each, dict) for each in value)
    ):
        for index, item in enumerate(value):
            yield from _of_table(field.table, item, (*parts, str(index)), root=root)
    else:
        yield Problem(parts, f"{shown(dotted(parts), value)}: expected {field.expects}")


def _wrong(field: Field, value: object) -> str:
    """Say what was expected instead of a value; "" if it is good."""
    try:
        msgspec.convert(value, field.annotation, dec_hook=decode)
    except msgspec.ValidationError as error:
        return expectation(field, str(error))
    return ""


def expectation(field: Field, text: str) -> str:
    """Turn what msgspec says of a field's value into words for people."""
    what = text.partition(" - at ")[0]
    usual = what.startswith(("Expected `", "Invalid enum"))
    return f"expected {field.expects}" if usual else what


def explain(struct: type[msgspec.Struct], text: str) -> Problem:
    """Turn msgspec's message of the whole, which ends with a path as `$.a[0].b`, into ours."""
    found = re.fullmatch(r"(.*?)(?: - at `\$\.?(.*)`)?", text, re.DOTALL)
    what, place = (found[1], found[2] or "") if found else (text, "")
    parts = [each for each in re.split(r"[.\[\]]+", place) if each]
    while parts and find(struct, parts) is None:
        parts.pop()  # inside a value, which is shown as a whole
    return Problem(tuple(parts), f"{dotted(parts)}: {what}" if parts else what)


def decode(kind: type, value: object) -> object:
    """Make the types that msgspec does not know; it calls this with the annotation."""
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    if kind is Path and isinstance(value, Path):
        return value
    raise ValueError(f"Expected `{kind.__name__}`")  # as msgspec words it


def suggest(struct: type[msgspec.Struct], key: str) -> str:
    """Name the setting that was probably meant, or those there are."""
    import difflib  # here alone: most settings are right, and it is large

    generic = re.sub(r"\.\d+(?=\.|$)", ".0", key)
    known = [each for each, _ in all_keys(struct)]
    name = generic.rpartition(".")[2]
    elsewhere = [each for each in known if each.rpartition(".")[2] == name]
    close = difflib.get_close_matches(generic, elsewhere, n=1, cutoff=0.0)
    close = close or difflib.get_close_matches(generic, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {_with_indexes(close[0], key)!r}?"
    top = ", ".join(field.name for field in fields_of(struct))
    return f"; there are: {top}"


def _with_indexes(generic: str, key: str) -> str:
    """Put the indexes of a key into another one, which has 0 in their places."""
    given = iter(re.findall(r"\.(\d+)(?=\.|$)", key))
    return re.sub(r"\.0(?=\.|$)", lambda _: f".{next(given, 0)}", generic)


def shown(key: str, value: object) -> str:
    """Write a key and its value, without secrets, and not too long."""
    if is_secret(key.rpartition(".")[2]):
        return f"{key} = {HIDDEN}"
    text = msgspec.json.encode(redact(value), enc_hook=str).decode()
    if len(text) > LONGEST_VALUE_SHOWN:
        text = f"{text[:LONGEST_VALUE_SHOWN]}…"
    return f"{key} = {text}"
