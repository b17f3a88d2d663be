"""Template account: the account at a provider whose templates a channel sends, as a row of ours."""

from hailgate.messaging.store.notify import Wake, wake_after_commit
from hailgate.messaging.store.sql import Cursor, fetch_value
from hailgate.messaging.store.tables import BUSINESS
from hailgate.providers.spec import AnyProviderSpec


def ensure_business(cursor: Cursor, tenant_id: int, spec: AnyProviderSpec, account: str | None) -> int | None:
    """The business of an account, listed soon if it is new. None where the channel does not say its account."""
    if account is None:
        return None
    columns = ("tenant_id", "provider", "account", "due_at", "tries", "code", "detail")
    if BUSINESS.insert_new(
        cursor, columns, [(tenant_id, spec.name, account, 0.0, 0, "", "")], unique=("tenant_id", "provider", "account")
    ):
        wake_after_commit(cursor, Wake.TEMPLATES)
    statement = "SELECT id FROM messaging_templatelibrary WHERE tenant_id = %s AND provider = %s AND account = %s"
    return int(fetch_value(cursor, statement, [tenant_id, spec.name, account]))
