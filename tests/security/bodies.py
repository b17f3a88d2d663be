"""The least that an operation takes, from the OpenAPI document; a form that would do something, for a page."""

from typing import Any

import aiohttp

from hailgate.api.examples import BODIES
from security.routes import DOCUMENT, Route

# What stands in the API's examples, by what it is where a body is to name rows of the clinic.
NAMED = {"ids": ("message_id",), "one": "contact_id", "other": "contact_id", "attachment": "media_id"}
CHANNEL = "front desk"


def form_of(subjects: dict[str, Any]) -> dict[str, str]:
    """Every field that a form of the console has."""
    return {
        "body": "hi", "draft": "01932f4b-7c1e-7a60-9b1f-5c3d2e4f6a70", "attachment": str(subjects["media_id"]),
        "quoted": str(subjects["messages"]), "message": str(subjects["message_id"]), "emoji": "+", "sent": "yes",
        "wish": "connect", "tenant": "1", "old": "x", "new": "another battery of horses", "post": "yes",
        "username": "x@example.org", "password": "x", "one": str(subjects["contact_id"]), "what": "out",
        "other": str(subjects["contact_id"]), "name": "x", "number": "15550100099",
    }  # fmt: skip


def body_of(route: Route, subjects: dict[str, Any]) -> dict[str, Any]:
    """Options of a request that sends it. Ids in it are the clinic's."""
    content = route.operation.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in content:
        form = aiohttp.FormData()
        form.add_field("file", b"hello", filename="a.txt", content_type="text/plain")
        return {"data": form}
    if "application/json" in content:
        return {"json": named(example_of(route, content["application/json"]), subjects)}
    return {} if route.operation else {"data": form_of(subjects)}


def example_of(route: Route, media: dict[str, Any]) -> Any:
    examples = BODIES.get(route.operation["operationId"])
    return next(iter(examples.values())) if examples else minimal(media["schema"])


def named(body: Any, subjects: dict[str, Any]) -> Any:
    if isinstance(body, list):
        return [named(each, subjects) for each in body]
    if not isinstance(body, dict):
        return body
    return {name: _named(name, value, subjects) for name, value in body.items()}


def _named(name: str, value: Any, subjects: dict[str, Any]) -> Any:
    if name == "channel":
        return CHANNEL
    if (subject := NAMED.get(name)) and not isinstance(value, dict):
        return [str(subjects[each]) for each in subject] if isinstance(subject, tuple) else str(subjects[subject])
    return named(value, subjects)


def minimal(schema: dict[str, Any]) -> Any:
    """The least that the document allows."""
    if "$ref" in schema:
        return minimal(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return minimal(schema[choice][0])
    if "const" in schema or "enum" in schema:
        return schema.get("const") or schema["enum"][0]
    if schema.get("type") == "object":
        return {name: minimal(schema["properties"][name]) for name in schema.get("required", ())}
    return {"boolean": True, "integer": 1, "number": 1, "array": []}.get(schema.get("type"), "x")
