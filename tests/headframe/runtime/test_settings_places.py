import string
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.runtime.settings_places import Places

FILE = '''# a comment with [brackets] and = signs
threads = 2
pools.strategy = "quota"   # a dotted key

[log]
level = "info"
"quoted key" = 1
'a.b' = 2

[[upstreams]]
url = "stratum+tcp://a:1"
user = """
more
"lines" ]]"""

[[upstreams]]
# about this one
url = 'x#y'
proxy = { host = "h", port = 1 }

[web]
hosts = [
  "a",  # first
  "b",
]
inline = [{ a = 1 }, { a = [
  2 ] }]
'''


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("threads", 2),
        ("pools", 3),
        ("pools.strategy", 3),
        ("log", 5),
        ("log.level", 6),
        ("log.quoted key", 7),
        ("upstreams", 10),
        ("upstreams.0", 10),
        ("upstreams.0.url", 11),
        ("upstreams.0.user", 12),
        ("upstreams.1", 16),
        ("upstreams.1.url", 18),
        ("upstreams.1.proxy", 19),
        ("upstreams.1.proxy.port", 19),
        ("web.hosts", 22),
        ("web.hosts.0", 23),
        ("web.hosts.1", 24),
        ("web.inline.0.a", 26),
        ("web.inline.1.a.0", 27),
    ],
)
def test_each_key_is_found_on_its_line(key: str, line: int) -> None:
    assert Places(FILE).line(key.split(".")) == line


def test_a_quoted_key_with_a_dot_is_one_part() -> None:
    assert Places(FILE).line(["log", "a.b"]) == 8


def test_what_is_not_there_is_placed_by_what_is_around_it() -> None:
    places = Places(FILE)
    assert places.line(["upstreams", "1", "user"]) == 16
    assert places.line(["upstreams", "1", "proxy", "user", "x"]) == 19
    assert places.line(["nothing"]) is None
    assert places.line([]) is None
    assert Places("").line(["a"]) is None


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a = 1\r\n\r\nb = 2\r\n", {("a",): 1, ("b",): 3}),
        ("a = 1979-05-27 07:32:00\nb = 1", {("a",): 1, ("b",): 2}),
        ('a = \'\'\'x\'\'\'\'\nb = """y\\""""""\nc = 0', {("a",): 1, ("b",): 2, ("c",): 3}),
        ("[a]\n[a.b]\nc = 1", {("a",): 1, ("a", "b"): 2, ("a", "b", "c"): 3}),
        ("[a.b]\n[a]\nc = 1", {("a",): 1, ("a", "b"): 1, ("a", "c"): 3}),
        ('[ a . "b" ]\nc = []', {("a",): 1, ("a", "b"): 1, ("a", "b", "c"): 2}),
        ('a = "\\n\\"#"\nb=1', {("a",): 1, ("b",): 2}),
    ],
)
def test_all_forms_that_toml_has(text: str, lines: dict[tuple[str, ...], int]) -> None:
    places = Places(text)
    assert {path: places.line(path) for path in places.keys} == lines


def test_arrays_of_tables_inside_one_another_are_counted_for_each_parent() -> None:
    text = "[[a]]\n[[a.b]]\nx=1\n[[a.b]]\nx=2\n[[a]]\n[[a.b]]\nx=3\n[a.c]\ny=4\n"
    places = Places(text)
    assert places.line(["a", "0", "b", "1", "x"]) == 5
    assert places.line(["a", "1", "b", "0", "x"]) == 8
    assert places.line(["a", "1", "c", "y"]) == 10


def paths_of(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if path:
        yield path
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield from paths_of(item, (*path, str(key)))


ESCAPES = {code: f"\\u{code:04x}" for code in (*range(32), ord('"'), ord("\\"))}
TEXTS = st.text(string.printable, max_size=12)
SCALARS = st.one_of(
    TEXTS.map(lambda text: '"' + text.translate(ESCAPES) + '"'),
    TEXTS.filter(lambda t: "'" not in t and t.isprintable()).map(lambda t: f"'{t}'"),
    TEXTS.filter(
        lambda t: "'" not in t and "\r" not in t and "\x0b" not in t and "\x0c" not in t
    ).map(lambda t: f"'''\n{t}'''"),
    st.sampled_from(["1", "-0.5e3", "true", "1979-05-27", "1979-05-27 07:32:00Z", "inf"]),
)
NAMES = st.sampled_from(["a", "b", "c-d", '"e.f"', "'g'"])
BREAKS = st.sampled_from(["", " ", "\n", " # note ] } ,\n"])


def arrays(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    listed = st.lists(st.tuples(BREAKS, items, BREAKS).map("".join), max_size=3)
    return listed.map(lambda parts: f"[{','.join(parts)}]")


def tables(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.dictionaries(NAMES, items, max_size=3).map(
        lambda table: "{" + ", ".join(f"{key} = {item}" for key, item in table.items()) + "}"
    )


VALUES = st.recursive(SCALARS, lambda items: st.one_of(arrays(items), tables(items)), max_leaves=5)
HEADERS = st.one_of(NAMES.map(lambda n: f"[[{n}]]"), NAMES.map(lambda n: f"[x.{n}]"))
PAIRS = st.tuples(NAMES, VALUES).map(" = ".join)
FILES = st.lists(st.one_of(HEADERS, PAIRS, st.just("# [note]")), max_size=8).map("\n".join)


@given(FILES)
@settings(max_examples=200)
def test_every_key_of_a_file_is_found_and_nothing_else(text: str) -> None:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # keys that came up twice
    places = Places(text)
    assert places.keys == set(paths_of(data))
    assert all(1 <= (places.line(path) or 0) <= text.count("\n") + 1 for path in places.keys)
