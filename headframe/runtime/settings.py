"""Settings: from defaults, a TOML file, the environment and the command line to one struct.

A program's settings are one frozen `msgspec.Struct`, nested by topic. Every field is
`Annotated[type, msgspec.Meta(description=..., ge=...)] = default`; optional numbers carry
their bounds inside: `Annotated[Annotated[float, Meta(ge=0)] | None, Meta(description=...)]`.
Whatever is wrong is told in one line: where it was given (of a file also the line), the
key, the value, and what was expected.

SettingsError           (a `runtime.errors.ConfigError`) all that is wrong at once
"""

import copy
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import msgspec

from headframe.runtime.errors import ConfigError
from headframe.runtime.settings_fields import Field, find, to_plain
from headframe.runtime.settings_pages import example, help_of, reference
from headframe.runtime.settings_places import Places
from headframe.runtime.settings_problems import (
    Problem,
    decode,
    expectation,
    explain,
    find_problems,
    shown,
    suggest,
)

__all__ = [
    "ENV_PREFIX",
    "Reading",
    "SettingsError",
    "examine",
    "example",
    "help_of",
    "load",
    "read_secret",
    "reference",
]

ENV_PREFIX = "HEADFRAME_"

S = TypeVar("S", bound=msgspec.Struct)
_NONE: Mapping[str, Any] = MappingProxyType({})


