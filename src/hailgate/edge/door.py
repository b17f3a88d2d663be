"""A route for what is asked thousands of times a second."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send


class Door(Route):
    """POST to a ``path`` that is fixed, or whose last part ``{varies}``: compared, and answered without a wrapper.

    Matching by pattern and two layers of error handling cost a fifth of a webhook's time; every error is the Frame's
    here anyway. What does not fit goes Starlette's own way, which knows what to answer to another method.
    """

    def __init__(self, path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> None:
        super().__init__(path, endpoint, methods=["POST"])
        self._folder, _, self._last = path.rpartition("/")
        self._varying = self._last[1:-1] if self._last.startswith("{") else None

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and scope["method"] == "POST":
            folder, _, last = scope["path"].rpartition("/")
            if folder == self._folder and last and (self._varying or last == self._last):
                return Match.FULL, {"path_params": {self._varying: last} if self._varying else {}}
        return super().matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await super().handle(scope, receive, send)
            return
        response = await self.endpoint(Request(scope, receive, send))
        await response(scope, receive, send)
