"""`GET /console/live`: server-sent events that tell an open page of the console what to look at again.

No content flows here. The page is told "list" or "thread" and asks Django for what it shows. One look serves every
client with the same view; looks follow the wakes of the pipeline closely, those of other processes where they tell them
through Redis, and come once a second without any.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, NamedTuple
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from hailgate.accounts.operators import CurrentOperator
from hailgate.core.errors import Overloaded, StoreUnavailable, Unauthenticated
from hailgate.core.uids import find_uid
from hailgate.edge.http.background_tasks import report_end
from hailgate.edge.http.sessions import OperatorSessions
from hailgate.messaging.people.view_fingerprint import glance_at_list, glance_at_thread
from hailgate.messaging.store.notify import on_wake, setting
from hailgate.messaging.store.ports import Db

# Looks without a wake; soon after one; and the least pause between two, as a multiple of what the last one took.
IDLE_S: Final = 1.0
AWAKE_S: Final = 0.15
AWAKE_FOR_S: Final = 1.0
REST: Final = 9
# A session that was ended, or an operator who was shut out, sees nothing more after this long.
RECHECK_S: Final = 4.0
BEAT_S: Final = 15.0
# A proxy's patience, and a browser's memory, are not tried for ever: it connects again by itself.
LONGEST_S: Final = 3_600.0
MOST_CLIENTS: Final = 500
MOST_PER_OPERATOR: Final = 8


class View(NamedTuple):
    """What is looked at: a tenant's list, or one of its conversations."""

    tenant_id: int
    conversation: UUID | None = None


class Client:
    """One open page. ``told`` holds events that are due; ``over`` ends its stream."""

    def __init__(self, viewer: CurrentOperator, session_key: str, conversation: UUID | None) -> None:
        self.viewer, self.session_key = viewer, session_key
        self.views = {View(viewer.tenant_id): "list"}
        if conversation is not None:
            self.views[View(viewer.tenant_id, conversation)] = "thread"
        self.told: dict[str, None] = {}
        self.stirred = asyncio.Event()
        self.checked_at = time.monotonic()

    def tell(self, event: str) -> None:
        self.told[event] = None
        self.stirred.set()


Hear = Callable[[Callable[[], None]], Coroutine[Any, Any, None]]
"""Calls back, until it is cancelled, for whatever other processes commit."""


async def hear_nobody(_: Callable[[], None]) -> None:
    """Where processes have no way to tell each other: a look a second finds what they commit."""


class Live:
    """``db`` reads in a thread of its own, so that looking never waits behind a write."""

    def __init__(self, db: Db, sessions: OperatorSessions, hear: Hear = hear_nobody) -> None:
        self._db, self._sessions, self._hear = db, sessions, hear
        self._clients: set[Client] = set()
        self._seen: dict[View, object] = {}
        self._looking: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._ended = False

    # --- the door -----------------------------------------------------------------------------------------------------

    async def stream(self, request: Request) -> Response:
        """401 without a session that holds; 503 where there are too many."""
        key = self._sessions.key_of(request)
        viewer = await self._sessions.find(key)
        if viewer is None:
            raise Unauthenticated("Sign in to the console.")
        self._check_room(viewer)
        client = Client(viewer, key, find_uid(request.query_params.get("conversation", "")))
        return _Stream(self._events(client))

    def end(self) -> None:
        """Every stream ends now; the server that stops waits for none of them."""
        self._ended = True
        for client in self._clients:
            client.stirred.set()
        if self._looking is not None:
            self._looking.cancel()

    def _is_over(self) -> bool:
        return self._ended

    def _check_room(self, viewer: CurrentOperator) -> None:
        """An operator who opens one page more than they may have loses the oldest; it connects again when looked at."""
        own = [client for client in self._clients if client.viewer.operator_id == viewer.operator_id]
        if len(own) < MOST_PER_OPERATOR and len(self._clients) >= MOST_CLIENTS:
            raise Overloaded("Too many pages of the console are open.", retry_after=10.0)
        for client in sorted(own, key=lambda each: each.checked_at)[: len(own) - MOST_PER_OPERATOR + 1]:
            client.tell("crowded")

    async def _events(self, client: Client) -> AsyncGenerator[str, None]:
        self._join(client)
        until = time.monotonic() + LONGEST_S
        try:
            yield "retry: 2000\n\n"
            while not self._ended and time.monotonic() < until:
                with suppress(TimeoutError):
                    async with asyncio.timeout(BEAT_S):
                        await client.stirred.wait()
                client.stirred.clear()
                told, client.told = client.told, {}
                if "crowded" in told or self._is_over():
                    return
                news = "".join(f"event: {event}\ndata: \n\n" for event in told)
                yield news if told else ": still here\n\n"
                if "over" in told:
                    return
        finally:
            self._leave(client)

    # --- looking ------------------------------------------------------------------------------------------------------

    def _join(self, client: Client) -> None:
        """What changed since the page was made is shown at once, or after the first look at what nobody watched yet."""
        self._clients.add(client)
        for view, event in client.views.items():
            if view in self._seen:
                client.tell(event)
        self._woken.set()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_while_watched(), name="live")
            report_end(self._looking)

    def _leave(self, client: Client) -> None:
        self._clients.discard(client)
        watched = {view for each in self._clients for view in each.views}
        self._seen = {view: seen for view, seen in self._seen.items() if view in watched}

    async def _look_while_watched(self) -> None:
        undo = on_wake(setting(self._woken))
        hearing = asyncio.create_task(self._hear(self._woken.set), name="live updates")
        report_end(hearing)
        awake_until = 0.0
        try:
            while self._clients and not self._ended:
                began = time.monotonic()
                with suppress(StoreUnavailable):  # it was told where it happened; the next look may find it back
                    await self._look()
                took = time.monotonic() - began
                pause = AWAKE_S if began < awake_until else IDLE_S
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(pause, took * REST)):
                        await self._woken.wait()
                    awake_until = time.monotonic() + AWAKE_FOR_S
                    await asyncio.sleep(max(AWAKE_S, took * REST))  # many wakes, one look
                self._woken.clear()
        finally:
            undo()
            hearing.cancel()

    async def _look(self) -> None:
        watched = {view for client in self._clients for view in client.views}
        for view in watched:
            await self._look_at(view)
        for client in tuple(self._clients):
            if time.monotonic() >= client.checked_at + RECHECK_S:
                await self._check_again(client)

    async def _look_at(self, view: View) -> None:
        seen = await (
            self._db(glance_at_list, view.tenant_id)
            if view.conversation is None
            else self._db(glance_at_thread, view.tenant_id, view.conversation)
        )
        if view in self._seen and self._seen[view] == seen:
            return
        self._seen[view] = seen
        for client in self._clients:
            if view in client.views:
                client.tell(client.views[view])

    async def _check_again(self, client: Client) -> None:
        viewer = await self._sessions.find(client.session_key)
        client.checked_at = time.monotonic()
        if viewer is None or viewer.tenant_id != client.viewer.tenant_id:
            client.tell("over")


class _Stream(StreamingResponse):
    """Ends with its caller: what was begun for them is left at once, not at the next event."""

    def __init__(self, events: AsyncGenerator[str, None]) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._events = events

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        async def hang_up() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            writing.cancel()

        writing = asyncio.create_task(self.stream_response(send))
        hanging = asyncio.create_task(hang_up())
        try:
            with suppress(asyncio.CancelledError):
                await writing
        finally:
            hanging.cancel()
            writing.cancel()
            await asyncio.gather(hanging, writing, return_exceptions=True)
            await self._events.aclose()
