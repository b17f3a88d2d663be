"""Sessions of operators: begun at sign-in, ended by sign-out, by time, by a new password, by being shut out.

A session is a row, so that whatever ends it ends it at once, everywhere.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.utils.crypto import constant_time_compare

from hailgate.accounts.models import Operator
from hailgate.accounts.operators import CurrentOperator, find_viewer
from hailgate.accounts.session_store import SessionStore

BEGAN: Final = "began_at"
SEEN: Final = "seen_at"
TENANT: Final = "tenant_id"
# How exactly the last activity is known: a write a minute, not one a click.
SEEN_EVERY_S: Final = 60.0
# Of the time that may pass without anything done, in case that is short.
SEEN_SHARE: Final = 4


class Limits(NamedTuple):
    """Seconds: without anything done, and in all."""

    idle_s: float
    whole_s: float


def begin(session: SessionBase, now: float) -> None:
    session[BEGAN] = now
    session[SEEN] = now


def has_ended(session: SessionBase | Mapping[str, Any], limits: Limits, now: float) -> bool:
    began, seen = session.get(BEGAN), session.get(SEEN)
    if not isinstance(began, int | float) or not isinstance(seen, int | float):
        return True
    return now >= seen + limits.idle_s or now >= began + limits.whole_s


def note_activity(session: SessionBase, limits: Limits, now: float) -> None:
    if now >= session.get(SEEN, 0.0) + min(SEEN_EVERY_S, limits.idle_s / SEEN_SHARE):
        session[SEEN] = now


def find_session_viewer(session_key: str, limits: Limits, now: float) -> CurrentOperator | None:
    """Who a session cookie stands for at this moment: for the edge, which has no Django request."""
    session = SessionStore(session_key).load()
    if BACKEND_SESSION_KEY not in session or has_ended(session, limits, now):
        return None
    operator = Operator.objects.filter(id=session[SESSION_KEY], is_active=True).first()
    if operator is None or not _knows_password(operator, session.get(HASH_SESSION_KEY, "")):
        return None
    return find_viewer(operator, session.get(TENANT))


def _knows_password(operator: Operator, stored: str) -> bool:
    return any(
        constant_time_compare(stored, valid)
        for valid in (operator.get_session_auth_hash(), *operator.get_session_auth_fallback_hash())
    )
