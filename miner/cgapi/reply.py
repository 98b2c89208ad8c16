"""Answers as bytes: JSON, or cgminer's own text. Pure.

Source: `API-README` of ckolivas/cgminer, and `print_data`, `escape_string`, `head_join`,
`tail_join` and `send_result` of its `api.c` for what the page leaves open: a list around
each part of a joined answer, the `id` at each end, the NUL after all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from miner.cgapi.codes import Code, Value, status_row

__all__ = ["Reply", "encode", "encode_joined"]

Row = Mapping[str, Value]

_ESCAPES: Final = str.maketrans({each: f"\\{each}" for each in "|,=\\"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to one command.

    Attributes:
        code: how it went.
        values: for the braces in its words.
        section: the name of what follows the status, such as "SUMMARY"; "" for nothing.
        rows: its rows.
        titled: in text, the row begins with the section's name; rows of lists begin with
            their own first field instead.
        word: instead of all that, one word: "BYE" is the answer to `quit`.
    """

    code: Code
    values: tuple[Value, ...] = ()
    section: str = ""
    rows: Sequence[Row] = ()
    titled: bool = False
    word: str = ""


def encode(reply: Reply, *, as_json: bool, when: int) -> bytes:
    """Write the answer to one command.

    Args:
        reply: the answer.
        as_json: whether the request was JSON.
        when: seconds since 1970.
    """
    if as_json:
        return msgspec.json.encode(_document(reply, when)) + b"\0"
    return _text(reply, when).encode() + b"\0"


def encode_joined(replies: Mapping[str, Reply], *, as_json: bool, when: int) -> bytes:
    """Write the answers to several commands of one request, by the commands' names.

    Args:
        replies: the answers.
        as_json: whether the request was JSON.
        when: seconds since 1970.
    """
    if as_json:
        parts = {name: [_document(reply, when)] for name, reply in replies.items()}
        return msgspec.json.encode(parts | {"id": 1}) + b"\0"
    text = "".join(f"CMD={_escaped(name)}|{_text(each, when)}" for name, each in replies.items())
    return text.encode() + b"\0"


def _document(reply: Reply, when: int) -> dict[str, object]:
    if reply.word:
        return {"STATUS": reply.word, "id": 1}
    document: dict[str, object] = {"STATUS": [status_row(reply.code, reply.values, when)]}
    if reply.section:
        document[reply.section] = list(reply.rows)
    return document | {"id": 1}


def _text(reply: Reply, when: int) -> str:
    if reply.word:
        return reply.word
    lines = [_line(status_row(reply.code, reply.values, when))]
    title = f"{reply.section}," if reply.titled else ""
    lines += [title + _line(row) for row in reply.rows]
    return "".join(f"{line}|" for line in lines)


def _line(row: Row) -> str:
    return ",".join(f"{name}={_plain(value)}" for name, value in row.items())


def _plain(value: Value) -> str:
    if isinstance(value, str):
        return _escaped(value)
    return msgspec.json.encode(value).decode()  # the same digits, and true or false


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES).replace("\0", "")
