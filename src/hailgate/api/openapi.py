"""One OpenAPI document for the whole of HTTP: the management API's own, and the doors of the edge beside it."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec
from ninja import NinjaAPI

from hailgate import problems
from hailgate.api.examples import give_examples

Paths = Mapping[str, Mapping[str, Any]]

PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
_REQUEST: Final = "5fef86582dd6045a"
# What any operation that reads the store for the holder of a key may answer.
USUAL: Final = (401, 422, 503)
# Operations that meet what has happened since their caller looked.
MAY_CONFLICT: Final = frozenset(
    {"cancel_message", "take_suggestion", "dismiss_suggestion", "undo_join", "settle_dead_letter"}
)
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
    for operations in described["paths"].values():
        give_examples(operations)
    return described


def _statuses(path: str, method: str, name: str) -> list[int]:
    with_body = [400, 408, 413] if method == "post" else []
    return [*USUAL, *([404] if "{" in path else []), *with_body, *([409] if name in MAY_CONFLICT else [])]


def refusals(statuses: Sequence[int]) -> dict[str, Any]:
    """The problem answers of an operation, for its ``responses``."""
    named = {str(status): _refusal(_MEANINGS[status], status) for status in sorted(statuses)}
    return named | {"default": _refusal("Anything else that is an error.", 500)}


def _refusal(meaning: str, status: int) -> dict[str, Any]:
    content = {"schema": PROBLEM, "example": msgspec.to_builtins(_problem(status))}
    return {"description": meaning, "content": {problems.MEDIA_TYPE: content}}


@cache
def _problem(status: int) -> problems.Problem:
    """The first documented code of this status, as an answer tells it."""
    code = next(code for code in problems.answer_codes() if code.status == status)
    return problems.Problem(
        type=f"{problems.PAGE}#{code.code}", title=code.title, status=status, detail=code.sentence,
        instance=f"urn:hailgate:request:{_REQUEST}", code=code.code, retryable=code.retryable, request_id=_REQUEST,
    )  # fmt: skip
