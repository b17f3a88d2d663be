"""Sessions: what people wish of one, and when its watch is due.

Each channel that is paired with a phone has one row of work, its watch: it is due when the session is to be looked at.
A wish raises the session's generation and makes the watch due; what was done for an earlier wish changes nothing.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import F

from hailgate.accounts.seal import sealer
from hailgate.core.errors import ChannelDisconnected, InputError, NotFound, SessionLost
from hailgate.core.sessions import (
    PAIRING_S,
    SessionState,
    SessionWish,
    Standing,
)
from hailgate.messaging.models import Channel, Session, WorkKind, WorkState
from hailgate.messaging.store.notify import Wake, wake_after_commit
from hailgate.messaging.store.sql import (
    Cursor,
    among,
    array,
    atomic_cursor,
    every_tenant,
    fetch,
    now,
)
from hailgate.messaging.work import rows

NOT_PAIRED: Final = "not_paired"
OTHER_NUMBER: Final = "number_unconfirmed"
# Why a channel is paused that an open session mends; the first is nobody's fault.
MENDED_BY_OPENING: Final = frozenset({NOT_PAIRED, ChannelDisconnected.code, SessionLost.code})
# Why a channel is paused that needs the phone, or somebody who knows it.
NEEDS_HAND: Final = frozenset({ChannelDisconnected.code, OTHER_NUMBER})


def wish_session(channel: Channel, wish: SessionWish, phone: str = "") -> int:
    """Record what somebody wants and make the watch due. Returns the generation.

    Raises InputError for the number, NotFound where the channel is switched off: no server can be asked for it.
    ``phone`` (digits) asks for a code to type on that phone instead of a QR code.
    """
    digits = phone.removeprefix("+").replace(" ", "")
    if digits and not (digits.isascii() and digits.isdecimal() and 7 <= len(digits) <= 15):
        raise InputError("phone: needs 7 to 15 digits, as in +15550100000.", field="phone")
    with atomic_cursor() as cursor:
        moment = now(cursor)
        if not Channel.objects.filter(tenant_id=channel.tenant_id, pk=channel.pk, active=True).exists():
            raise NotFound("this channel is switched off", field="channel")
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
        resume_channel(cursor, channel.pk, {OTHER_NUMBER})
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


def note_away(cursor: Cursor, channel_ids: Iterable[int], moment: float) -> None:
    """Sessions that were without their phone a moment ago: one that the next look finds open was not so throughout."""
    cursor.execute(
        f"UPDATE messaging_session SET open_since = %s WHERE {among('channel_id')} AND open_since IS NOT NULL "
        f"{every_tenant('by key')}",
        [moment, array(channel_ids)],
    )


def resume_channel(cursor: Cursor, channel_id: int, reasons: Iterable[str]) -> None:
    cursor.execute(
        f"UPDATE messaging_channel SET paused_at = NULL, paused_reason = '', ready_at = 0, breaker_failures = 0, "
        f"breaker_opened_at = NULL, breaker_probe_at = NULL, breaker_share = 0, passed_at = NULL "
        f"WHERE id = %s AND {among('paused_reason')} {every_tenant('by key')}",
        [channel_id, array(reasons)],
    )
    if cursor.rowcount:
        wake_after_commit(cursor, Wake.DELIVER)


def session_of(tenant_id: int, channel_id: int, moment: float) -> Session:
    """Locked; made where there is none."""
    since: Any = datetime.fromtimestamp(moment, UTC)
    made = {"wish": SessionWish.CLOSE.value, "state": SessionState.UNPAIRED.value, "since": since}
    Session.objects.get_or_create(tenant_id=tenant_id, channel_id=channel_id, defaults=made)
    return Session.objects.select_for_update().get(tenant_id=tenant_id, channel_id=channel_id)


def standing_of(session: Session) -> Standing:
    return Standing(
        SessionState(session.state), SessionWish(session.wish), session.since.timestamp(), session.starts,
        session.pair_until,
    )  # fmt: skip
