"""Sessions: what people wish of one, its duty as a work row, and what came of it.

Each channel that is paired with a phone has one row of work, its watch: it is due when the session is to be looked at.
A wish raises the session's generation and makes the watch due; what was done for an earlier wish changes nothing.
"""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from django.db.models import F

from hailgate.accounts.seal import sealer
from hailgate.core.errors import ChannelDisconnected, InputError, SessionLost
from hailgate.core.sessions import (
    PAIRING_S,
    SessionReport,
    SessionState,
    SessionWish,
    Standing,
    may_pair,
    next_look,
    settle,
)
from hailgate.core.slots import Room
from hailgate.messaging.models import Channel, Session, WorkKind, WorkState
from hailgate.messaging.store.notify import Wake, wake_after_commit
from hailgate.messaging.store.sql import (
    Cursor,
    among,
    array,
    atomic_cursor,
    every_tenant,
    fetch,
    fetch_one,
    now,
)
from hailgate.messaging.store.tables import CHANNEL
from hailgate.messaging.work import rows
from hailgate.messaging.work.claim import Batch, Leased, claim_due, lock_held
from hailgate.messaging.work.leases import find_alive

NOT_PAIRED: Final = "not_paired"
OTHER_NUMBER: Final = "number_unconfirmed"
# Why a channel is paused that an open session mends; the first is nobody's fault.
MENDED_BY_OPENING: Final = frozenset({NOT_PAIRED, ChannelDisconnected.code, SessionLost.code})
# Why a channel is paused that needs the phone, or somebody who knows it.
NEEDS_HAND: Final = frozenset({ChannelDisconnected.code, OTHER_NUMBER})


class SessionView(NamedTuple):
    """How a session stands, for people. ``number`` is the phone's; ``unconfirmed`` one that nobody expected."""

    state: SessionState
    wish: SessionWish
    since: float
    generation: int
    number: str
    unconfirmed: str
    detail: str
    has_code: bool


class ShownCode(NamedTuple):
    """``value`` is a secret for as long as it lives: whoever has it reads the phone's messages."""

    value: str
    typed: bool
    until: float


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


# --- wishes -----------------------------------------------------------------------------------------------------------


def wish_session(channel: Channel, wish: SessionWish, phone: str = "") -> int:
    """Record what somebody wants and make the watch due. Returns the generation. Raises InputError for the number.

    ``phone`` (digits) asks for a code to type on that phone instead of a QR code.
    """
    digits = phone.removeprefix("+").replace(" ", "")
    if digits and not (digits.isascii() and digits.isdecimal() and 7 <= len(digits) <= 15):
        raise InputError("phone: needs 7 to 15 digits, as in +15550100000.", field="phone")
    with atomic_cursor() as cursor:
        moment = now(cursor)
        session = session_of(channel.tenant_id, channel.pk, moment)
        changes: dict[str, Any] = {"wish": wish.value, "generation": session.generation + 1, "starts": 0}
        if wish is SessionWish.PAIR:
            changes |= {"pair_until": moment + PAIRING_S, "pair_phone": sealer().seal(digits) if digits else ""}
        else:
            changes |= {"code": "", "code_until": None}
        Session.objects.filter(tenant_id=channel.tenant_id, pk=session.pk).update(**changes)
        hasten(cursor, [(channel.tenant_id, channel.pk)], moment)
        return session.generation + 1


def confirm_number(channel: Channel) -> bool:
    """The phone that is paired is the right one, though it was not expected. False where nothing waits for this."""
    with atomic_cursor() as cursor:
        ours = Session.objects.select_for_update().filter(tenant_id=channel.tenant_id, channel=channel)
        session = ours.exclude(unconfirmed="").first()
        if session is None:
            return False
        moment = now(cursor)
        ours.update(number=session.unconfirmed, unconfirmed="")
        Channel.objects.filter(tenant_id=channel.tenant_id, pk=channel.pk).update(
            number=session.unconfirmed, version=F("version") + 1
        )
        _resume(cursor, channel.pk, {OTHER_NUMBER})
        hasten(cursor, [(channel.tenant_id, channel.pk)], moment)
        return True


def hasten(cursor: Cursor, channels: Iterable[tuple[int, int]], moment: float) -> None:
    """Make the watches of these channels due, ``(tenant_id, channel_id)``; one under way is followed by another."""
    wanted = dict.fromkeys((channel_id, tenant_id) for tenant_id, channel_id in channels)
    if not wanted:
        return
    ids = array(channel_id for channel_id, _ in wanted)
    found = fetch(
        cursor,
        f"SELECT key, state FROM messaging_work WHERE kind = {WorkKind.SESSION.value} AND {among('key')} "
        f"{every_tenant('by key')}",
        [ids],
    )
    rows.hasten(cursor, WorkKind.SESSION, [channel_id for channel_id, _ in wanted])
    waiting = {key for key, state in found if state in {WorkState.READY.value, WorkState.WAITING.value}}
    new = [
        rows.NewWork(tenant_id, WorkKind.SESSION, channel_id, channel_id)
        for channel_id, tenant_id in wanted
        if channel_id not in waiting
    ]
    rows.enqueue(cursor, new, moment)


