from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from headframe.runtime.settings_problems import (
    LONGEST_VALUE_SHOWN,
    dotted,
    explain,
    find_problems,
    shown,
    suggest,
)


class Item(msgspec.Struct, frozen=True, kw_only=True):
    url: Annotated[str, Meta(description="Where it is.")]
    count: Annotated[int, Meta(ge=1)] = 1


class Outer(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""
    items: tuple[Item, ...] = ()
    one: Item = Item(url="x")
    numbers: dict[str, int] = {}


def test_good_data_has_no_problem() -> None:
    data = {"name": "a", "items": [{"url": "u", "count": 2}], "numbers": {"a": 1}}
    assert not list(find_problems(Outer, data))


def test_each_problem_has_its_key_and_words() -> None:
    data = {
        "nmae": "x",
        "items": [{"url": "u", "count": 0}, {}],
        "one": {"url": 5, "cuont": 1},
        "numbers": {"a": "b"},
    }
    found = {each.key: (each.what, each.missing) for each in find_problems(Outer, data)}
    assert found == {
        "nmae": ("no setting 'nmae'; did you mean 'name'?", False),
        "items.0.count": ("items.0.count = 0: expected a whole number at least 1", False),
        "items.1.url": ("the setting 'items.1.url' is missing: Where it is.", True),
        "one.url": ("one.url = 5: expected text", False),
        "one.cuont": ("no setting 'one.cuont'; did you mean 'one.count'?", False),
        "numbers": ('numbers = {"a":"b"}: expected a table', False),
    }


def test_a_suggestion_has_the_index_of_what_was_given() -> None:
    assert suggest(Outer, "items.7.urk") == "; did you mean 'items.7.url'?"
    assert suggest(Outer, "url") == "; did you mean 'one.url'?"
    assert suggest(Outer, "items.url") == "; did you mean 'items.0.url'?"
    assert suggest(Outer, "zzzzzzzz") == "; there are: name, items, one, numbers"


@pytest.mark.parametrize(
    ("parts", "text"),
    [(("a", "0", "b-c"), "a.0.b-c"), (("a b",), '"a b"'), (("a", "x.y"), 'a."x.y"'), ((), "")],
)
def test_keys_are_written_as_toml_has_them(parts: tuple[str, ...], text: str) -> None:
    assert dotted(parts) == text


def test_secrets_are_not_shown_and_long_values_not_wholly() -> None:
    assert shown("a.password", "hunter2") == "a.password = ***"
    assert "hunter2" not in shown("items", [{"password": "hunter2", "url": "x://u:hunter2@h"}])
    assert len(shown("a", "x" * 1000)) < LONGEST_VALUE_SHOWN + 10


def test_what_is_said_of_the_whole_has_the_path_that_is_known() -> None:
    inner = explain(Outer, "no good - at `$.items[1].url`")
    assert (inner.key, inner.what) == ("items.1.url", "items.1.url: no good")
    assert explain(Outer, "no good - at `$.numbers[...]`").key == "numbers"
    assert (explain(Outer, "no good").key, explain(Outer, "no good").what) == ("", "no good")
