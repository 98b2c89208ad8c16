"""A schema says of which dialect it is, and is the same wherever it is read."""

from typing import Annotated

import msgspec

from headframe.runtime.web.schema import encode_schema, schema_of


class Small(msgspec.Struct, frozen=True):
    """A thing."""

    size: Annotated[int, msgspec.Meta(ge=0, description="In bytes.")]


def test_it_names_its_dialect_and_its_fields() -> None:
    schema = schema_of(Small)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "Small"
    field = schema["$defs"]["Small"]["properties"]["size"]
    assert field == {"type": "integer", "minimum": 0, "description": "In bytes."}


def test_as_a_file_it_is_indented_and_ends_with_a_newline() -> None:
    text = encode_schema(Small)
    assert text.endswith(b"}\n")
    assert text.count(b"\n") > 5
    assert msgspec.json.decode(text) == schema_of(Small)
