"""One document describes every door, and the doors keep to it."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec
import pytest
from starlette.routing import Route

from hailgate import urls
from hailgate.api.answer_examples import ANSWERS, PARAMETERS
from hailgate.api.examples import BODIES
from hailgate.edge.app import doors
from hailgate.edge.doors.export import Export
from hailgate.edge.doors.hooks import Hooks
from hailgate.edge.doors.media import Media
from hailgate.edge.doors.send import Sending
from hailgate.edge.doors.wire import MOST_IN_BATCH
from hailgate.messaging.outbound.request import MessageRequest

pytestmark = pytest.mark.anyio

DOCUMENT: dict[str, Any] = urls.render_openapi()


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


NAMES = [f"{method} {path}" for method, path, _ in operations()]
OF_THE_EDGE = {
    ("POST", "/v1/messages"), ("POST", "/v1/messages/batch"), ("POST", "/v1/media"), ("GET", "/v1/media/{media_id}"),
    ("GET", "/v1/dead-letters/export"),
}  # fmt: skip


# A path of the provider's own below a hook is matched by the hook's own route.
BELOW = ("POST", "/hooks/{token}/{rest}")


def test_the_examples_of_messages_are_taken() -> None:
    for example in BODIES["create_message"].values():
        msgspec.convert(example, MessageRequest)


BINARY = {"type": "string", "format": "binary"}
# A form whose one part is a file has nothing to show either.
NOTHING_TO_SHOW = {"multipart/form-data", "application/octet-stream"}


@pytest.mark.parametrize(("method", "path", "operation"), [*operations()], ids=NAMES)
def test_every_body_and_every_answer_has_an_example_that_its_schema_takes(method, path, operation) -> None:
    """Answers that are errors too."""
    requested = operation.get("requestBody", {}).get("content", {})
    shown = [content for media, content in requested.items() if media not in NOTHING_TO_SHOW]
    shown += [
        content
        for response in operation["responses"].values()
        for content in response.get("content", {}).values()
        if content["schema"] != BINARY
    ]
    for content in shown:
        examples = [each["value"] for each in content.get("examples", {}).values()] or [content["example"]]
        for example in examples:
            schema = {**content["schema"], "components": DOCUMENT["components"]}
            jsonschema.validate(example, schema, jsonschema.Draft202012Validator)


def test_examples_are_of_operations_and_parameters_that_exist() -> None:
    described = {operation["operationId"]: operation for _, _, operation in operations()}
    assert BODIES.keys() | ANSWERS.keys() <= described.keys()
    named = {one["name"] for operation in described.values() for one in operation.get("parameters", ())}
    assert PARAMETERS.keys() <= named
    for operation in described.values():
        for one in operation.get("parameters", ()):
            if "example" in one:
                jsonschema.validate(one["example"], one["schema"], jsonschema.Draft202012Validator)


def described(*prefixes: str) -> set[tuple[str, str]]:
    return {(method.upper(), path) for method, path, _ in operations() if path.startswith(prefixes)}


def test_the_doors_of_the_edge_are_the_described_ones() -> None:
    export = Export(None, None, None)
    media = Media(None, None, None, None)
    hooks = Hooks(None, None, None, None, bodies=None, url="", public_url="")
    routes = doors(hooks, Sending(None, None, None, life_s=1.0), media, export)
    served = {
        (method, route.path.replace(":path", ""))
        for route in routes
        if isinstance(route, Route)
        for method in route.methods - {"HEAD"}
    }
    assert served | {BELOW} == described("/hooks/", "/media/", "/files/") | OF_THE_EDGE


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
        assert operation["security"] == [{"BearerKey": []}]
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
