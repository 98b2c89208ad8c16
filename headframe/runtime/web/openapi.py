"""The OpenAPI description of a program's endpoints, made of the rows that serve them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from headframe.runtime.web.endpoints import JSON, Endpoint
from headframe.runtime.web.problems import ProblemAnswer

__all__ = ["describe", "encode_description", "faults_of"]

_VERSION: Final = "3.1.0"
_REF: Final = "#/components/schemas/{name}"
_FORBIDDEN: Final = "The `Host` is none that this server answers to."
_UNUSABLE: Final = "No token is set in the settings."
_ABOUT: Final = """Everything may be read without a token. What changes something needs the
operator's, as `Authorization: Bearer TOKEN`. Errors are JSON objects with `error` and
`what_to_do`, whatever the path; an unknown path, method, parameter or field is one."""


def describe(title: str, version: str, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Make the description, as plain data.

    Args:
        title: of the program.
        version: likewise.
        endpoints: what it serves.
    """
    kinds = list(dict.fromkeys(_kinds(endpoints)))
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    known = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for each in endpoints:
        operation = _operation(each, known, components)
        paths.setdefault(each.path, {})[each.method.lower()] = operation
    asked = {each.query.__name__ for each in endpoints if each.query is not None}
    return {
        "openapi": _VERSION,
        "info": {"title": title, "version": version, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {name: each for name, each in components.items() if name not in asked},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def encode_description(title: str, version: str, endpoints: Sequence[Endpoint]) -> bytes:
    """Write the description as indented JSON with a newline at the end."""
    plain = describe(title, version, endpoints)
    return msgspec.json.format(msgspec.json.encode(plain), indent=2) + b"\n"


def faults_of(endpoint: Endpoint) -> dict[int, str]:
    """Tell which problems an endpoint may answer with, by status, and what each means."""
    faults = {403: _FORBIDDEN}
    if not endpoint.lenient or endpoint.query is not None:
        faults[422] = "A parameter is unknown, or not as it must be."
    if endpoint.places:
        faults[404] = "There is nothing of this name."
    if endpoint.token:
        faults |= {401: "The token is missing or wrong.", 403: f"{_UNUSABLE} Or: {_FORBIDDEN}"}
    if endpoint.body is not None:
        faults |= {
            400: "The body is no JSON object.",
            413: "The body is larger than 1 MiB.",
            422: "A field is unknown or not as it must be, or it could not be done.",
        }
    return dict(sorted((faults | dict(endpoint.faults)).items()))


def _kinds(endpoints: Iterable[Endpoint]) -> Iterator[Any]:
    yield ProblemAnswer
    for each in endpoints:
        yield from (kind for kind in (each.query, each.body) if kind is not None)
        yield from (reply.kind for reply in each.replies.values() if reply.kind is not None)


def _operation(
    each: Endpoint, known: Mapping[Any, Any], components: Mapping[str, Any]
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": "_".join(re.findall(r"\w+", f"{each.method.lower()} {each.path}")),
        "summary": each.summary,
        "description": each.details or each.summary,
        "responses": _responses(each, known),
    }
    if each.token:
        operation["security"] = [{"token": []}]
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"enum": [*values]}}
        for name, values in each.places.items()
    ]
    if each.query is not None:
        parameters += _parameters(components[each.query.__name__])
    if parameters:
        operation["parameters"] = parameters
    if each.body is not None:
        content = {JSON: {"schema": known[each.body]}}
        required = bool(components[each.body.__name__].get("required"))
        operation["requestBody"] = {"required": required, "content": content}
    return operation


def _parameters(schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Make a parameter of each property."""
    for name, given in schema["properties"].items():
        told = dict(given)
        yield {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": told.pop("description", ""),
            "schema": told,
        }


def _responses(each: Endpoint, known: Mapping[Any, Any]) -> dict[str, Any]:
    responses = {}
    for status, reply in each.replies.items():
        content: dict[str, Any] = {media: {} for media in reply.media}
        if reply.kind is not None:
            content[JSON] = {"schema": known[reply.kind]}
        responses[str(status)] = {"description": reply.what, "content": content}
    for status, what in faults_of(each).items():
        name = HTTPStatus(status).phrase
        content = {JSON: {"schema": known[ProblemAnswer]}}
        responses[str(status)] = {"description": f"{name}: {what}", "content": content}
    return responses
