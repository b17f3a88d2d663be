"""One OpenAPI document for the whole of HTTP: the management API's own, and the doors of the edge beside it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ninja import NinjaAPI

from hailgate import problems

Paths = Mapping[str, Mapping[str, Any]]

PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
# What any operation that reads the store for the holder of a key may answer.
USUAL: Final = (401, 422, 503)
# Operations that meet what has happened since their caller looked.
MAY_CONFLICT: Final = frozenset({"cancel_message"})
_MEANINGS: Final = {
    400: "The body or the request cannot be read.",
    401: "The API key, token or signature is missing or wrong.",
    403: "It is known who asks, and it is not allowed.",
    404: "There is no such thing, or it is not yours.",
    408: "The body did not arrive in time.",
    409: "It collides with the present state of what it addresses.",
    413: "The body is too large.",
    415: "The body is of another type, or encoded.",
    422: "The request is well-formed but cannot be accepted; `field` says where.",
    429: "Too fast: ask again after `Retry-After` seconds. Nothing was stored.",
    503: "Not now: ask again after `Retry-After` seconds. Nothing was stored.",
}


def document(api: NinjaAPI, doors: Paths, components: Mapping[str, Any]) -> dict[str, Any]:
    """``doors`` and ``components`` describe what the edge answers by itself."""
    described: dict[str, Any] = api.get_openapi_schema(path_prefix="/v1/")
    described["components"]["schemas"] |= components
    described["servers"] = [{"url": "/"}]
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            operation["responses"] |= refusals(_statuses(path, method, operation["operationId"]))
    for path, operations in doors.items():
        described["paths"].setdefault(path, {}).update(operations)
    return described


def _statuses(path: str, method: str, name: str) -> list[int]:
    with_body = [400, 408, 413] if method == "post" else []
    return [*USUAL, *([404] if "{" in path else []), *with_body, *([409] if name in MAY_CONFLICT else [])]


def refusals(statuses: Sequence[int]) -> dict[str, Any]:
    """The problem answers of an operation, for its ``responses``."""
    content = {problems.MEDIA_TYPE: {"schema": PROBLEM}}
    named = {str(status): {"description": _MEANINGS[status], "content": content} for status in sorted(statuses)}
    return named | {"default": {"description": "Anything else that is an error.", "content": content}}
