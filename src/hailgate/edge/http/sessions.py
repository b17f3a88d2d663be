"""Who is signed in to the console, for the doors of the edge: from the session's cookie, as it stands in the store."""

import time
from typing import Final

from starlette.requests import Request

from hailgate.accounts.operators import CurrentOperator
from hailgate.accounts.sessions import Limits, find_session_viewer
from hailgate.core.errors import Forbidden, Unauthenticated
from hailgate.messaging.store.ports import Db

LONGEST_COOKIE: Final = 128
# A page of another site can make a browser send the cookie, but not this header: it would have to be allowed to first.
OWN_HEADER: Final = "x-hailgate-console"


class OperatorSessions:
    def __init__(self, db: Db, limits: Limits, cookie: str) -> None:
        self._db, self._limits, self._cookie = db, limits, cookie

    def key_of(self, request: Request) -> str:
        return request.cookies.get(self._cookie, "")

    async def find(self, key: str) -> CurrentOperator | None:
        """None for a session that does not hold, or not any more."""
        if not key or len(key) > LONGEST_COOKIE or not key.isascii():
            return None
        return await self._db(find_session_viewer, key, self._limits, time.time())

    async def writer(self, request: Request) -> CurrentOperator:
        """Of a request that changes something, sent by a page of ours. Raises Unauthenticated, Forbidden."""
        if OWN_HEADER not in request.headers:
            raise Forbidden("This door is for the console's own pages; programs use `POST /v1/media` with a key.")
        viewer = await self.find(self.key_of(request))
        if viewer is None:
            raise Unauthenticated("Sign in to the console.")
        return viewer
