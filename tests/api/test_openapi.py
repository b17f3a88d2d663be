"""One document describes every door, and the doors keep to it."""

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from starlette.routing import Route

from hailgate import urls
from hailgate.edge.app import doors
from hailgate.edge.export import Export
from hailgate.edge.hooks import Hooks
from hailgate.edge.media import Media
from hailgate.edge.send import Sending
from hailgate.edge.wire import MOST_IN_BATCH

pytestmark = pytest.mark.anyio

EXAMPLES = 12 * int(os.environ.get("SCALE", "1"))
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance",
)  # fmt: skip
DOCUMENT: dict[str, Any] = urls.openapi()


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


NAMES = [f"{method} {path}" for method, path, _ in operations()]
# A hook and a link take any token, a hook any body: there is nothing to get wrong.
CASES = [(name, "POSITIVE") for name in NAMES] + [
    (name, "NEGATIVE") for name in NAMES if "/hooks/" not in name and "/media/{token}" not in name
]
OF_THE_EDGE = {
    ("POST", "/v1/messages"), ("POST", "/v1/messages/batch"), ("POST", "/v1/media"), ("GET", "/v1/media/{media_id}"),
    ("GET", "/v1/dead-letters/export"),
}  # fmt: skip


def described(*prefixes: str) -> set[tuple[str, str]]:
    return {(method.upper(), path) for method, path, _ in operations() if path.startswith(prefixes)}


def test_the_doors_of_the_edge_are_the_described_ones() -> None:
    export = Export(None, None, None)
    media = Media(None, None, None, None)
    routes = doors(Hooks(None, None, None, None), Sending(None, None, None, life_s=1.0), media, export)
    served = {
        (method, route.path) for route in routes if isinstance(route, Route) for method in route.methods - {"HEAD"}
    }
    assert served == described("/hooks/", "/media/") | OF_THE_EDGE


def test_the_operations_of_django_are_the_described_ones() -> None:
    served = {
        (method, f"/v1{path}")
        for _, router in urls.api._routers
        for path, view in router.path_operations.items()
        for operation in view.operations
        for method in operation.methods
    }
    assert served == described("/v1/") - OF_THE_EDGE


@pytest.mark.parametrize(("method", "path", "operation"), [*operations()], ids=NAMES)
def test_every_operation_says_what_it_refuses(method: str, path: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    assert {"default", "503"} <= responses.keys()
    assert operation["summary"]
    assert operation["operationId"]
    if path.startswith("/v1/"):
        assert "401" in responses
        assert operation["security"] == [{"ApiKey": []}]
    for status, response in responses.items():
        if status == "default" or int(status) >= 400:
            assert list(response["content"]) == ["application/problem+json"]


def test_every_reference_leads_somewhere() -> None:
    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            if "$ref" in node:
                yield node["$ref"]
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    schemas = DOCUMENT["components"]["schemas"]
    named = {reference.removeprefix("#/components/schemas/") for reference in references(DOCUMENT)}
    assert named <= schemas.keys()
    assert schemas["BatchRequest"]["properties"]["messages"]["maxItems"] == MOST_IN_BATCH


def test_no_schema_lets_a_caller_name_a_tenant_or_a_secret() -> None:
    text = msgspec.json.encode(DOCUMENT).decode()
    for word in ("tenant_id", "app_secret", "access_token", "verify_token"):
        assert word not in text


async def test_the_document_is_served_to_anybody(site) -> None:
    answer = await site.get("/v1/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.body == msgspec.json.encode(DOCUMENT)


@pytest.mark.fuzz
@pytest.mark.timeout(900)
@pytest.mark.parametrize("known", [True, False], ids=["known ids", "any ids"])
@pytest.mark.parametrize(("name", "mode"), CASES)
async def test_whatever_is_asked_is_answered_as_described(  # noqa: PLR0917 -- fixtures
    site, key, hook, told, name: str, mode: str, known: bool
) -> None:
    ids = (
        {
            "message_id": told.delivered.uid,
            "conversation_id": told.conversation.uid,
            "token": hook.token,
            "media_id": told.media.uid,
        }
        if known
        else {}
    )
    await asyncio.to_thread(_fuzz, site.url, key, name, mode, ids)


def _fuzz(url: str, key: str, name: str, mode: str, ids: dict[str, Any]) -> None:
    import requests
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings

    method, path = name.split()
    operation = schemathesis.openapi.from_dict(DOCUMENT)[path][method.upper()]
    held = [getattr(schemathesis.checks, check) for check in CHECKS]
    headers = {"Authorization": f"Bearer {key}"}

    @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode[mode]))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        """With ids that exist, more is seen than 404."""
        case.path_parameters = {name: str(ids.get(name, given)) for name, given in (case.path_parameters or {}).items()}
        case.call_and_validate(base_url=url, session=session, headers=headers, checks=held, timeout=30)

    with requests.Session() as session:
        ask()
