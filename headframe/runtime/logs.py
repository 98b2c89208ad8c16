"""Log lines: structlog, set up once per process.

One event per line, a fixed phrase first and what varies as keys; JSON unless it is a
terminal. An event that repeats itself is told so often, then counted (`runtime.loglimit`).
Secrets are taken out here, for every line, whoever logs it; control characters
that a stranger chose cannot reach the terminal. The last events are kept for page and API
(`runtime.events`).
"""

import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from headframe.runtime.errors import ConfigError
from headframe.runtime.events import RECENT
from headframe.runtime.loglimit import EventLimit
from headframe.runtime.text import printable

__all__ = [
    "FORMATS",
    "LEVELS",
    "get_logger",
    "is_secret",
    "printable",
    "redact",
    "redact_url",
    "setup",
    "text_of",
]

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("auto", "json", "text")

HIDDEN = "***"
_SECRET_KEY = re.compile(r"password|passwd|secret|token|cookie|authorization|^hook$", re.IGNORECASE)
_PLACE_KEY = re.compile(r"_(file|path)$", re.IGNORECASE)
# As far as the last @ of the word: a password may hold a slash or an @ that should have been
# escaped, and hiding too much is the lesser harm.
_USERINFO = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s\"'<>]*@")


def get_logger(name: str) -> FilteringBoundLogger:
    """Return the logger of a module; `name` is its `__name__`."""
    return cast("FilteringBoundLogger", _Logger(name))


def setup(*, level: str = "info", format: str = "auto", stream: TextIO | None = None) -> None:
    """Set logging up for this process, the standard library's included.

    What libraries log through `logging` comes out the same way, warnings and worse only.

    Args:
        level: the least that is shown; one of `LEVELS`.
        format: one of `FORMATS`; "auto" is text on a terminal and JSON elsewhere.
        stream: where to; by default what is standard output at the time.

    Raises:
        ConfigError: no such level or format.
    """
    if level not in LEVELS:
        raise ConfigError(f"log level {level!r}: expected one of {', '.join(LEVELS)}")
    if format not in FORMATS:
        raise ConfigError(f"log format {format!r}: expected one of {', '.join(FORMATS)}")
    out = sys.stdout if stream is None else stream
    terminal = out.isatty()
    text = format == "text" or (format == "auto" and terminal)
    last: list[Processor] = [_escape_controls, _text_renderer(colors=_colours(terminal))]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _name_logger,
            EventLimit(_tell_left_out),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _redact_event,
            RECENT,
            *(last if text else [structlog.processors.JSONRenderer(serializer=_to_json)]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _Unfailing(stream))),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, _Bridge)]:
        root.removeHandler(handler)
    root.addHandler(_Bridge(level=logging.WARNING))
    logging.captureWarnings(capture=True)


def redact(value: object) -> object:
    """Return a copy without secrets: by the names of keys, and by the userinfo of URLs.

    Args:
        value: text, or mappings and sequences of any depth. A key that ends in `_file` or
            `_path` says where a secret lies and is kept.
    """
    if isinstance(value, str):
        return redact_url(value)
    if isinstance(value, Mapping):
        return {
            key: HIDDEN if item and is_secret(key) else redact(item) for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item) for item in value]
    return value


def text_of(event: Mapping[str, object], *, colours: bool) -> str:
    """Write an event as a line for people, the way `setup` does with "text".

    Args:
        event: what a line of JSON holds.
        colours: whether to colour it.
    """
    shown = _escape_controls(None, "", dict(event))
    return str(_text_renderer(colors=colours)(None, str(event["level"]), shown))


def is_secret(key: object) -> bool:
    """Tell whether what stands under this key must not be shown."""
    name = str(key)
    return bool(_SECRET_KEY.search(name)) and not _PLACE_KEY.search(name)


def redact_url(text: str) -> str:
    """Hide user name and password of every URL in a text."""
    return _USERINFO.sub(rf"\1{HIDDEN}@", text) if "@" in text else text


def _name_logger(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Call it `logger`, which `structlog.get_logger` does not let us do at once."""
    if "logger_name" in event:
        event["logger"] = event.pop("logger_name")
    return event


def _tell_left_out(logger: str, level: str, name: str, count: int) -> None:
    """Log that an event came more often than it was told."""
    get_logger(logger).log(logging.getLevelNamesMapping()[level.upper()], name, suppressed=count)


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return cast("EventDict", redact(event))


def _escape_controls(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Make control characters visible; a traceback is ours and keeps its lines."""
    for key, value in event.items():
        if isinstance(value, str) and key != "exception":
            event[key] = printable(value)
    return event


def _text_renderer(*, colors: bool) -> Processor:
    # The plain formatter: a pretty one prints local variables, and with them secrets.
    return structlog.dev.ConsoleRenderer(
        colors=colors, exception_formatter=structlog.dev.plain_traceback
    )


def _colours(terminal: bool) -> bool:  # noqa: FBT001  # private, and the only argument
    return terminal and not os.environ.get("NO_COLOR")


def _to_json(event: EventDict, **_options: object) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


class _Logger:
    """A module's logger, put together once for each way in which logging is set up.

    structlog's own is put together for each line, or once for good. A line that would be
    left out since there were many of its kind is not put together at all.
    """

    __slots__ = ("_limit", "_logger", "_made_by", "_name", "_processors")

    def __init__(self, name: str) -> None:
        self._name = name
        self._made_by: tuple[object, ...] = ()
        self._logger: FilteringBoundLogger | None = None
        self._processors: Sequence[Processor] = ()
        self._limit: EventLimit | None = None

    def info(self, event: str, **values: object) -> None:
        """Log what an operator wants to see on a good day."""
        logger, limit = self._bound(), self._limit
        if limit is None or self._shows(limit, event):
            logger.info(event, **values)

    def warning(self, event: str, **values: object) -> None:
        """Log what needs a look."""
        logger, limit = self._bound(), self._limit
        if limit is None or self._shows(limit, event):
            logger.warning(event, **values)

    def __getattr__(self, method: str) -> Any:
        return getattr(self._bound(), method)

    def _shows(self, limit: EventLimit, event: str) -> bool:
        # Who captures lines takes the limit out of the processors.
        return limit not in self._processors or not limit.leaves_out(self._name, event)

    def _bound(self) -> FilteringBoundLogger:
        config = structlog.get_config()
        wrapper, factory = config["wrapper_class"], config["logger_factory"]
        logger = self._logger
        if (
            logger is None
            or config["processors"] is not self._processors
            or (wrapper, factory) != self._made_by
        ):
            logger = structlog.get_logger(logger_name=self._name).bind()
            self._logger, self._made_by = logger, (wrapper, factory)
            self._processors = config["processors"]
            limits = (each for each in self._processors if isinstance(each, EventLimit))
            self._limit = next(limits, None)
        return logger


class _Unfailing:
    """Where lines go; a full disk or a reader that has gone loses lines, and stops nothing.

    Args:
        stream: standard output as it is at each line, if not given.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write, if that can be done."""
        with suppress(OSError, ValueError):  # no room, no reader; closed by its owner
            self._out().write(text)

    def flush(self) -> None:
        """Let it out, if that can be done."""
        with suppress(OSError, ValueError):
            self._out().flush()

    def _out(self) -> TextIO:
        return sys.stdout if self._stream is None else self._stream


class _Bridge(logging.Handler):
    """Hands the standard library's records to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        get_logger(record.name).log(
            record.levelno, record.getMessage(), exc_info=record.exc_info or None
        )
