"""The watch of a session: claimed when it is due, and what was found written down."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from django.db.models import F

from hailgate.accounts.seal import sealer
from hailgate.core.errors import ChannelDisconnected
from hailgate.core.sessions import (
    ENDING,
    SessionReport,
    SessionState,
    SessionWish,
    Standing,
    may_pair,
    next_look,
    settle,
)
from hailgate.core.slots import Room
from hailgate.messaging.channels.sessions import (
    MENDED_BY_OPENING,
    NOT_PAIRED,
    OTHER_NUMBER,
    resume_channel,
    standing_of,
)
from hailgate.messaging.models import Channel, Session, WorkKind, WorkState
from hailgate.messaging.store.sql import Cursor, atomic_cursor, every_tenant, fetch
from hailgate.messaging.store.tables import CHANNEL
from hailgate.messaging.work import rows
from hailgate.messaging.work.claim import Batch, Leased, claim_due, lock_held
from hailgate.messaging.work.leases import find_alive

NUMBER_UNTOLD: Final = "The server does not say yet which number is paired; nothing is sent before."
NUMBER_AGAIN_S: Final = 3.0


class SessionClaim(NamedTuple):
    """A watch that is due. ``standing`` is as it is on record, at ``generation``."""

    id: int
    lease: int
    tenant_id: int
    channel_id: int
    session_id: int
    crashes: int
    generation: int
    standing: Standing
    phone: str


class SessionNews(NamedTuple):
    """What is worth telling: the state changed; the phone is not the one that was expected."""

    before: SessionState
    after: SessionState
    other_number: bool


def claim_sessions(worker_id: int, room: Room) -> Batch[SessionClaim]:
    return claim_due(WorkKind.SESSION, worker_id, room, _load)


def _load(cursor: Cursor, leased: Sequence[Leased], _moment: float) -> list[SessionClaim]:
    """A watch whose session is gone ends here."""
    found = {session.channel_id: session for session in _sessions_of(leased)}
    rows.complete(cursor, [row.id for row in leased if row.key not in found])
    return [_claim(row, found[row.key]) for row in leased if row.key in found]


def _claim(row: Leased, session: Session) -> SessionClaim:
    return SessionClaim(
        row.id, row.lease, row.tenant_id, row.channel_id, session.pk, row.crashes, session.generation,
        standing_of(session), _unsealed(session.pair_phone),
    )  # fmt: skip


def record_session(worker_id: int, claim: SessionClaim, report: SessionReport, started: bool) -> SessionNews | None:
    """Write how the session stands, and when its watch is due again. None where that is stale, or not this worker's."""
    with atomic_cursor() as cursor:
        moment = find_alive(cursor, worker_id)
        if moment is None or not lock_held(cursor, worker_id, [claim]):
            return None
        session = Session.objects.select_for_update().get(tenant_id=claim.tenant_id, pk=claim.session_id)
        if session.generation != claim.generation:  # somebody wished for something else meanwhile
            _look_again(cursor, claim, 0.0, moment)
            return None
        news = _fold(cursor, session, report, moment, started=started)
        due_at = next_look(news.after, standing_of(session), moment, random.random)
        if session.detail == NUMBER_UNTOLD:
            due_at = moment + NUMBER_AGAIN_S
        _look_again(cursor, claim, due_at, moment)
        return news


def postpone_session(worker_id: int, claim: SessionClaim, delay: float, detail: str) -> None:
    """The other side could not be asked: nothing is known anew but that."""
    with atomic_cursor() as cursor:
        moment = find_alive(cursor, worker_id)
        if moment is None or not lock_held(cursor, worker_id, [claim]):
            return
        Session.objects.filter(tenant_id=claim.tenant_id, pk=claim.session_id, generation=claim.generation).update(
            detail=detail[:300]
        )
        _look_again(cursor, claim, moment + delay, moment)


def _look_again(cursor: Cursor, claim: SessionClaim, due_at: float | None, moment: float) -> None:
    """At ``due_at``; at once where somebody asked for it during this look."""
    followed = fetch(
        cursor,
        f"SELECT 1 FROM messaging_work WHERE kind = {WorkKind.SESSION.value} AND key = %s "
        f"AND state = {WorkState.WAITING.value} {every_tenant('by key')} LIMIT 1",
        [claim.channel_id],
    )
    if due_at is not None and not followed:
        rows.postpone(cursor, [rows.Postponed(claim.id, due_at, 0, "", "")])
        return
    rows.complete(cursor, [claim.id])
    rows.promote(cursor, WorkKind.SESSION, [claim.channel_id], moment)


