"""Every way in: the operations of the OpenAPI document, the routes of the URL configuration, and those of the edge.

A route that is added stands here by itself. What its path names (``{channel_id}``, ``<str:uid>``) is looked up in
``SUBJECTS``; one that is not in there fails its tests until somebody says which row it stands for.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLResolver, get_resolver
from starlette.routing import Route as EdgeRoute
from starlette.routing import Router

from hailgate import urls
from hailgate.edge.app import console as console_doors
from hailgate.edge.app import doors, pages, watched
from hailgate.edge.doors.export import Export
from hailgate.edge.doors.hooks import Hooks
from hailgate.edge.doors.live import Live
from hailgate.edge.doors.media import Media
from hailgate.edge.doors.probes import Metrics, Probes
from hailgate.edge.doors.send import Sending

DOCUMENT: dict[str, Any] = urls.render_openapi()
API, CONSOLE, ADMIN, EDGE = "api", "console", "admin", "edge"
HOLE = re.compile(r"\{(\w+)(?::\w+)?\}|<(?:\w+:)?(\w+)>")
# What the admin's own patterns hold that is no hole.
PATTERNS = {"^(?P<app_label>accounts|messaging)/$": "messaging/", "(?P<url>.*)$": "nothing-there"}


@dataclass(frozen=True, eq=False)
class Route:
    """``path`` may have holes; ``operation`` is the document's, where it has one."""

    area: str
    method: str
    path: str
    operation: dict[str, Any]

    @property
    def holes(self) -> list[str]:
        return [each or other for each, other in HOLE.findall(self.path)]

    def filled(self, ids: dict[str, Any]) -> str:
        return HOLE.sub(lambda hole: str(ids[hole[1] or hole[2]]), self.path)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def api_routes() -> list[Route]:
    return [
        Route(API, method.upper(), path, operation)
        for path, methods in DOCUMENT["paths"].items()
        if path.startswith("/v1/")
        for method, operation in methods.items()
    ]


def django_routes() -> list[Route]:
    """Of the console and the admin, each asked for and posted to: which of the two it answers is its own affair."""
    return [
        Route(CONSOLE if path.startswith("/console") else ADMIN, method, path, {})
        for path in django_paths()
        if not path.startswith("/v1/")
        for method in ("GET", "POST")
    ]


def django_paths() -> list[str]:
    return sorted(set(_walk(get_resolver().url_patterns, "/")))


def _walk(patterns: list[Any], prefix: str) -> Iterator[str]:
    for each in patterns:
        path = prefix + PATTERNS.get(str(each.pattern), str(each.pattern))
        if isinstance(each, URLResolver):
            yield from _walk(each.url_patterns, path)
        else:
            yield path


def edge_routes() -> list[Route]:
    """All that the edge serves without Django, but for the files that never change."""
    nothing: Any = None
    export, media = Export(nothing, nothing, nothing), Media(nothing, nothing, nothing, nothing)
    hooks = Hooks(nothing, nothing, nothing, nothing, bodies=nothing, url="", public_url="")
    probes = Probes.__new__(Probes), Metrics.__new__(Metrics)
    served = [
        *doors(hooks, Sending(nothing, nothing, nothing, life_s=1.0), media, export),
        *watched(*probes),
        *console_doors(Live(nothing, nothing), media, export, Router(), "/static"),
        *pages(),
    ]
    return [
        Route(CONSOLE if each.path.startswith("/console") else EDGE, method, each.path, {})
        for each in served
        if isinstance(each, EdgeRoute)
        for method in sorted((each.methods or set()) - {"HEAD"})
        if not is_documented(method, each.path) or each.path.startswith("/console")
    ]


def is_documented(method: str, path: str) -> bool:
    return method.lower() in DOCUMENT["paths"].get(path, {}) and path.startswith("/v1/")


def all_routes() -> list[Route]:
    return [*api_routes(), *django_routes(), *edge_routes()]
