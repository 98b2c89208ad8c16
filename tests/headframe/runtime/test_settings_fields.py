from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from headframe.runtime.settings_fields import all_keys, fields_of, find, to_plain


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    port: Annotated[int, Meta(description="A port.", ge=0, le=65535)] = 9332


class Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: Annotated[str, Meta(description="Where.", examples=["tcp://pool:3333"])]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    number: Annotated[float, Meta(gt=0, lt=5)] = 1.5
    pace: Annotated[Annotated[float, Meta(ge=0)] | None, Meta(description="Pace.")] = None
    name: Annotated[str, Meta(min_length=1)] = "x"
    key: Annotated[str, Meta(min_length=8)] = "12345678"
    mode: Literal["a", "b"] = "a"
    colour: Colour = Colour.RED
    hosts: tuple[str, ...] = ()
    table: dict[str, int] = msgspec.field(default_factory=dict)
    place: Path = Path("state")
    flag: bool = False
    inner: Annotated[Inner, Meta(description="Inside.")] = Inner()
    maybe: Inner | None = None
    items: Annotated[list[Item], Meta(description="Many.")] = msgspec.field(default_factory=list)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("number", "a number above 0 and below 5"),
        ("pace", "a number at least 0 or nothing"),
        ("name", "text not empty"),
        ("key", "text of 8 characters or more"),
        ("mode", "one of 'a', 'b'"),
        ("colour", "one of 'red', 'blue'"),
        ("hosts", "a list of text"),
        ("table", "a table"),
        ("place", "a path"),
        ("flag", "true or false"),
        ("inner", "a table"),
        ("items", "a list of tables"),
        ("inner.port", "a whole number at least 0 and at most 65535"),
        ("items.0.url", "text"),
    ],
)
def test_what_a_field_takes_is_told_in_words(key: str, words: str):
    field = find(Settings, key.split("."))
    assert field is not None
    assert field.expects == words


@pytest.mark.parametrize("key", ["nothing", "inner.nothing", "name.x", "items.url", "inner.0"])
def test_what_is_not_there_is_not_found(key: str):
    assert find(Settings, key.split(".")) is None


def test_all_keys_are_dotted_with_an_index_in_lists():
    keys = [key for key, _ in all_keys(Settings)]
    assert keys[-4:] == ["maybe", "maybe.port", "items", "items.0.url"]
    assert "inner.port" in keys
    assert all(find(Settings, key.split(".")) is not None for key in keys)


@pytest.mark.parametrize(
    ("key", "sample"),
    [
        ("items.0.url", "tcp://pool:3333"),
        ("number", 1.5),
        ("pace", 0.0),
        ("maybe", ""),
        ("flag", False),
    ],
)
def test_each_field_has_a_value_to_show(key: str, sample: Any):
    field = find(Settings, key.split("."))
    assert field is not None
    assert field.sample == sample


def test_defaults_are_plain_data():
    by_name = {field.name: field for field in fields_of(Settings)}
    assert by_name["colour"].default == "red"
    assert by_name["place"].default == "state"
    assert by_name["inner"].default == {"port": 9332}
    assert by_name["items"].default == []
    assert by_name["inner"].description == "Inside."
    assert by_name["items"].many
    assert not by_name["inner"].many
    [url] = fields_of(Item)
    assert url.required
    assert to_plain(["a", Path("b"), Colour.BLUE]) == ["a", "b", "blue"]
