"""What stands behind a business number: a webhook address that keeps what it is told."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import parse_qsl

from aiohttp import web


class Business:
    """`answers` are given first, one a call; then 200. Nothing is kept of a call that is not answered 200.

    `urls` are those of the calls that were kept; `files` lie at `/files/NAME`, and `fetches` are the calls for them.
    """

    def __init__(self, port: int = 0) -> None:
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.urls: list[str] = []
        self.files: dict[str, tuple[str, bytes]] = {}
        self.hold_files = asyncio.Event()
        self.hold_files.set()
        self.fetches: list[tuple[str, str]] = []
        self.refused = 0
        self.answers: list[int] = []
        self.gate: asyncio.Event | None = None
        self.verify_token = "verify"
        self._port = port
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/hook", self._shake_hands)
        app.router.add_post("/hook", self._take)
        app.router.add_post("/hook/{rest:.*}", self._take)
        app.router.add_get("/files/{name}", self._serve_file)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/hook"

    @property
    def values(self) -> list[dict[str, Any]]:
        return [json.loads(body)["entry"][0]["changes"][0]["value"] for _, body in self.calls]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [message for value in self.values for message in value.get("messages", [])]

    @property
    def texts(self) -> list[str]:
        return [message["text"]["body"] for message in self.messages]

    @property
    def statuses(self) -> list[dict[str, Any]]:
        return [status for value in self.values for status in value.get("statuses", [])]

    @property
    def status_words(self) -> list[str]:
        return [status["status"] for status in self.statuses]

    @property
    def forms(self) -> list[dict[str, str]]:
        return [dict(parse_qsl(body.decode(), keep_blank_values=True)) for _, body in self.calls]

    def file_url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._port}/files/{name}"

    async def wait_until(self, condition: Callable[["Business"], object]) -> None:
        async with asyncio.timeout(20), self._news:
            await self._news.wait_for(lambda: condition(self))

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.gate:
            await self.gate.wait()
        status = self.answers.pop(0) if self.answers else 200
        async with self._news:
            if status == 200:
                self.calls.append((dict(request.headers), body))
                self.urls.append(f"http://127.0.0.1:{self._port}{request.raw_path}")
            else:
                self.refused += 1
            self._news.notify_all()
        return web.Response(status=status)

    async def _serve_file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.fetches.append((request.method, name))
        await self.hold_files.wait()
        if name not in self.files:
            return web.Response(status=404)
        content_type, content = self.files[name]
        return web.Response(body=content, headers={"content-type": content_type})

    async def _shake_hands(self, request: web.Request) -> web.Response:
        if request.query.get("hub.verify_token") != self.verify_token:
            return web.Response(status=403)
        return web.Response(text=request.query["hub.challenge"])
