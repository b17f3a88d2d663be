"""What is asked of an operation in its query: nothing but what its description names."""

import re
from collections.abc import Callable, Collection, Mapping
from functools import cache, wraps
from typing import Any, Final

from django.http import HttpRequest
from ninja import NinjaAPI

from hailgate.core.query_names import check_query_names

PREFIX: Final = "/v1/"
_HOLE: Final = re.compile(r"<(?:\w+:)?(\w+)>")

Names = Mapping[tuple[str, str], Collection[str]]


def hold_to_known_names(api: NinjaAPI) -> None:
    """Before its routers are added. Most calls have no query, and pay nothing."""

    @cache
    def described() -> Names:
        return _names_of(api.get_openapi_schema(path_prefix=PREFIX))

    def holds(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def held(request: HttpRequest, *places: Any, **values: Any) -> Any:
            if request.GET:
                check_query_names(request.GET, described()[_place_of(request)])
            return view(request, *places, **values)

        return held

    api.add_decorator(holds, mode="operation")


def _names_of(document: Mapping[str, Any]) -> Names:
    return {
        (path, method): frozenset(each["name"] for each in operation.get("parameters", ()) if each["in"] == "query")
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


def _place_of(request: HttpRequest) -> tuple[str, str]:
    """The path as the document writes it."""
    route = request.resolver_match.route if request.resolver_match else ""
    return "/" + _HOLE.sub(r"{\1}", route).lstrip("/"), (request.method or "").lower()
