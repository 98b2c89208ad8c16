import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from headframe.runtime.settings import example, help_of, load, reference


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    rate: Annotated[float, Meta(description="Shares a minute.", gt=0)] = 20.0


class Web(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    port: Annotated[int, Meta(description="Port of the page.", ge=0, le=65535)] = 9332
    hosts: Annotated[tuple[str, ...], Meta(description="Names | aliases.")] = ("a", "b")
    limits: Annotated[Limits, Meta(description="Limits.")] = Limits()


class Upstream(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: Annotated[str, Meta(description="The pool.", examples=["stratum+tcp://pool:3333"])]
    pace: Annotated[
        Annotated[float, Meta(ge=0)] | None, Meta(description="Pace.", examples=[10.0])
    ] = None


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(description="Its name.", examples=["north"])]
    mode: Annotated[Literal["local", "pool"], Meta(description="Whose verdict.")] = "local"
    shift: Annotated[int | None, Meta(description="Shift.")] = None
    limits: Annotated[dict[str, int], Meta(description="Limits.")] = msgspec.field(
        default_factory=lambda: {"a": 1}
    )
    web: Annotated[Web, Meta(description="The page.")] = Web()
    upstreams: Annotated[tuple[Upstream, ...], Meta(description="Pools, in order.")] = ()


def test_the_example_means_the_defaults(tmp_path: Path):
    path = tmp_path / "example.toml"
    path.write_text(example(Settings), encoding="utf-8")
    assert load(Settings, path=path) == Settings(name="north")


def test_the_example_is_valid_with_every_comment_sign_before_a_setting_taken_away(tmp_path: Path):
    lines = []
    for line in example(Settings).splitlines():
        bare = line.removeprefix("# ")
        is_setting = re.match(r"[a-z_]+ = |\[", bare)
        lines.append(bare if is_setting else line)
    path = tmp_path / "all.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    expected = Upstream(url="stratum+tcp://pool:3333", pace=10.0)
    settings = load(Settings, path=path)
    assert settings.upstreams == (expected,)
    assert settings.web == Web()
    assert settings.shift == 0
    assert settings.limits == {"a": 1}


def test_the_example_shows_meaning_and_default_of_each_setting():
    text = example(Settings)
    assert "# Port of the page. (a whole number at least 0 and at most 65535; default 9332)" in text
    assert '# mode = "local"' in text
    assert 'name = "north"' in text.splitlines()
    assert "# Its name. (text; required)" in text
    assert "# [[upstreams]]" in text
    assert "[web.limits]" in text.splitlines()
    assert tomllib.loads(text) == {"name": "north", "web": {"limits": {}}}


def test_the_reference_has_a_section_for_each_table_and_a_row_for_each_setting():
    text = reference(Settings)
    lines = text.splitlines()
    assert lines[0] == "| setting | takes | default | environment | meaning |"
    assert "## `[web]`" in lines
    assert "## `[web.limits]`" in lines
    assert "## `[[upstreams]]`" in lines
    assert "Pools, in order." in lines
    assert "| `name` | text | **required** | `HEADFRAME_NAME` | Its name. |" in lines
    assert (
        "| `port` | a whole number at least 0 and at most 65535 | `9332` "
        "| `HEADFRAME_WEB__PORT` | Port of the page. |"
    ) in lines
    assert (
        '| `hosts` | a list of text | `["a", "b"]` | `HEADFRAME_WEB__HOSTS` | Names \\| aliases. |'
    ) in lines
    assert (
        "| `rate` | a number above 0 | `20.0` | `HEADFRAME_WEB__LIMITS__RATE` | Shares a minute. |"
    ) in lines
    assert ("| `url` | text | **required** | `HEADFRAME_UPSTREAMS__0__URL` | The pool. |") in lines
    assert (
        "| `pace` | a number at least 0 or nothing | none | `HEADFRAME_UPSTREAMS__0__PACE` "
        "| Pace. |"
    ) in lines


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limits: Annotated[Limits | None, Meta(description="Its limits.")] = None
    upstreams: Annotated[tuple[Upstream, ...], Meta(description="Its pools.")] = ()


class Routed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    routes: Annotated[tuple[Route, ...], Meta(description="Routes.")] = ()


def test_tables_within_lists_of_tables_are_told_with_every_index():
    text = reference(Routed)
    assert "## `[[routes]]`" in text
    assert "## `[routes.limits]`" in text
    assert "## `[[routes.upstreams]]`" in text
    for name in ("ROUTES__0__LIMITS__RATE", "ROUTES__0__UPSTREAMS__0__URL"):
        assert f"`HEADFRAME_{name}`" in text
        key = name.lower().replace("__", ".")
        assert help_of(Routed, key)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("web.port", "Port of the page [default: 9332]"),
        ("name", "Its name"),
        ("upstreams.0.pace", "Pace"),
        ("mode", 'Whose verdict [default: "local"]'),
    ],
)
def test_help_for_the_command_line_comes_from_the_struct(key: str, text: str):
    assert help_of(Settings, key) == text


def test_help_for_an_unknown_setting_is_our_mistake():
    with pytest.raises(KeyError, match=r"web\.prot"):
        help_of(Settings, "web.prot")
