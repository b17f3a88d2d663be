"""The routes of the edge, in the order in which they are asked for most."""

from collections.abc import Sequence

from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from hailgate.core.errors import NotFound
from hailgate.edge.assets import Assets
from hailgate.edge.docs import show_asset, show_errors, show_icon, show_reader, show_start
from hailgate.edge.door import Door
from hailgate.edge.export import Export
from hailgate.edge.frame import Frame
from hailgate.edge.hooks import Hooks
from hailgate.edge.live import Live
from hailgate.edge.media import Media
from hailgate.edge.probes import Metrics, Probes
from hailgate.edge.send import Sending


def doors(hooks: Hooks, sending: Sending, media: Media, export: Export) -> list[BaseRoute]:
    """What moves messages."""
    return [
        Door("/hooks/{token}", hooks.receive),
        Door("/v1/messages", sending.create_message),
        Route("/v1/messages/batch", sending.create_batch, methods=["POST"]),
        Route("/hooks/{token}", hooks.shake_hands, methods=["GET"]),
        Route("/v1/media", media.upload, methods=["POST"]),
        Route("/v1/media/{media_id}", media.download, methods=["GET"]),
        Route("/media/{token}", media.open_link, methods=["GET"]),
        Route("/v1/dead-letters/export", export.by_key, methods=["GET"]),
    ]


def watched(probes: Probes, metrics: Metrics) -> list[BaseRoute]:
    return [
        Route("/livez", probes.live),
        Route("/readyz", probes.ready),
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


def build_app(
    routes: Sequence[BaseRoute], *, rest: ASGIApp | None = None, lifespan: Lifespan[Router] | None = None
) -> ASGIApp:
    """``rest`` gets what no route answers to; without it that is a 404."""
    return Frame(Router(routes, default=rest or _nothing, lifespan=lifespan, redirect_slashes=False))


async def _nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise NotFound
