"""An AI server that speaks OpenAI's and Anthropic's protocols, and does what the test wants."""

import json
from contextlib import asynccontextmanager

from aiohttp import web

GOOD = '{"reply": "We are open.", "route": "assistant", "reason": "hours"}'


class AiServer:
    """``plan`` are texts to answer with, statuses to refuse with, or tools to ask for, in turn; the last is repeated.

    A tool is a mapping of its name and arguments. ``took`` are the tokens that it tells, where a test counts them.
    """

    def __init__(self) -> None:
        self.plan: list[str | int | dict] = [GOOD]
        self.asked: list[dict] = []
        self.keys: list[str] = []
        self.port = 0
        self.took: tuple[int, int] | None = None

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def chat(self, request: web.Request) -> web.Response:
        planned = await self._next(request, _bearer(request))
        message = {"role": "assistant", "content": planned}
        if isinstance(planned, dict):
            function = {"name": planned["name"], "arguments": json.dumps(planned["arguments"])}
            called = {"id": "call1", "type": "function", "function": function}
            message = {"role": "assistant", "content": None, "tool_calls": [called]}
        return web.json_response({
            "id": "c1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": message},
            ],
            "usage": self._usage(),
        })  # fmt: skip

    def _usage(self) -> dict[str, int]:
        read, written = self.took or (11, 5)
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}

    async def messages(self, request: web.Request) -> web.Response:
        planned = await self._next(request, request.headers.get("X-Api-Key") or _bearer(request))
        block = {"type": "text", "text": planned}
        if isinstance(planned, dict):
            block = {"type": "tool_use", "id": "call1", "name": planned["name"], "input": planned["arguments"]}
        return web.json_response({
            "id": "m1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
            "stop_sequence": None, "content": [block],
            "usage": {"input_tokens": 12, "output_tokens": 6},
        })  # fmt: skip

    async def _next(self, request: web.Request, key: str) -> str | dict:
        self.keys.append(key)
        self.asked.append(json.loads(await request.read()))
        planned = self.plan[min(len(self.asked), len(self.plan)) - 1]
        if isinstance(planned, int):
            raise (
                web.HTTPException(text='{"error": {"message": "no", "type": "x"}}')
                if planned == 200
                else _refusal(planned)
            )
        return planned


def _bearer(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


def _refusal(status: int) -> web.HTTPException:
    kinds = {401: web.HTTPUnauthorized, 429: web.HTTPTooManyRequests, 500: web.HTTPInternalServerError}
    return kinds[status](text='{"error": {"message": "no", "type": "x"}}', content_type="application/json")


@asynccontextmanager
async def run_ai_server():
    server = AiServer()
    app = web.Application(client_max_size=32 << 20)
    app.router.add_post("/v1/chat/completions", server.chat)
    app.router.add_post("/v1/messages", server.messages)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()
