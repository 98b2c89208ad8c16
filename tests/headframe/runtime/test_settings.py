from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from headframe.runtime.errors import ConfigError
from headframe.runtime.settings import SettingsError, examine, load, read_secret


class Web(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    listen: Annotated[str, Meta(description="Address of the page.")] = "127.0.0.1"
    port: Annotated[int, Meta(description="Port of the page.", ge=0, le=65535)] = 9332
    password: Annotated[str, Meta(description="Password.", max_length=3)] = ""


class Upstream(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: Annotated[str, Meta(description="Where the pool is.", min_length=1)]
    pace: Annotated[Annotated[float, Meta(ge=0)] | None, Meta(description="Pace.")] = None


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    user: Annotated[str, Meta(description="Name of the worker.")] = ""
    mode: Annotated[Literal["local", "pool"], Meta(description="Whose verdict.")] = "local"
    grace_seconds: Annotated[float, Meta(description="Grace.", gt=0)] = 60.0
    deep: Annotated[bool, Meta(description="Deep.")] = False
    hosts: Annotated[tuple[str, ...], Meta(description="Hosts.")] = ()
    ports: Annotated[tuple[Annotated[int, Meta(ge=1)], ...], Meta(description="Ports.")] = ()
    limits: Annotated[dict[str, int], Meta(description="Limits.")] = msgspec.field(
        default_factory=dict
    )
    state: Annotated[Path, Meta(description="State.")] = Path("state")
    web: Annotated[Web, Meta(description="The page.")] = Web()
    upstreams: Annotated[tuple[Upstream, ...], Meta(description="Pools in order.")] = ()

    def __post_init__(self) -> None:
        if self.user == "nobody":
            raise ValueError("user must be somebody")


class Tls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str = ""

    def __post_init__(self) -> None:
        if self.name:
            raise ValueError(f"{self.name} is no name")


class Secured(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tls: Tls = Tls()


class Deep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    upstreams: tuple[Secured, ...] = ()


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "proxy.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_given_means_the_defaults():
    assert load(Settings) == Settings()


def test_each_source_overrides_those_before_it(tmp_path):
    path = write(tmp_path, 'user = "file"\nmode = "pool"\n[web]\nport = 1\nlisten = "file"\n')
    env = {"HEADFRAME_USER": "env", "HEADFRAME_WEB__PORT": "2", "HOME": "/", "PATH": "/bin"}
    only_file = load(Settings, path=path)
    assert (only_file.user, only_file.web.port) == ("file", 1)
    with_env = load(Settings, path=path, env=env)
    assert (with_env.user, with_env.web.port, with_env.web.listen) == ("env", 2, "file")
    with_set = load(Settings, path=path, env=env, overrides=["web.port=3"])
    assert (with_set.user, with_set.web.port) == ("env", 3)
    flags: dict[str, object] = {"web.port": 4, "user": None, "web.listen": None}
    with_flags = load(Settings, path=path, env=env, overrides=["web.port=3"], flags=flags)
    assert (with_flags.user, with_flags.web.port, with_flags.mode) == ("env", 4, "pool")


def test_texts_become_the_types_of_their_fields():
    settings = load(
        Settings,
        env={"HEADFRAME_GRACE_SECONDS": "5", "HEADFRAME_DEEP": "true", "HEADFRAME_USER": "123"},
        overrides=["hosts=a, b", 'ports=[1, "2"]', "state=~/x", "limits={a = 1}"],
    )
    assert settings.grace_seconds == 5.0
    assert settings.deep is True
    assert settings.user == "123"
    assert settings.hosts == ("a", "b")
    assert settings.ports == (1, 2)
    assert settings.state == Path("~/x").expanduser()
    assert settings.limits == {"a": 1}


def test_a_path_may_be_given_as_a_path():
    assert load(Settings, flags={"state": Path("/x"), "hosts": ("a",)}).state == Path("/x")


def test_items_of_a_list_of_tables_are_set_by_index(tmp_path):
    path = write(tmp_path, '[[upstreams]]\nurl = "first"\npace = 1.5\n')
    settings = load(
        Settings,
        path=path,
        env={"HEADFRAME_UPSTREAMS__0__PACE": "none"},
        overrides=["upstreams.1.url=second"],
    )
    assert settings.upstreams == (Upstream(url="first"), Upstream(url="second"))
    assert load(Settings, flags={"upstreams.0.url": "only"}).upstreams == (Upstream(url="only"),)
    whole = load(Settings, overrides=['upstreams=[{url = "whole"}]'])
    assert whole.upstreams == (Upstream(url="whole"),)


def message(*, struct: type[msgspec.Struct] = Settings, **sources: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load(struct, **sources)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("line", "text", "told"),
    [
        (2, "[web]\nprot = 1", "no setting 'web.prot'; did you mean 'web.port'?"),
        (1, "port = 1", "no setting 'port'; did you mean 'web.port'?"),
        (1, "[wbe]\nport = 1", "no setting 'wbe'; did you mean 'web'?"),
        (
            3,
            '[[upstreams]]\nurl = "x"\nurk = 1',
            "no setting 'upstreams.0.urk'; did you mean 'upstreams.0.url'?",
        ),
        (
            1,
            "qqqqqqq = 1",
            "no setting 'qqqqqqq'; there are: user, mode, grace_seconds, deep, hosts, ports, "
            "limits, state, web, upstreams",
        ),
        (
            2,
            "[web]\nport = 70000",
            "web.port = 70000: expected a whole number at least 0 and at most 65535",
        ),
        (2, "[web]\nport = '80'", 'web.port = "80": expected a whole number at least 0'),
        (1, "web = 5", "web = 5: expected a table"),
        (1, "upstreams = 5", "upstreams = 5: expected a list of tables"),
        (1, "[upstreams]\nurl = 'x'", 'upstreams = {"url":"x"}: expected a list of tables'),
        (1, "state = 5", "state = 5: expected a path"),
        (1, 'mode = "none"', "mode = \"none\": expected one of 'local', 'pool'"),
        (1, 'hosts = ["a", 5]', 'hosts = ["a",5]: expected a list of text'),
        (1, "[[upstreams]]", "the setting 'upstreams.0.url' is missing: Where the pool is."),
        (2, "[[upstreams]]\nurl = ''", 'upstreams.0.url = "": expected text not empty'),
        (2, '[web]\npassword = "hunter2"', "web.password = ***: expected text"),
        (2, "[[upstreams]]\nurl = 5", "upstreams.0.url = 5: expected text not empty"),
        (1, 'upstreams = ["x"]', "expected a list of tables"),
        (1, 'mode = "http://u:hunter2@h"', 'mode = "http://***@h": expected one of'),
        (1, f'mode = "{"x" * 500}"', "x…: expected one of"),
        (1, "user = ", "not valid TOML: "),
        (2, "user = 'x'\nmode = =\n", "not valid TOML: Invalid value"),
        (2, "mode = 'local'\nhosts = [\n", "not valid TOML: "),
        (3, "[[upstreams]]\nurl='x'\n[[upstreams]]\n", "'upstreams.1.url' is missing"),
        (4, "[[upstreams]]\nurl='x'\n[[upstreams]]\nurk='y'\n", "mean 'upstreams.1.url'?"),
        (1, '"a b" = 1', "no setting '\"a b\"'"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_line_with_file_line_key_value_and_expectation(
    tmp_path, line, text, told
):
    path = write(tmp_path, text)
    words = message(path=path)
    assert words.startswith(f"{path}:{line}: ")
    assert told in words
    assert "hunter2" not in words


def test_everything_that_is_wrong_is_found_at_once(tmp_path):
    text = """user = 5
[web]
prot = 1
port = 70000
[[upstreams]]
pace = -1
[[upstreams]]
url = "good"
"""
    path = write(tmp_path, text)
    reading = examine(Settings, path=path, overrides=["x", "mode=y"], env={"HEADFRAME_Z": "1"})
    assert [each.partition(": ")[0] for each in reading.problems] == [
        "environment HEADFRAME_Z",
        "--set x",
        "--set",
        *(f"{path}:{line}" for line in (1, 3, 4, 5, 6)),
    ]
    assert reading.settings is None, "an upstream without a URL cannot be left out"
    with pytest.raises(SettingsError) as caught:
        load(Settings, path=path)
    assert len(caught.value.problems) == 5
    assert str(caught.value).startswith(f"{path}:1: user = 5: expected text")
    assert str(caught.value).endswith(" (and 4 more: `headframe check FILE` lists them all)")


def test_what_is_right_is_still_read_when_something_is_wrong(tmp_path):
    path = write(tmp_path, '[web]\nport = "x"\nlisten = "here"\n[[upstreams]]\nurl = "a"\nb = 1\n')
    reading = examine(Settings, path=path)
    assert len(reading.problems) == 2
    assert reading.settings is not None
    assert (reading.settings.web.listen, reading.settings.web.port) == ("here", 9332)
    assert reading.settings.upstreams == (Upstream(url="a"),)


def test_it_is_known_where_each_setting_was_given(tmp_path):
    path = write(tmp_path, 'user = "a"\n[[upstreams]]\nurl = "a"\n')
    reading = examine(Settings, path=path, env={"HEADFRAME_MODE": "pool"}, flags={"web.port": 1})
    assert reading.problems == ()
    assert reading.where("user") == f"{path}:1"
    assert reading.where("upstreams.0.pace") == f"{path}:2"
    assert reading.where("mode") == "environment HEADFRAME_MODE"
    assert reading.where("web.port") == "command line"
    assert reading.where("hosts") == str(path)
    assert examine(Settings).where("hosts") == "settings"


def test_what_the_struct_itself_says_is_placed_in_the_file(tmp_path):
    path = write(tmp_path, '\nuser = "nobody"')
    assert message(path=path) == f"{path}: user must be somebody"
    path = write(tmp_path, '[[upstreams]]\n[upstreams.tls]\nname = "odd"')
    assert message(struct=Deep, path=path) == f"{path}:2: upstreams.0.tls: odd is no name"


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    missing = tmp_path / "missing.toml"
    assert message(path=missing) == f"{missing}: cannot be read: no such file or directory"
    assert "cannot be read: is a directory" in message(path=tmp_path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    assert "cannot be read: " in message(path=binary)


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        (
            {"env": {"HEADFRAME_WEB__PORT": "many"}},
            'environment HEADFRAME_WEB__PORT: web.port = "many": expected a whole number',
        ),
        (
            {"env": {"HEADFRAME_WEB__PROT": "1"}},
            "environment HEADFRAME_WEB__PROT: no setting 'web.prot'; did you mean 'web.port'?",
        ),
        ({"overrides": ["web.port"]}, "--set web.port: expected key=value"),
        ({"overrides": ["mode=x"]}, "--set: mode = \"x\": expected one of 'local', 'pool'"),
        ({"overrides": ["ports=[0]"]}, "--set: ports = "),
        ({"overrides": ["ports=[1"]}, '--set: ports = "[1": not valid TOML'),
        ({"overrides": ["upstreams.url=x"]}, "did you mean 'upstreams.0.url'?"),
        ({"overrides": ["upstreams.0=x"]}, "expected the name of a setting after the index"),
        ({"overrides": ["upstreams.1.url=x"]}, "expected an index from 0 to 0 instead of '1'"),
        ({"overrides": ["upstreams.0.pace=-1"]}, "--set: upstreams.0.pace = "),
        ({"overrides": ["upstreams.0.pace=1"]}, "--set: the setting 'upstreams.0.url' is missing"),
        ({"overrides": ["web=x"]}, "--set: web = "),
        ({"flags": {"web.port": 70000}}, "command line: web.port = 70000: expected"),
        ({"flags": {"user": "nobody"}}, "settings: user must be somebody"),
    ],
)
def test_what_is_wrong_elsewhere_names_where_it_was_given(sources, told):
    assert told in message(**sources)


def test_a_table_cannot_be_entered_where_the_file_has_a_value(tmp_path):
    path = write(tmp_path, "web = 5")
    assert "expected a table" in message(path=path)
    assert "web is 5" in message(path=path, overrides=["web.port=1"])


def test_a_secret_is_read_from_its_file(tmp_path):
    file = tmp_path / "secret"
    file.write_text(" hunter2\n", encoding="utf-8")
    assert read_secret("", str(file)) == "hunter2"
    assert read_secret("direct", "") == "direct"
    assert read_secret("", "") == ""


def test_a_secret_that_cannot_be_had_is_one_line_without_it(tmp_path):
    file = tmp_path / "secret"
    with pytest.raises(ConfigError, match=r"cannot be read: no such file"):
        read_secret("", str(file))
    file.write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="is empty"):
        read_secret("", str(file))
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_secret("", str(file))
    with pytest.raises(ConfigError, match="give one of them") as caught:
        read_secret("hunter2", str(file))
    assert "hunter2" not in str(caught.value)