class SettingsError(ConfigError):
    """Settings cannot be used; the text is the first problem, and says how many more there are.

    Attributes:
        problems: one line each.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        more = len(problems) - 1
        rest = f" (and {more} more: `headframe check FILE` lists them all)" if more else ""
        super().__init__(f"{problems[0]}{rest}")
        self.problems = tuple(problems)


class Reading(Generic[S]):
    """What came of settings: the settings, what is wrong with them, and who gave what.

    Attributes:
        settings: with the defaults for what is wrong; `None` when not even that can be.
        problems: one line each; the settings are good when there is none.
    """

    def __init__(self, settings: S | None, problems: Sequence[str], draft: "_Draft") -> None:
        self.settings = settings
        self.problems = tuple(problems)
        self._draft = draft

    def where(self, key: str) -> str:
        """Say where a setting was given: as `file:line`, or as what gave it.

        Args:
            key: dotted.
        """
        return self._draft.origin(key.split("."))


def load(
    struct: type[S],
    *,
    path: Path | None = None,
    env: Mapping[str, str] = _NONE,
    overrides: Sequence[str] = (),
    flags: Mapping[str, object] = _NONE,
) -> S:
    """Load settings; each source overrides those before it.

    Args:
        struct: the settings' type.
        path: a TOML file.
        env: the environment. `HEADFRAME_WEB__PORT` is `web.port`; other prefixes are not
            ours.
        overrides: `web.port=9000` each, as `--set` takes them. Lists and tables are
            written as TOML, lists of text also as `a,b`. Items of a list of tables have
            their index in the key: `upstreams.0.url`.
        flags: what the command line's own flags gave, by dotted key; `None`: not given.

    Raises:
        ConfigError: a file cannot be read, a key is unknown, a value is not possible.
    """
    reading = examine(struct, path=path, env=env, overrides=overrides, flags=flags)
    if reading.problems or reading.settings is None:
        raise SettingsError(reading.problems)
    return reading.settings


def examine(
    struct: type[S],
    *,
    path: Path | None = None,
    env: Mapping[str, str] = _NONE,
    overrides: Sequence[str] = (),
    flags: Mapping[str, object] = _NONE,
) -> Reading[S]:
    """Read settings as `load` does, and find everything that is wrong with them.

    Args:
        struct: as for `load`.
        path: likewise.
        env: likewise.
        overrides: likewise.
        flags: likewise.
    """
    draft = _Draft(struct, source=str(path) if path else "settings")
    if path is not None:
        draft.read_file(path)
    for name in sorted(env):
        if name.startswith(ENV_PREFIX):
            key = name.removeprefix(ENV_PREFIX).lower().replace("__", ".")
            draft.put(_Given(key, env[name], f"environment {name}"))
    for text in overrides:
        key, equals, value = text.partition("=")
        if equals:
            draft.put(_Given(key.strip(), value.strip(), "--set"))
        else:
            draft.wrong.append(f"--set {text}: expected key=value")
    for key, item in flags.items():
        if item is not None:
            draft.put(_Given(key, to_plain(item), "command line"))
    return draft.build(struct)


def read_secret(value: str, file: str) -> str:
    """Return a secret that is given as it is, or as the name of a file that holds it.

    Args:
        value: the secret, or "".
        file: a file with nothing but the secret in it, or "". White space around is cut.

    Returns:
        The secret; "" when neither is given.

    Raises:
        ConfigError: both are given, or the file cannot be read or is empty.
    """
    if not file:
        return value
    if value:
        raise ConfigError(f"a secret is given directly and as file {file}: give one of them")
    try:
        secret = Path(file).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"secret file {file} cannot be read: {_reason(error)}") from None
    if not secret:
        raise ConfigError(f"secret file {file} is empty")
    return secret


@dataclass(frozen=True, slots=True)
class _Given:
    """One setting from outside a file."""

    key: str
    value: object
    origin: str

    def error(self, what: str) -> ConfigError:
        return ConfigError(f"{self.origin}: {shown(self.key, self.value)}: {what}")


class _Draft:
    """Plain data that grows source by source, and where each part of it came from.

    Attributes:
        wrong: what could not be taken.
    """

    def __init__(self, struct: type[msgspec.Struct], *, source: str) -> None:
        self.wrong: list[str] = []
        self._struct = struct
        self._source = source
        self._data: dict[str, Any] = {}
        self._origins: dict[str, str] = {}
        self._places: Places | None = None
        self._unread = False

    def read_file(self, path: Path) -> None:
        try:
            text = path.read_bytes().decode()
            self._data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            what, line = _syntax(str(error), text)
            self.wrong.append(f"{path}:{line}: not valid TOML: {what}")
        except (OSError, UnicodeDecodeError) as error:
            self.wrong.append(f"{path}: cannot be read: {_reason(error)}")
        else:
            self._places = Places(text)
        self._unread = self._places is None

    def put(self, given: _Given) -> None:
        """Set one key; tables on the way to it are made."""
        try:
            self._put(given)
        except ConfigError as error:
            self.wrong.append(str(error))

    def _put(self, given: _Given) -> None:
        parts = given.key.split(".")
        field = find(self._struct, parts)
        if field is None:
            raise ConfigError(
                f"{given.origin}: no setting {given.key!r}{suggest(self._struct, given.key)}"
            )
        node: Any = self._data
        for position, part in enumerate(parts[:-1]):
            node = self._step(node, part, parts[position + 1], given)
        last = parts[-1]
        if isinstance(node, list):
            raise given.error("expected the name of a setting after the index")
        node[last] = _convert(field, given)
        self._origins[given.key] = given.origin

    def build(self, struct: type[S]) -> Reading[S]:
        problems = sorted(find_problems(struct, self._data), key=self._line)
        lines = [*self.wrong, *(self._told(each) for each in problems)]
        if self._unread:
            return Reading(None, lines, self)
        settings = None
        try:
            data = _without(self._data, problems)
            settings = msgspec.convert(data, struct, dec_hook=decode)
        except msgspec.ValidationError as error:
            if not problems:
                lines.append(self._told(explain(struct, str(error))))
        return Reading(settings, lines, self)

    def origin(self, parts: Sequence[str]) -> str:
        """Say where a setting was given."""
        key = ".".join(parts)
        fitting = [each for each in self._origins if f"{key}.".startswith(f"{each}.")]
        if fitting:
            return self._origins[max(fitting, key=len)]
        line = self._places.line(parts) if self._places else None
        return f"{self._source}:{line}" if line else self._source

    def _told(self, problem: Problem) -> str:
        """Put in front of a problem where it was given."""
        parts = problem.parts
        if problem.missing:  # by whoever gave the rest of the table
            parts = parts[:-1]
            table = ".".join(parts)
            beside = [each for each in self._origins if table and each.startswith(f"{table}.")]
            if beside:
                return f"{self._origins[beside[0]]}: {problem.what}"
        return f"{self.origin(parts)}: {problem.what}"

    def _line(self, problem: Problem) -> int:
        return (self._places.line(problem.parts) if self._places else None) or 0

    def _step(self, node: Any, part: str, following: str, given: _Given) -> Any:
        """Go one level down, into a table, a list or an item of a list."""
        if not isinstance(node, list):
            child = node.setdefault(part, [] if following.isdecimal() else {})
        elif part.isdecimal() and int(part) <= len(node):
            if int(part) == len(node):
                node.append({})
            child = node[int(part)]
        else:
            raise given.error(f"expected an index from 0 to {len(node)} instead of {part!r}")
        if not isinstance(child, dict | list):
            raise given.error(f"{part} is {child!r} in {self._source}, and not a table")
        return child


def _without(data: dict[str, Any], problems: Sequence[Problem]) -> dict[str, Any]:
    """Return a copy of plain data without the values that are wrong."""
    rest = copy.deepcopy(data)
    for problem in problems:
        if not problem.missing:
            node: Any = rest
            for part in problem.parts[:-1]:
                node = node[int(part)] if isinstance(node, list | tuple) else node[part]
            del node[problem.parts[-1]]
    return rest


def _convert(field: Field, given: _Given) -> object:
    """Check one value given as text, or by a flag, and return it as plain data."""
    value = given.value
    if isinstance(value, str):
        if field.is_container:
            value = _parse_container(value, given)
        elif field.takes_nothing and not field.takes_text and value.lower() in {"", "none"}:
            return None
    try:
        checked = msgspec.convert(value, field.annotation, strict=False, dec_hook=decode)
    except msgspec.ValidationError as error:
        raise given.error(expectation(field, str(error))) from None
    return to_plain(checked)


def _parse_container(text: str, given: _Given) -> object:
    """Read a list or table: as TOML, or as words with commas between."""
    if not text.startswith(("[", "{")):
        return [word.strip() for word in text.split(",") if word.strip()]
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise given.error(f"not valid TOML: {error}") from None


def _syntax(message: str, text: str) -> tuple[str, int]:
    """Take what `tomllib` says apart: what is wrong, and in which line."""
    what, _, place = message.rpartition(" (at ")
    found = re.match(r"line (\d+),", place)
    return what or message, int(found[1]) if found else text.rstrip().count("\n") + 1


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)
