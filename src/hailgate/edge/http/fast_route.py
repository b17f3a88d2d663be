"""A route for what is asked thousands of times a second."""

from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from hailgate.problems import MethodNotAllowed


class FastRoute(Route):
    """POST to a ``path`` that is fixed, or to whatever stands behind a ``{token}``: compared, and answered directly.

    Matching by pattern and two layers of error handling cost a fifth of a webhook's time; the middleware handles every
    error here anyway. ``also`` are methods that another route of the same path answers.
    """

    def __init__(
        self, path: str, endpoint: Callable[[Request], Awaitable[Response]], *, also: Sequence[str] = ()
    ) -> None:
        super().__init__(path, endpoint, methods=["POST"])
        self._allowed = sorted({"POST", *also})
        self._before, varies, _ = path.partition("{token}")
        self._varies = bool(varies)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].startswith(self._before):
            token, _, _ = scope["path"][len(self._before) :].partition("/")
            if self._varies and token:
                return Match.FULL, {"path_params": {"token": token}}
            if scope["path"] == self._before:
                return Match.FULL, {"path_params": {}}
        return super().matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            raise MethodNotAllowed(self._allowed)
        response = await self.endpoint(Request(scope, receive, send))
        await response(scope, receive, send)