# --- the watch --------------------------------------------------------------------------------------------------------


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
        _standing(session), _unsealed(session.pair_phone),
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
        _look_again(cursor, claim, next_look(news.after, _standing(session), moment, random.random), moment)
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
    standing = _standing(session)
    before, after = standing.state, settle(report.state, standing, moment)
    changes: dict[str, Any] = {"detail": report.detail[:300], "starts": standing.starts + started}
    is_open = after is SessionState.OPEN
    if after is not before or (is_open and started):  # one that had to be started was away, however quickly it came
        changes |= {
            "state": after.value,
            "since": _instant(moment),
            "open_since": _instant(moment) if is_open else None,
        }
        changes["starts"] = 0 if is_open else changes["starts"]
        if is_open and standing.wish is SessionWish.PAIR:  # done: codes from now on mean that the phone is gone
            changes |= {"wish": SessionWish.OPEN.value, "pair_until": 0.0}
        if is_open:  # what came in while it was away may have been told to nobody
            rows.hasten(cursor, WorkKind.POLL, [session.channel_id])
    changes |= _code_of(session, report, after, moment)
    other = after is SessionState.OPEN and _meet_number(cursor, session, report.number or "", moment)
    changes |= {"number": session.number, "unconfirmed": session.unconfirmed}
    Session.objects.filter(tenant_id=session.tenant_id, pk=session.pk).update(**changes)
    for name, value in changes.items():
        setattr(session, name, value)
    _tell_channel(cursor, session, after, moment)
    return SessionNews(before, after, other)


def _code_of(session: Session, report: SessionReport, state: SessionState, moment: float) -> dict[str, Any]:
    """A code is kept while somebody may scan it, and no longer than it lives."""
    shown = report.code if state is SessionState.PAIRING and may_pair(_standing(session), moment) else None
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


def _tell_channel(cursor: Cursor, session: Session, state: SessionState, moment: float) -> None:
    """An open session lets the channel send; one that only a person can mend stops it."""
    if state is SessionState.OPEN and not session.unconfirmed:
        _resume(cursor, session.channel_id, MENDED_BY_OPENING)
    elif session.wish in {SessionWish.CLOSE, SessionWish.LOG_OUT}:
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


def _resume(cursor: Cursor, channel_id: int, reasons: Iterable[str]) -> None:
    cursor.execute(
        f"UPDATE messaging_channel SET paused_at = NULL, paused_reason = '', ready_at = 0, breaker_failures = 0, "
        f"breaker_opened_at = NULL, breaker_probe_at = NULL, breaker_share = 0 "
        f"WHERE id = %s AND {among('paused_reason')} {every_tenant('by key')}",
        [channel_id, array(reasons)],
    )
    if cursor.rowcount:
        wake_after_commit(cursor, Wake.DELIVER)


# --- for people -------------------------------------------------------------------------------------------------------


def find_session(tenant_id: int, channel_id: int) -> SessionView | None:
    session = Session.objects.filter(tenant_id=tenant_id, channel_id=channel_id).first()
    if session is None:
        return None
    standing = _standing(session)
    return SessionView(
        standing.state, standing.wish, standing.since, session.generation, session.number, session.unconfirmed,
        session.detail, bool(session.code),
    )  # fmt: skip


def find_code(tenant_id: int, channel_id: int) -> ShownCode | None:
    """The code that a phone may scan or type now. Whoever asks is on record before this is called."""
    with atomic_cursor(read_only=True) as cursor:
        moment = now(cursor)
        row = fetch_one(
            cursor,
            "SELECT code, code_typed, code_until FROM messaging_session WHERE tenant_id = %s AND channel_id = %s "
            "AND code_until > %s",
            [tenant_id, channel_id, moment],
        )
    return ShownCode(sealer().unseal(row[0]), bool(row[1]), row[2]) if row else None


def forget_codes() -> int:
    """Those that have expired; a session that nobody looks at would keep its last."""
    with atomic_cursor(read_only=True) as cursor:
        moment = now(cursor)
        expired = fetch(
            cursor,
            f"SELECT id FROM messaging_session WHERE code_until <= %s {every_tenant('sweep')} LIMIT 500",
            [moment],
        )
    if not expired:
        return 0
    with atomic_cursor() as cursor:
        cursor.execute(
            f"UPDATE messaging_session SET code = '', code_until = NULL WHERE {among('id')} AND code_until <= %s "
            f"{every_tenant('sweep')}",
            [array(row[0] for row in expired), moment],
        )
        return int(cursor.rowcount)


def session_of(tenant_id: int, channel_id: int, moment: float) -> Session:
    """Locked; made where there is none."""
    made = {"wish": SessionWish.CLOSE.value, "state": SessionState.UNPAIRED.value, "since": _instant(moment)}
    Session.objects.get_or_create(tenant_id=tenant_id, channel_id=channel_id, defaults=made)
    return Session.objects.select_for_update().get(tenant_id=tenant_id, channel_id=channel_id)


def _sessions_of(leased: Sequence[Leased]) -> list[Session]:
    tenants, channels = {row.tenant_id for row in leased}, {row.key for row in leased}
    return list(Session.objects.filter(tenant_id__in=tenants, channel_id__in=channels))


def _standing(session: Session) -> Standing:
    return Standing(
        SessionState(session.state), SessionWish(session.wish), session.since.timestamp(), session.starts,
        session.pair_until,
    )  # fmt: skip


def _instant(moment: float) -> Any:
    return datetime.fromtimestamp(moment, UTC)


def _unsealed(stored: str) -> str:
    return sealer().unseal(stored) if stored else ""
