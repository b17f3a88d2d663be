"""What people read at the edge: the start page, the errors, and a reader of the API that needs no network."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from hailgate.core.errors import NotFound
from hailgate.edge.http.pages import ICON, POLICY, errors_page, start_page

# Swagger UI's icons are data: URLs; everything else it needs is ours.
READER_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ASSETS: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
}
ASSET_AGE_S: Final = 86_400

_READER: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API reference · Hailgate</title>
<link rel="icon" href="/icon.svg">
<link rel="stylesheet" href="/v1/docs/assets/swagger-ui.css">
</head>
<body>
<div id="reader"><noscript><p>The reader needs JavaScript. The document itself is at
<a href="/v1/openapi.json">/v1/openapi.json</a>.</p></noscript></div>
<script src="/v1/docs/assets/swagger-ui-bundle.js"></script>
<script src="/v1/docs/assets/reader.js"></script>
</body>
</html>
"""
_SCRIPT: Final = """SwaggerUIBundle({
  url: "/v1/openapi.json",
  dom_id: "#reader",
  deepLinking: true,
  validatorUrl: null,
});
"""


async def show_start(_: Request) -> Response:
    return HTMLResponse(start_page(), headers={"Content-Security-Policy": POLICY})


async def show_errors(_: Request) -> Response:
    return HTMLResponse(errors_page(), headers={"Content-Security-Policy": POLICY})


async def show_reader(_: Request) -> Response:
    return HTMLResponse(_READER, headers={"Content-Security-Policy": READER_POLICY})


async def show_icon(_: Request) -> Response:
    return Response(ICON, media_type="image/svg+xml", headers={"Cache-Control": f"public, max-age={ASSET_AGE_S}"})


async def show_asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name == "reader.js":
        return Response(_SCRIPT, media_type="text/javascript")
    if name not in ASSETS:
        raise NotFound
    age = {"Cache-Control": f"public, max-age={ASSET_AGE_S}"}
    return FileResponse(_folder() / name, media_type=ASSETS[name], headers=age)


@cache
def _folder() -> Path:
    """django-ninja brings Swagger UI along; finding the folder does not import it."""
    found = find_spec("ninja")
    if found is None or found.origin is None:
        raise NotFound
    return Path(found.origin).parent / "static" / "ninja"
