"""Django's part of the paths, and the one document that describes all of HTTP."""

from functools import cache
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from hailgate.api.openapi import document, refusals
from hailgate.api.reference import make_api
from hailgate.console.admin import site
from hailgate.edge import openapi
from hailgate.edge.doors import wire

api = make_api()


@cache
def render_openapi() -> dict[str, Any]:
    return document(api, openapi.doors(refusals), wire.components())


def show_openapi(_: HttpRequest) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(render_openapi()), content_type="application/json")


urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/openapi.json", show_openapi),
    path("v1/", api.urls),
    path("console", RedirectView.as_view(pattern_name="console:start")),
    path("console/", include("hailgate.console.urls")),
]

if settings.ADMIN:
    urlpatterns += [
        path("admin/", site.urls),
        path("admin", RedirectView.as_view(pattern_name="admin:index")),
    ]

handler403 = "hailgate.console.errors.forbidden"
handler404 = "hailgate.console.errors.not_found"
handler500 = "hailgate.console.errors.failed"
