"""Who is calling, and how every error of the management API leaves it."""

import re
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security import HttpBearer

from hailgate import problems
from hailgate.accounts.audit import Actor, key_of
from hailgate.accounts.keys import KeyView, find_key
from hailgate.accounts.link_owner import Holder, HolderKind
from hailgate.core.errors import (
    HailgateError,
    InputError,
    MalformedBody,
    NotFound,
    StoreUnavailable,
    Unauthenticated,
)

LONGEST_KEY: Final = 200
# A name that a caller made up is repeated only if it can be neither a number nor a sentence.
_NAME: Final = re.compile(r"[A-Za-z_]{1,32}")


class BearerKey(HttpBearer):
    """A key of the tenant, as `Authorization: Bearer <key>`."""

    def authenticate(self, request: HttpRequest, token: str) -> KeyView:
        del request
        caller = find_key(token.strip()) if token.isascii() and len(token) <= LONGEST_KEY else None
        if caller is None:
            raise Unauthenticated("The API key is unknown or revoked.")
        return caller


def tenant_of(request: HttpRequest) -> int:
    """The caller's tenant: from the key, never from the request."""
    caller: KeyView = request.auth  # type: ignore[attr-defined]  # set by ninja
    return caller.tenant_id


def actor_of(request: HttpRequest) -> Actor:
    """For the audit log."""
    caller: KeyView = request.auth  # type: ignore[attr-defined]  # set by ninja
    return key_of(caller.id)


def holder_of(request: HttpRequest) -> Holder:
    """The key itself, for what is made in its name."""
    caller: KeyView = request.auth  # type: ignore[attr-defined]  # set by ninja
    return Holder(HolderKind.KEY, caller.id)


def parse_id(given: str) -> UUID:
    """A garbled id is one that nobody has: NotFound, as for a foreign one."""
    try:
        return UUID(given)
    except ValueError:
        raise NotFound from None


def answer_errors(api: NinjaAPI) -> None:
    """Turn whatever an operation raises into problem details. What is not named here becomes a logged 500."""
    handlers: dict[type[Exception], Callable[[Any], HailgateError]] = {
        HailgateError: lambda error: error,
        AuthenticationError: lambda _: Unauthenticated(),
        HttpError: lambda _: MalformedBody(),
        ValidationError: _explain,
        OperationalError: lambda _: StoreUnavailable(),
        InterfaceError: lambda _: StoreUnavailable(),
    }
    for kind, translate in handlers.items():
        api.add_exception_handler(kind, _handler(translate))


def _handler(translate: Callable[[Any], HailgateError]) -> Callable[[HttpRequest, Any], HttpResponse]:
    return lambda request, failed: _problem(request, translate(failed))


def _problem(request: HttpRequest, error: HailgateError) -> HttpResponse:
    request_id = request.META.get("asgi.scope", {}).get("request_id", "")
    return HttpResponse(
        problems.encode(problems.describe(error, request_id)),
        status=error.status,
        content_type=problems.MEDIA_TYPE,
        headers=problems.headers_of(error),
    )


def _explain(invalid: ValidationError) -> InputError:
    """The first fault, by place and kind: pydantic's own sentence may quote the value."""
    fault = invalid.errors[0]
    field = ".".join(part for part in map(str, fault["loc"][1:]) if _NAME.fullmatch(part))
    rule = _RULES.get(fault["type"], "has a value that is not allowed").format_map(fault.get("ctx", {}))
    return InputError(f"{field or 'The request'}: {rule}.", field=field or None)


_RULES: Final = {
    "missing": "is missing",
    "extra_forbidden": "is not known here; remove it",
    "int_parsing": "must be a whole number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_type": "must be a string",
    "string_too_long": "must hold at most {max_length}",
    "string_pattern_mismatch": "must hold no control characters",
    "list_type": "must be a list",
    "too_long": "must hold at most {max_length}",
    "too_short": "must hold at least {min_length}",
    "literal_error": "must be {expected}",
}
