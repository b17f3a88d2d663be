"""Sessions as people see them: how they stand, and the code to scan or type."""

from typing import NamedTuple

from hailgate.accounts.seal import sealer
from hailgate.core.sessions import SessionState, SessionWish
from hailgate.messaging.channels.sessions import standing_of
from hailgate.messaging.models import Session
from hailgate.messaging.store.sql import among, array, atomic_cursor, every_tenant, fetch, fetch_one, now


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


def find_session(tenant_id: int, channel_id: int) -> SessionView | None:
    session = Session.objects.filter(tenant_id=tenant_id, channel_id=channel_id).first()
    if session is None:
        return None
    standing = standing_of(session)
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
