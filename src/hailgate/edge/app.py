"""The routes of the edge, in the order in which they are asked for most."""

from collections.abc import Callable, Sequence

from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from hailgate.core.errors import NotFound
from hailgate.edge.doors.docs import show_asset, show_errors, show_icon, show_reader, show_start
from hailgate.edge.doors.export import Export
from hailgate.edge.doors.hooks import Hooks
from hailgate.edge.doors.live import Live
from hailgate.edge.doors.media import Media
from hailgate.edge.doors.probes import Metrics, Probes
from hailgate.edge.doors.send import Sending
from hailgate.edge.http.assets import Assets
from hailgate.edge.http.fast_route import FastRoute
from hailgate.edge.http.middleware import Middleware


def doors(hooks: Hooks, sending: Sending, media: Media, export: Export) -> list[BaseRoute]:
    """What moves messages."""
    return [
        FastRoute("/hooks/{token}", hooks.receive, also=["GET"]),
        FastRoute("/v1/messages", sending.create_message, also=["GET"]),
        Route("/v1/messages/batch", sending.create_batch, methods=["POST"]),
        Route("/hooks/{token}", hooks.shake_hands, methods=["GET"]),
        Route("/hooks/{token}/{rest:path}", hooks.shake_hands, methods=["GET"]),
        Route("/v1/media", media.upload, methods=["POST"]),
        Route("/v1/media/{media_id}", media.download, methods=["GET"]),
        Route("/media/{token}", media.open_link, methods=["GET"]),
        Route("/files/{token}", media.open_file_link, methods=["GET"]),
        Route("/v1/dead-letters/export", export.by_key, methods=["GET"]),
    ]


def beside_doors(rest: ASGIApp) -> list[BaseRoute]:
    """What Django answers on a path where another method is a door's."""
    return [Route("/v1/messages", rest, methods=["GET"])]


def watched(probes: Probes, metrics: Metrics) -> list[BaseRoute]:
    return [
        Route("/livez", probes.live),
        Route("/readyz", probes.ready),
        Route("/readyz/hooks", probes.ready_for_hooks),
        Route("/health", probes.health),
        Route("/metrics", metrics.show),
    ]


def pages() -> list[BaseRoute]:
    """What people read."""
    return [
        Route("/", show_start),
        Route("/icon.svg", show_icon),
        Route("/favicon.ico", show_icon),  # asked for by pages that name no icon: Django's admin
        Route("/v1/docs", show_reader),
        Route("/v1/docs/errors", show_errors),
        Route("/v1/docs/assets/{name}", show_asset),
    ]


def console(live: Live, media: Media, export: Export, assets: Assets, assets_at: str) -> list[BaseRoute]:
    """What the console's pages need beside Django's answers: news, files and long lists, those that never change."""
    return [
        Route("/console/live", live.stream),
        Route("/console/media", media.upload_by_operator, methods=["POST"]),
        Route("/console/dead-letters/export", export.by_operator, methods=["GET"]),
        Mount(assets_at.rstrip("/"), assets),
    ]


def apart(paths: tuple[str, ...], first: ASGIApp, rest: ASGIApp) -> ASGIApp:
    """What is posted to these paths goes to ``first``, all else to ``rest``."""

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        posted = scope["method"] == "POST" and scope["path"].startswith(paths)
        await (first if posted else rest)(scope, receive, send)

    return choose


def build_app(
    routes: Sequence[BaseRoute],
    *,
    rest: ASGIApp | None = None,
    lifespan: Lifespan[Router] | None = None,
    limited: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    over_tls: bool = False,
) -> ASGIApp:
    """``rest`` gets what no route answers to; without it that is a 404. ``limited`` goes around all of it."""
    router = Router(routes, default=rest or _nothing, lifespan=lifespan, redirect_slashes=False)
    return Middleware(limited(router), over_tls=over_tls)


async def _nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise NotFound
