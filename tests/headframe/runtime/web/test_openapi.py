"""The description is made of what is served, and is OpenAPI."""

from typing import Annotated, Any, Literal

import jsonschema
import msgspec
import pytest

from headframe.runtime.web.common import EVENTS, HEALTH, LOG, RELOAD
from headframe.runtime.web.endpoints import Endpoint, Reply
from headframe.runtime.web.openapi import describe, encode_description, faults_of

Meta = msgspec.Meta


class Asked(msgspec.Struct, kw_only=True, rename={"since": "from"}):
    """What is asked."""

    since: Annotated[str, Meta(description="From then on.")]
    limit: Annotated[int, Meta(ge=1, le=9)] = 5
    kind: Annotated[Literal["a", "b"] | msgspec.UnsetType, Meta(description="Which.")] = (
        msgspec.UNSET
    )


class Thing(msgspec.Struct, kw_only=True):
    """A thing."""

    size: int


class Wish(msgspec.Struct, kw_only=True):
    """What is wished for."""

    thing: Thing


GET = Endpoint(
    path="/api/v1/things/{name}",
    summary="Things",
    places={"name": ("one", "two")},
    query=Asked,
    replies={200: Reply(what="They.", kind=Thing, media=("application/json", "text/csv"))},
)
POST = Endpoint(
    path="/api/v1/things/{name}",
    method="POST",
    summary="Make one",
    places={"name": ("one", "two")},
    body=Wish,
    token=True,
    replies={200: Reply(what="Made.", kind=Thing)},
    faults={409: "It is there."},
)


@pytest.fixture
def told() -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.json.decode(encode_description("Test", "1.2", [GET, POST]))
    return plain


def test_it_names_itself(told: dict[str, Any]) -> None:
    assert told["openapi"].startswith("3.1")
    assert (told["info"]["title"], told["info"]["version"]) == ("Test", "1.2")
    assert list(told["paths"]["/api/v1/things/{name}"]) == ["get", "post"]


def test_parameters_come_from_the_struct_that_checks_them(told: dict[str, Any]) -> None:
    [place, since, limit, kind] = told["paths"]["/api/v1/things/{name}"]["get"]["parameters"]
    assert (place["in"], place["schema"]) == ("path", {"enum": ["one", "two"]})
    assert since == {
        "name": "from",
        "in": "query",
        "required": True,
        "description": "From then on.",
        "schema": {"type": "string"},
    }
    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 9, "default": 5}
    assert kind["schema"] == {"enum": ["a", "b"]}
    assert "Asked" not in told["components"]["schemas"]


def test_answers_have_their_schema_and_all_problems_have_one(told: dict[str, Any]) -> None:
    answers = told["paths"]["/api/v1/things/{name}"]["post"]["responses"]
    assert set(answers) == {"200", "400", "401", "403", "404", "409", "413", "422"}
    thing = {"schema": {"$ref": "#/components/schemas/Thing"}}
    assert answers["200"]["content"] == {"application/json": thing}
    problem = {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}
    for status in set(answers) - {"200"}:
        assert answers[status]["content"] == {"application/json": problem}
    assert (
        "text/csv" in told["paths"]["/api/v1/things/{name}"]["get"]["responses"]["200"]["content"]
    )


def test_the_token_and_the_body_are_told(told: dict[str, Any]) -> None:
    post = told["paths"]["/api/v1/things/{name}"]["post"]
    assert post["security"] == [{"token": []}]
    assert post["requestBody"]["required"]
    assert told["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert "security" not in told["paths"]["/api/v1/things/{name}"]["get"]


def test_every_reference_leads_somewhere_and_schemas_are_schemas(told: dict[str, Any]) -> None:
    for schema in told["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    refs = {str(each).rsplit("/", 1)[1] for each in find_refs(told)}
    assert refs == set(told["components"]["schemas"])


def find_refs(plain: object) -> list[str]:
    if isinstance(plain, dict):
        found = [plain["$ref"]] if "$ref" in plain else []
        return found + [ref for each in plain.values() for ref in find_refs(each)]
    if isinstance(plain, list):
        return [ref for each in plain for ref in find_refs(each)]
    return []


@pytest.mark.parametrize(
    ("endpoint", "statuses"),
    [
        (HEALTH, {403, 503}),
        (LOG, {403, 422}),
        (EVENTS, {403, 422, 503}),
        (RELOAD, {400, 401, 403, 413, 422}),
    ],
)
def test_which_problems_there_may_be_follows_from_what_is_asked(
    endpoint: Endpoint, statuses: set[int]
) -> None:
    assert set(faults_of(endpoint)) == statuses


def test_names_of_operations_differ() -> None:
    told = describe("x", "1", [GET, POST, EVENTS, LOG])
    names = [each["operationId"] for path in told["paths"].values() for each in path.values()]
    assert names[0] == "get_api_v1_things_name"
    assert len(names) == len(set(names))
