"""Refusals: problem details of the control API (RFC 9457), the mother of providers' errors, and reading a body."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

T = TypeVar("T")

MAX_BODY = 4 * 1024 * 1024  # bytes; no call of any provider needs more without media


class Problem(Exception):  # noqa: N818 - the name of the RFC
    """The caller's mistake, said in one sentence."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class ProviderError(Exception):
    """A provider's refusal in its own shape."""

    def answer(self) -> Response:
        raise NotImplementedError


class BodyTooLarge(Exception):  # noqa: N818 - the class says what happened
    pass


async def answer_problem(_request: Request, error: Exception) -> Response:
    problem = error if isinstance(error, Problem) else as_problem(error)
    return json_response(
        {
            "type": "about:blank",
            "title": HTTPStatus(problem.status).phrase,
            "status": problem.status,
            "detail": problem.detail,
        },
        problem.status,
        "application/problem+json",
    )


def as_problem(error: Exception) -> Problem:
    """Of the router's own errors: no such path, no such method."""
    if not isinstance(error, HTTPException):
        raise error
    return Problem(error.status_code, error.detail)


def json_response(value: Any, status: int = 200, media_type: str = "application/json") -> Response:
    return Response(msgspec.json.encode(value), status, media_type=media_type)


async def read_body(request: Request, most: int = MAX_BODY) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise BodyTooLarge
        chunks.append(chunk)
    return b"".join(chunks)


async def read_json(request: Request, shape: type[T]) -> T:
    """The request's JSON as `shape`; raises a Problem that names the field at fault."""
    try:
        return msgspec.json.decode(await read_body(request), type=shape)
    except BodyTooLarge:
        raise Problem(413, f"The body is larger than {MAX_BODY} bytes.") from None
    except ClientDisconnect:
        raise Problem(400, "The body broke off.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(422 if isinstance(error, msgspec.ValidationError) else 400, str(error)) from None


def read_number(query: Mapping[str, str], name: str) -> int:
    text = query.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 19):  # SQLite's integers end at 2**63
        raise Problem(400, f"`{name}` is a whole number.")
    return int(text)
