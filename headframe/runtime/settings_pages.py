"""What is generated from a settings struct: the reference page, the example file, help texts."""

import textwrap
from collections.abc import Iterator
from typing import Any

import msgspec

from headframe.runtime.settings_fields import Field, fields_of, find

__all__ = ["example", "help_of", "reference"]

WIDTH = 88


def reference(struct: type[msgspec.Struct]) -> str:
    """Write the Markdown reference of a program's settings: one table for each TOML table."""
    return "\n".join(_sections(struct, "", "", ())).strip() + "\n"


def example(struct: type[msgspec.Struct]) -> str:
    """Write a TOML file with every setting, its meaning and its default.

    What has a default is commented out, so the file means the same as an empty one;
    what has none stands with its first example.
    """
    return "\n".join(_example(struct, "", comment=False)).strip() + "\n"


def help_of(struct: type[msgspec.Struct], key: str) -> str:
    """Return the text for a command line's help on one setting.

    Args:
        struct: the settings' type.
        key: dotted, such as `web.port` or `upstreams.0.url`.

    Raises:
        KeyError: there is no such setting.
    """
    field = find(struct, key.split("."))
    if field is None:
        raise KeyError(key)
    text = field.description.rstrip(".")
    shown = field.default not in (None, "", (), [], {}) and not field.required
    return f"{text} [default: {_toml(field.default)}]" if shown else text


def _sections(
    struct: type[msgspec.Struct], prefix: str, intro: str, path: tuple[str, ...]
) -> Iterator[str]:
    """Write a table's section, and those of the tables in it; `path` leads to its settings."""
    fields = fields_of(struct)
    if prefix:
        yield f"## `{prefix}`\n"
        if intro:
            yield f"{intro}\n"
    plain = [field for field in fields if field.table is None]
    if plain:
        yield "| setting | takes | default | environment | meaning |"
        yield "|---|---|---|---|---|"
        for field in plain:
            yield _row(field, path)
        yield ""
    base = prefix.strip("[]")
    for field in fields:
        if field.table is not None:
            name = f"{base}.{field.name}" if base else field.name
            heading = f"[[{name}]]" if field.many else f"[{name}]"
            index = ("0",) if field.many else ()
            yield from _sections(
                field.table, heading, field.description, (*path, field.name, *index)
            )


def _row(field: Field, path: tuple[str, ...]) -> str:
    default = "**required**" if field.required else _code(field.default)
    env = "HEADFRAME_" + "__".join((*path, field.name)).upper()
    cells = [f"`{field.name}`", field.expects, default, f"`{env}`", field.description]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _code(value: Any) -> str:
    return "none" if value is None else f"`{_toml(value)}`"


def _example(struct: type[msgspec.Struct], prefix: str, *, comment: bool) -> Iterator[str]:
    fields = fields_of(struct)
    for field in fields:
        if field.table is None:
            yield from _wrapped(f"{field.description} ({_about(field)})")
            lead = "" if field.required and not comment else "# "
            shown = field.sample if field.required or field.default is None else field.default
            yield f"{lead}{field.name} = {_toml(shown)}"
            yield ""
    for field in fields:
        if field.table is not None:
            name = f"{prefix}{field.name}"
            yield from _wrapped(field.description)
            # A list of tables that may be empty must not get an item by being shown.
            hidden = comment or (field.many and not field.required)
            heading = f"[[{name}]]" if field.many else f"[{name}]"
            yield f"# {heading}" if hidden else heading
            yield ""
            yield from _example(field.table, f"{name}.", comment=hidden)


def _about(field: Field) -> str:
    if field.required:
        return f"{field.expects}; required"
    default = "none" if field.default is None else _toml(field.default)
    return f"{field.expects}; default {default}"


def _wrapped(text: str) -> Iterator[str]:
    for line in textwrap.wrap(text, WIDTH):
        yield f"# {line}"


def _toml(value: Any) -> str:
    """Write plain data as a TOML value; JSON's texts are TOML's too."""
    if isinstance(value, dict):
        inner = ", ".join(f"{key} = {_toml(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return msgspec.json.encode(value).decode()
