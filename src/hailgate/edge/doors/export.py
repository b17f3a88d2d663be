"""Lists that are too long for one answer: read a page at a time and streamed, so that neither side holds all of it.

Here and not in Django, whose few threads no slow reader may hold.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from hailgate.accounts.audit import Actor, AuditAction, AuditRecord, key_of, operator_of, record_deed
from hailgate.accounts.keys import find_key
from hailgate.core.errors import InputError, Unauthenticated
from hailgate.core.query_names import check_query_names
from hailgate.edge.http.keys import LONGEST_KEY
from hailgate.edge.http.sessions import OperatorSessions
from hailgate.messaging.deadletters.dead_letters import STATES, DeadLetterFilter, describe
from hailgate.messaging.deadletters.export import FORMATS, Format, read_letters
from hailgate.messaging.store.ports import Db

FILTERS: Final = ("state", "channel", "code", "since", "until")


class Export:
    """``looking`` reads; ``db`` writes down who took it away."""

    def __init__(self, db: Db, looking: Db, sessions: OperatorSessions) -> None:
        self._db, self._looking, self._sessions = db, looking, sessions

    async def by_key(self, request: Request) -> Response:
        """`GET /v1/dead-letters/export`: 200, 401, 422."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        key = key.strip()
        known = await self._looking(find_key, key) if key.isascii() and 0 < len(key) <= LONGEST_KEY else None
        if scheme.lower() != "bearer" or known is None:
            raise Unauthenticated
        return await self._answer(request, known.tenant_id, await self._looking(key_of, known.id))

    async def by_operator(self, request: Request) -> Response:
        """The same from the console, for who is signed in."""
        viewer = await self._sessions.find(self._sessions.key_of(request))
        if viewer is None:
            raise Unauthenticated("Sign in to the console first.")
        return await self._answer(request, viewer.tenant_id, operator_of(viewer))

    async def _answer(self, request: Request, tenant_id: int, actor: Actor) -> Response:
        form = _format(request)
        wanted = _wanted(request)
        deed = AuditRecord(actor, tenant_id, AuditAction.LETTERS_EXPORTED, detail=describe(wanted))
        await self._db(record_deed, deed)
        name = f"dead-letters.{'csv' if form is FORMATS['csv'] else 'ndjson'}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return StreamingResponse(self._pages(tenant_id, wanted, form), media_type=form.media_type, headers=headers)

    async def _pages(self, tenant_id: int, wanted: DeadLetterFilter, form: Format) -> AsyncIterator[str]:
        yield form.head
        after: int | None = 0
        while after is not None:
            some = await self._looking(read_letters, tenant_id, wanted, after)
            yield form.render(some.letters)
            after = some.after


def _format(request: Request) -> Format:
    given = request.query_params.get("format", "csv")
    if given not in FORMATS:
        raise InputError("format: must be csv or ndjson.", field="format")
    return FORMATS[given]


def _wanted(request: Request) -> DeadLetterFilter:
    given = dict(request.query_params)
    check_query_names(given, {*FILTERS, "format"})
    state = given.get("state") or None
    if state is not None and state not in STATES:
        raise InputError("state: must be dead or unknown.", field="state")
    return DeadLetterFilter(
        state,
        _short(given, "channel", 100),
        _short(given, "code", 60),
        _moment(given, "since"),
        _moment(given, "until"),
    )


def _short(given: dict[str, str], name: str, longest: int) -> str | None:
    value = given.get(name, "")
    if len(value) > longest or "\0" in value:
        raise InputError(f"{name}: needs at most {longest} characters.", field=name)
    return value or None


def _moment(given: dict[str, str], name: str) -> datetime | None:
    if not (value := given.get(name, "")):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InputError(f"{name}: must be a time with its zone, such as 2026-01-31T12:00:00Z.", field=name)
    return moment
