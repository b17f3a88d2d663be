"""The page of phones: a few files, kept in memory."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

STATIC = Path(__file__).parent / "static"
SCRIPTS = (
    "page.js", "talk.js", "chat.js", "thread.js", "bubble.js", "menu.js", "composer.js", "breaking.js", "settings.js",
    "pairing.js",
)  # fmt: skip
FILES = {
    "/": ("page.html", "text/html"),
    "/static/page.css": ("page.css", "text/css"),
    **{f"/static/{name}": (name, "text/javascript") for name in SCRIPTS},
    "/static/voice.ogg": ("voice.ogg", "audio/ogg"),
    "/favicon.ico": ("icon.svg", "image/svg+xml"),
}
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def page_routes() -> list[BaseRoute]:
    return [serve_file(path, name, media_type) for path, (name, media_type) in FILES.items()]


def serve_file(path: str, name: str, media_type: str) -> Route:
    content = (STATIC / name).read_bytes()

    async def serve(_request: Request) -> Response:
        return Response(content, headers=HEADERS, media_type=media_type)

    return Route(path, serve, methods=["GET"])
