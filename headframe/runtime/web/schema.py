"""The JSON Schema of a program's status, made of the type that the status is."""

from typing import Any, Final

import msgspec

__all__ = ["encode_schema", "schema_of"]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Make the schema; readers of our answers should let fields pass that it does not name."""
    return {"$schema": _DIALECT, "title": kind.__name__, **msgspec.json.schema(kind)}


def encode_schema(kind: type[msgspec.Struct]) -> bytes:
    """Write the schema as indented JSON with a newline at the end."""
    return msgspec.json.format(msgspec.json.encode(schema_of(kind)), indent=2) + b"\n"
