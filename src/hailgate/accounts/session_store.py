"""Sessions in the database, found by a digest of their key: who reads the table can sign in as nobody."""

from hashlib import blake2b
from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session

# As many hex digits as a session key of Django's may have.
DIGEST_BYTES = 20


class SessionStore(db.SessionStore):
    """Django's own, but for what stands in the column of the key."""

    def _get_session_from_db(self) -> Any:
        if self.session_key is None:
            return None
        found = Session.objects.filter(session_key=digest(self.session_key), expire_date__gt=self._now()).first()
        if found is None:
            self._session_key = None
        return found

    def exists(self, session_key: str) -> bool:
        return Session.objects.filter(session_key=digest(session_key)).exists()

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        row: Any = super().create_model_instance(data)
        row.session_key = digest(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            Session.objects.filter(session_key=digest(key)).delete()

    @staticmethod
    def _now() -> Any:
        from django.utils import timezone

        return timezone.now()


def digest(session_key: str) -> str:
    return blake2b(session_key.encode(), digest_size=DIGEST_BYTES).hexdigest()


def end_sessions(operator_id: int) -> int:
    """All of an operator's, everywhere. They are few: whoever signs in has one for each browser."""
    ended = [
        row.session_key
        for row in Session.objects.iterator()
        if SessionStore().decode(row.session_data).get("_auth_user_id") == str(operator_id)
    ]
    return Session.objects.filter(session_key__in=ended).delete()[0]
