"""Settings structs, looked at field by field: for loading, for messages, for the pages."""

import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeGuard

import msgspec

__all__ = ["Field", "all_keys", "fields_of", "find", "to_plain"]

_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    bytes: "text in base64",
    type(None): "nothing",
}
_LIST_ORIGINS = (list, tuple, set, frozenset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a settings struct.

    Attributes:
        name: as it stands in files.
        annotation: the whole annotation, bounds included; for conversion.
        description: what it is for, one or more sentences.
        examples: values to show where there is no default.
        required: there is no default.
        default: the default as plain data; `None` too when there is none.
        table: the struct inside, when the field is a table or a list of tables.
        many: the field is a list of tables.
    """

    name: str
    annotation: Any
    description: str
    examples: tuple[Any, ...]
    required: bool
    default: Any
    table: type[msgspec.Struct] | None
    many: bool

    @property
    def expects(self) -> str:
        """Tell in words what values the field takes."""
        if self.table is not None:
            return "a list of tables" if self.many else "a table"
        return _in_words(self.annotation)

    @property
    def takes_text(self) -> bool:
        """Whether any text is a value."""
        return str in _alternatives(self.annotation)

    @property
    def takes_nothing(self) -> bool:
        """Whether the field may be left empty."""
        return type(None) in _alternatives(self.annotation)

    @property
    def sample(self) -> Any:
        """A value to show: the first example, else the default, else an empty one."""
        if self.examples:
            return self.examples[0]
        if self.default is not None:
            return self.default
        empty: dict[Any, Any] = {bool: False, int: 0, float: 0.0}
        return next((empty[each] for each in _alternatives(self.annotation) if each in empty), "")

    @property
    def is_container(self) -> bool:
        """Whether a value is a list or a table."""
        origins = [typing.get_origin(each) or each for each in _alternatives(self.annotation)]
        return self.table is not None or any(each in (*_LIST_ORIGINS, dict) for each in origins)


def fields_of(struct: type[msgspec.Struct]) -> tuple[Field, ...]:
    """Return the fields of a settings struct, in their order."""
    return tuple(_field(info) for info in msgspec.structs.fields(struct))


def find(struct: type[msgspec.Struct], parts: Sequence[str]) -> Field | None:
    """Return the field at a path such as `("upstreams", "0", "url")`, or `None`."""
    field = None
    table: type[msgspec.Struct] | None = struct
    rest = list(parts)
    while rest:
        name = rest.pop(0)
        known = {each.name: each for each in fields_of(table)} if table is not None else {}
        if (field := known.get(name)) is None:
            return None
        table = field.table
        if field.many and rest and not rest.pop(0).isdecimal():
            return None
    return field


def all_keys(struct: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, Field]]:
    """Yield every setting with its dotted key; in lists of tables the index is written `0`."""
    for field in fields_of(struct):
        key = prefix + field.name
        yield key, field
        if field.table is not None:
            yield from all_keys(field.table, f"{key}.0." if field.many else f"{key}.")


def to_plain(value: Any) -> Any:
    """Turn a value of a settings struct into plain data, as a file would hold it."""
    return msgspec.to_builtins(value, enc_hook=str)


def _field(info: msgspec.structs.FieldInfo) -> Field:
    table, many = _table_of(info.type)
    metas = [each for each in _metas(info.type) if isinstance(each, msgspec.Meta)]
    if info.default_factory is not msgspec.NODEFAULT:
        default = to_plain(info.default_factory())
    elif info.default is not msgspec.NODEFAULT:
        default = to_plain(info.default)
    else:
        default = None
    return Field(
        name=info.encode_name,
        annotation=info.type,
        description=next((each.description for each in metas if each.description), ""),
        examples=next((tuple(each.examples) for each in metas if each.examples), ()),
        required=info.required,
        default=default,
        table=table,
        many=many,
    )


def _metas(annotation: Any) -> tuple[Any, ...]:
    return annotation.__metadata__ if typing.get_origin(annotation) is Annotated else ()


def _bare(annotation: Any) -> Any:
    return annotation.__origin__ if typing.get_origin(annotation) is Annotated else annotation


def _alternatives(annotation: Any) -> list[Any]:
    """Return the members of a union, without their bounds; else the one type."""
    bare = _bare(annotation)
    if typing.get_origin(bare) in {typing.Union, types.UnionType}:
        return [inner for each in typing.get_args(bare) for inner in _alternatives(each)]
    return [bare]


def _table_of(annotation: Any) -> tuple[type[msgspec.Struct] | None, bool]:
    for each in _alternatives(annotation):
        if _is_struct(each):
            return each, False
        items = typing.get_args(each)
        if typing.get_origin(each) in _LIST_ORIGINS and items and _is_struct(_bare(items[0])):
            return _bare(items[0]), True
    return None, False


def _is_struct(annotation: Any) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)


def _in_words(annotation: Any) -> str:
    bare = _bare(annotation)
    origin = typing.get_origin(bare)
    if origin in {typing.Union, types.UnionType}:
        return " or ".join(_in_words(each) for each in typing.get_args(bare))
    if origin is Literal:
        return "one of " + ", ".join(repr(each) for each in typing.get_args(bare))
    if isinstance(bare, type) and issubclass(bare, Enum):
        return "one of " + ", ".join(repr(each.value) for each in bare)
    if origin in _LIST_ORIGINS:
        return f"a list of {_in_words(typing.get_args(bare)[0]).removeprefix('a ')}"
    if origin is dict:
        return "a table"
    return _WORDS.get(bare, str(bare)) + _bounds(annotation)


def _bounds(annotation: Any) -> str:
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    found = [
        f"{text} {value}"
        for meta in _metas(annotation)
        if isinstance(meta, msgspec.Meta)
        for name, text in words.items()
        if (value := getattr(meta, name)) is not None
    ]
    found += [
        "not empty" if meta.min_length == 1 else f"of {meta.min_length} characters or more"
        for meta in _metas(annotation)
        if isinstance(meta, msgspec.Meta) and meta.min_length
    ]
    return f" {' and '.join(found)}" if found else ""
