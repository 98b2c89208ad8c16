"""Settings: from defaults, a TOML file, the environment and the command line to one struct.

A program's settings are one frozen `msgspec.Struct`, nested by topic. Every field is
`Annotated[type, msgspec.Meta(description=..., ge=...)] = default`; optional numbers carry
their bounds inside: `Annotated[Annotated[float, Meta(ge=0)] | None, Meta(description=...)]`.
Whatever is wrong is told in one line: where it was given, the key, the value, and what was
expected.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from headframe.runtime.errors import ConfigError
from headframe.runtime.logs import HIDDEN, is_secret, redact
from headframe.runtime.settings_fields import Field, all_keys, fields_of, find, to_plain
from headframe.runtime.settings_pages import example, help_of, reference

__all__ = ["ENV_PREFIX", "example", "help_of", "load", "read_secret", "reference"]

ENV_PREFIX = "HEADFRAME_"
LONGEST_VALUE_SHOWN = 80

S = TypeVar("S", bound=msgspec.Struct)
_NONE: Mapping[str, Any] = MappingProxyType({})


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
    draft = _Draft(struct, source=str(path) if path else "settings")
    if path is not None:
        draft.read_file(path)
    for name in sorted(env):
        if name.startswith(ENV_PREFIX):
            key = name.removeprefix(ENV_PREFIX).lower().replace("__", ".")
            draft.put(_Given(key, env[name], f"environment {name}"))
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set {text}: expected key=value")
        draft.put(_Given(key.strip(), value.strip(), "--set"))
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
        return ConfigError(f"{self.origin}: {_shown(self.key, self.value)}: {what}")


class _Draft:
    """Plain data that grows source by source, and where each part of it came from."""

    def __init__(self, struct: type[msgspec.Struct], *, source: str) -> None:
        self._struct = struct
        self._source = source
        self._data: dict[str, Any] = {}
        self._origins: dict[str, str] = {}

    def read_file(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._data = tomllib.load(file)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path}: not valid TOML: {error}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read: {_reason(error)}") from None
        self._check_keys(self._struct, self._data, "")

    def put(self, given: _Given) -> None:
        """Set one key; tables on the way to it are made."""
        parts = given.key.split(".")
        field = find(self._struct, parts)
        if field is None:
            raise ConfigError(
                f"{given.origin}: no setting {given.key!r}{_suggest(self._struct, given.key)}"
            )
        node: Any = self._data
        for position, part in enumerate(parts[:-1]):
            node = self._step(node, part, parts[position + 1], given)
        last = parts[-1]
        if isinstance(node, list):
            raise given.error("expected the name of a setting after the index")
        node[last] = _convert(field, given)
        self._origins[given.key] = given.origin

    def build(self, struct: type[S]) -> S:
        try:
            return msgspec.convert(self._data, struct, dec_hook=_decode)
        except msgspec.ValidationError as error:
            raise self._explain(str(error)) from None

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

    def _check_keys(self, struct: type[msgspec.Struct], data: object, prefix: str) -> None:
        if not isinstance(data, dict):
            return  # the wrong type is told when it is converted
        known = {field.name: field for field in fields_of(struct)}
        for name, value in data.items():
            key = prefix + name
            if name not in known:
                raise ConfigError(
                    f"{self._source}: no setting {key!r}{_suggest(self._struct, key)}"
                )
            field = known[name]
            if field.table is None:
                continue
            if not field.many:
                self._check_keys(field.table, value, f"{key}.")
            elif isinstance(value, list):
                for index, item in enumerate(value):
                    self._check_keys(field.table, item, f"{key}.{index}.")

    def _explain(self, text: str) -> ConfigError:
        """Turn msgspec's message, which ends with a path such as `$.a[0].b`, into ours."""
        found = re.fullmatch(r"(.*?)(?: - at `\$\.?(.*)`)?", text, re.DOTALL)
        what, place = (found[1], found[2] or "") if found else (text, "")
        parts = [each for each in re.split(r"[.\[\]]+", place) if each]
        missing = re.search(r"missing required field `(.*)`", what)
        if missing:
            parts.append(missing[1])
        if missing:
            return self._missing(parts)
        while parts and find(self._struct, parts) is None:
            parts.pop()  # inside a value, which is shown as a whole
        field = find(self._struct, parts) if parts else None
        key = ".".join(parts)
        if field is None:
            return ConfigError(f"{self._origin(key)}: {what}")
        if what.startswith(("Expected `", "Invalid enum")):
            what = f"expected {field.expects}"
        return ConfigError(f"{self._origin(key)}: {_shown(key, self._value(parts))}: {what}")

    def _missing(self, parts: list[str]) -> ConfigError:
        key, table = ".".join(parts), ".".join(parts[:-1])
        field = find(self._struct, parts)
        meaning = f": {field.description}" if field and field.description else ""
        beside = [each for each in self._origins if table and each.startswith(f"{table}.")]
        origin = self._origins[beside[0]] if beside else self._source
        return ConfigError(f"{origin}: the setting {key!r} is missing{meaning}")

    def _origin(self, key: str) -> str:
        fitting = [each for each in self._origins if f"{key}.".startswith(f"{each}.")]
        return self._origins[max(fitting, key=len)] if fitting else self._source

    def _value(self, parts: Sequence[str]) -> object:
        value: Any = self._data
        for part in parts:
            value = value[int(part)] if isinstance(value, list) else value[part]
        return value


def _convert(field: Field, given: _Given) -> object:
    """Check one value given as text, or by a flag, and return it as plain data."""
    value = given.value
    if isinstance(value, str):
        if field.is_container:
            value = _parse_container(value, given)
        elif field.takes_nothing and not field.takes_text and value.lower() in {"", "none"}:
            return None
    try:
        checked = msgspec.convert(value, field.annotation, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        text = str(error)
        usual = text.startswith(("Expected", "Invalid enum")) and " - at " not in text
        raise given.error(f"expected {field.expects}" if usual else text) from None
    return to_plain(checked)


def _parse_container(text: str, given: _Given) -> object:
    """Read a list or table: as TOML, or as words with commas between."""
    if not text.startswith(("[", "{")):
        return [word.strip() for word in text.split(",") if word.strip()]
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise given.error(f"not valid TOML: {error}") from None


def _decode(kind: type, value: object) -> object:
    """Make the types that msgspec does not know; it calls this with the annotation."""
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    if kind is Path and isinstance(value, Path):
        return value
    raise ValueError(f"Expected `{kind.__name__}`")  # as msgspec words it


def _suggest(struct: type[msgspec.Struct], key: str) -> str:
    """Name the setting that was probably meant, or those there are."""
    generic = re.sub(r"\.\d+(?=\.|$)", ".0", key)
    known = [each for each, _ in all_keys(struct)]
    name = generic.rpartition(".")[2]
    elsewhere = [each for each in known if each.rpartition(".")[2] == name]
    close = difflib.get_close_matches(generic, elsewhere, n=1, cutoff=0.0)
    close = close or difflib.get_close_matches(generic, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    top = ", ".join(field.name for field in fields_of(struct))
    return f"; there are: {top}"


def _shown(key: str, value: object) -> str:
    """Write a key and its value, without secrets, and not too long."""
    if is_secret(key.rpartition(".")[2]):
        return f"{key} = {HIDDEN}"
    text = msgspec.json.encode(redact(value), enc_hook=str).decode()
    if len(text) > LONGEST_VALUE_SHOWN:
        text = f"{text[:LONGEST_VALUE_SHOWN]}…"
    return f"{key} = {text}"


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)
