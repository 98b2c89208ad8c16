"""The page of the HTTP API, made of the rows that serve it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import msgspec

from headframe import __version__
from headframe.runtime.events import MOST_KEPT
from headframe.runtime.web import common
from headframe.runtime.web.endpoints import Endpoint
from headframe.runtime.web.openapi import describe, encode_description, faults_of
from headframe.runtime.web.server import MOST_EVENT_STREAMS, STATIC_TYPES
from headframe.runtime.web.stream import QUIET_SECONDS, SLOWEST_WRITE_SECONDS
from miner import api as miner_api
from miner.config import DEFAULT_WEB_PORT
from miner.status import MinerStatus
from proxy import api as proxy_api
from proxy.status import ProxyStatus
from proxy.tables import WebSettings

__all__ = ["api_page", "api_schemas"]

PROXY_PORT = WebSettings().port
NAMES = {"integer": "whole number", "string": "text", "boolean": "`true` or `false`"}
PROSE = Template((Path(__file__).with_suffix(".md")).read_text())
"""What comes before the endpoints."""


def api_page(note: str) -> str:
    """Make the page; `note` says where it comes from."""
    both = [*_common(None), *(each for each in proxy_api.ENDPOINTS if each in miner_api.ENDPOINTS)]
    prose = PROSE.substitute(
        proxy_port=PROXY_PORT,
        miner_port=DEFAULT_WEB_PORT,
        version=__version__,
        most_kept=MOST_KEPT,
        streams=MOST_EVENT_STREAMS,
        quiet=f"{QUIET_SECONDS:g}",
        patience=f"{SLOWEST_WRITE_SECONDS:g}",
    )
    parts = [f"# API\n{note}\n{prose}"]
    for title, port, rows in (
        ("Proxy and miner", PROXY_PORT, both),
        ("The proxy", PROXY_PORT, [e for e in proxy_api.ENDPOINTS if e not in both]),
        ("The miner", DEFAULT_WEB_PORT, [e for e in miner_api.ENDPOINTS if e not in both]),
    ):
        told = _with_enums(describe(title, __version__, rows))
        parts.append(f"## {title}\n")
        parts += [_endpoint(each, told, port) for each in rows]
        parts += _parts(rows, told["components"]["schemas"])
    return "\n".join(parts).rstrip() + "\n"


def api_schemas() -> dict[str, str]:
    """Make the whole descriptions: path from the root, and text."""
    return {
        f"docs/schema/{name}-openapi.json": encode_description(
            f"Headframe {name}", __version__, [*_common(status), *rows]
        ).decode()
        for name, status, rows in (
            ("proxy", ProxyStatus, proxy_api.ENDPOINTS),
            ("miner", MinerStatus, miner_api.ENDPOINTS),
        )
    }


def _common(status: type[msgspec.Struct] | None) -> Iterator[Endpoint]:
    yield from (common.PAGE, common.files_of(STATIC_TYPES), common.METRICS, common.HEALTH)
    yield from (common.status_of(status), common.SCHEMA, common.EVENTS, common.LOG)
    yield from (common.ACTIONS, common.OPENAPI)


def _with_enums(told: dict[str, Any]) -> dict[str, Any]:
    """Put closed lists of words where they are referred to: they need no table of their own."""
    schemas = told["components"]["schemas"]
    words = {f"#/components/schemas/{name}": s for name, s in schemas.items() if "enum" in s}

    def inlined(plain: object) -> object:
        if isinstance(plain, dict):
            found = words.get(plain.get("$ref", ""))
            plain = plain if found is None else {**plain, **found}
            return {
                key: inlined(value) for key, value in plain.items() if key != "$ref" or not found
            }
        return [inlined(each) for each in plain] if isinstance(plain, list) else plain

    return {**told, "components": {"schemas": inlined(schemas)}}


def _parts(rows: Sequence[Endpoint], schemas: Mapping[str, Any]) -> Iterator[str]:
    """Describe what answers hold within, such as the rows of a list."""
    kinds = [kind for each in rows for kind in (each.query, each.body)]
    kinds += [reply.kind for each in rows for reply in each.replies.values()]
    shown = {"ProblemAnswer", *(getattr(kind, "__name__", "") for kind in kinds)}
    for name, schema in sorted(schemas.items()):
        if name not in shown and "properties" in schema:
            about = schema.get("description", "").partition("\n")[0]
            table = _fields("field", schema, default=False)
            yield "\n".join([f"### Within answers: `{name}`", about, "", *table, ""])


def _endpoint(each: Endpoint, told: Mapping[str, Any], port: int) -> str:
    operation = told["paths"][each.path][each.method.lower()]
    schemas = told["components"]["schemas"]
    lines = [
        f"### `{each.method} {each.path}`",
        f"{each.summary}." + " Needs the token." * each.token,
    ]
    if each.details:
        lines += ["", each.details]
    if each.query is not None:
        rows = [
            (f"`{one['name']}`", _kind(one["schema"]), _default(one["schema"]), one["description"])
            for one in operation["parameters"]
            if one["in"] == "query"
        ]
        lines += ["", *_table(("parameter", "type", "default", "meaning"), rows)]
    if each.body is not None and each.body is not common.Nothing:
        lines += ["", *_fields("field of the body", schemas[each.body.__name__], default=True)]
    answers = [(str(status), reply.what) for status, reply in each.replies.items()]
    answers += [(str(status), what) for status, what in faults_of(each).items()]
    lines += ["", *_table(("status", "means"), answers)]
    for reply in each.replies.values():
        schema = schemas.get(getattr(reply.kind, "__name__", ""))
        if schema is not None and schema.get("properties"):
            lines += ["", *_fields("field of the answer", schema, default=False)]
    return "\n".join([*lines, "", "```sh", _example(each, port), "```", ""])


def _fields(title: str, schema: Mapping[str, Any], *, default: bool) -> list[str]:
    rows = []
    for name, one in schema["properties"].items():
        row = [f"`{name}`", _kind(one), one.get("description", "")]
        if default:
            required = name in schema.get("required", ())
            row.insert(2, "needed" if required else _default(one))
        rows.append(tuple(row))
    heads = (title, "type", "default", "meaning") if default else (title, "type", "meaning")
    return _table(heads, rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def _kind(schema: Mapping[str, Any]) -> str:
    """Say in words what a schema lets pass."""
    match schema:
        case {"$ref": ref}:
            told = f"`{ref.rsplit('/', 1)[1]}`"
        case {"anyOf": kinds}:
            told = " or ".join(_kind(one) for one in kinds)
        case {"enum": values}:
            told = ", ".join(f"`{one}`" for one in values if one != "")
        case {"type": "array", "items": items}:
            told = f"list of {_kind(items)}"
        case {"type": "object", "additionalProperties": values}:
            told = f"object of {_kind(values)}"
        case {"type": "integer" | "number", "minimum": least, "maximum": most}:
            told = f"{least} to {most}"
        case {"type": kind}:
            told = NAMES.get(kind, kind)
        case _:
            told = "anything"
    return told


def _default(schema: Mapping[str, Any]) -> str:
    if "default" not in schema:
        return ""
    value = schema["default"]
    return f"`{json.dumps(value)}`" if value is not None else ""


def _example(each: Endpoint, port: int) -> str:
    path = each.path.replace("{name}", "app.js")
    url = f"http://127.0.0.1:{port}{path}"
    if each.method == "GET":
        call = f"'{url}{each.example}'" if each.example else url
        return f"curl{' -N' * each.endless} {call}"
    token = ' -H "Authorization: Bearer $(cat token)"' if each.token else ""
    body = f" -d '{each.example}'" if each.example else ""
    return f"curl -X POST{token}{body} {url}"
