"""The proxy's own rows of the API."""

from pathlib import Path

from headframe.runtime.web.openapi import describe
from proxy.api import ENDPOINTS, actions_of, endpoints_of
from proxy.rigview import RigView
from tests.fakes.proxying import proxying


async def test_what_is_served_is_in_the_list_that_the_docs_are_made_of(tmp_path: Path) -> None:
    async with proxying() as proxy:
        rows = [
            *endpoints_of(proxy.routing, RigView(proxy.routing), tmp_path / "x"),
            *actions_of(proxy.routing, None, None, "").rows(),
        ]
    served = {(each.endpoint.method, each.endpoint.path) for each in rows}
    listed = {(each.method, each.path) for each in ENDPOINTS}
    assert served - listed == {("GET", "/api/v1/actions")}
    assert listed - served == {
        ("POST", "/api/v1/reload"),
        ("GET", "/api/v1/blocknotify"),
        ("POST", "/api/v1/blocknotify"),
    }


def test_all_that_changes_something_needs_the_token() -> None:
    changing = {each.name for each in ENDPOINTS if each.method == "POST" and not each.lenient}
    assert changing == {each.name for each in ENDPOINTS if each.token}


def test_schemas_of_different_types_have_different_names() -> None:
    names = list(describe("x", "1", ENDPOINTS)["components"]["schemas"])
    assert not [name for name in names if "_" in name or "." in name]