def _fold(cursor: Cursor, session: Session, report: SessionReport, moment: float, *, started: bool) -> SessionNews:
    standing = standing_of(session)
    before, after = standing.state, settle(report.state, standing, moment)
    is_open = after is SessionState.OPEN
    changes: dict[str, Any] = {"detail": report.detail[:300], "starts": standing.starts + started}
    moved = after is not before or (is_open and started)  # one that had to be started was away, however quickly it came
    if moved:
        changes |= _moved(standing, after, moment)
        if is_open:  # what came in while it was away may have been told to nobody
            rows.hasten(cursor, WorkKind.POLL, [session.channel_id])
    changes |= _code_of(session, report, after, moment)
    other = is_open and _meet_number(cursor, session, report.number or "", moment)
    if is_open and _waits_for_number(session, report, moved=moved):
        changes["detail"] = NUMBER_UNTOLD
    changes |= {"number": session.number, "unconfirmed": session.unconfirmed}
    Session.objects.filter(tenant_id=session.tenant_id, pk=session.pk).update(**changes)
    for name, value in changes.items():
        setattr(session, name, value)
    _tell_channel(cursor, session, after, moment)
    return SessionNews(before, after, other)


def _moved(standing: Standing, after: SessionState, moment: float) -> dict[str, Any]:
    since = _instant(moment)
    if after is not SessionState.OPEN:
        return {"state": after.value, "since": since, "open_since": None}
    changes: dict[str, Any] = {"state": after.value, "since": since, "open_since": since, "starts": 0}
    if standing.wish is SessionWish.PAIR:  # done: codes from now on mean that the phone is gone
        changes |= {"wish": SessionWish.OPEN.value, "pair_until": 0.0}
    return changes


def _code_of(session: Session, report: SessionReport, state: SessionState, moment: float) -> dict[str, Any]:
    """A code is kept while somebody may scan it, and no longer than it lives."""
    shown = report.code if state is SessionState.PAIRING and may_pair(standing_of(session), moment) else None
    if shown:
        sealed = sealer().seal(shown.value)
        return {"code": sealed, "code_typed": shown.typed, "code_until": moment + shown.life_s}
    if state is SessionState.PAIRING and (session.code_until or 0.0) > moment:
        return {}
    return {"code": "", "code_until": None}


def _meet_number(cursor: Cursor, session: Session, number: str, moment: float) -> bool:
    """True for a phone that is neither the declared one nor the one before: nothing is sent until it is confirmed."""
    if not number:
        return False
    own = Channel.objects.filter(tenant_id=session.tenant_id, pk=session.channel_id)
    channel_number = own.values_list("number", flat=True).get()
    expected = session.number or channel_number
    if expected and expected != number:
        new = session.unconfirmed != number
        session.unconfirmed = number
        CHANNEL.update(cursor, ("paused_at", "paused_reason"), [(session.channel_id, moment, OTHER_NUMBER)])
        return new
    session.number, session.unconfirmed = number, ""
    if not channel_number:
        own.update(number=number, version=F("version") + 1)
    return False


def _waits_for_number(session: Session, report: SessionReport, *, moved: bool) -> bool:
    """A session that opened, or whose channel stopped, sends once its phone is known to be the one that is expected."""
    if report.number:
        return False
    own = Channel.objects.filter(tenant_id=session.tenant_id, pk=session.channel_id)
    number, reason = own.values_list("number", "paused_reason").get()
    return bool(session.number or number) and (moved or reason in MENDED_BY_OPENING)


def _tell_channel(cursor: Cursor, session: Session, state: SessionState, moment: float) -> None:
    """An open session lets the channel send; one that only a person can mend stops it."""
    if state is SessionState.OPEN and session.detail == NUMBER_UNTOLD:
        _pause(cursor, session.channel_id, NOT_PAIRED, moment)
    elif state is SessionState.OPEN and not session.unconfirmed:
        resume_channel(cursor, session.channel_id, MENDED_BY_OPENING | {OTHER_NUMBER})  # the right phone came back
    elif session.wish in ENDING:
        _pause(cursor, session.channel_id, NOT_PAIRED, moment)
    elif state is SessionState.UNPAIRED:
        _pause(cursor, session.channel_id, ChannelDisconnected.code, moment)


def _pause(cursor: Cursor, channel_id: int, reason: str, moment: float) -> None:
    """One that is paused already keeps its reason."""
    cursor.execute(
        f"UPDATE messaging_channel SET paused_at = %s, paused_reason = %s WHERE id = %s AND paused_at IS NULL "
        f"{every_tenant('by key')}",
        [moment, reason, channel_id],
    )


def _sessions_of(leased: Sequence[Leased]) -> list[Session]:
    tenants, channels = {row.tenant_id for row in leased}, {row.key for row in leased}
    return list(Session.objects.filter(tenant_id__in=tenants, channel_id__in=channels))


def _instant(moment: float) -> Any:
    return datetime.fromtimestamp(moment, UTC)


def _unsealed(stored: str) -> str:
    return sealer().unseal(stored) if stored else ""
