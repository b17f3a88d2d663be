"""Stopped assistants: whose kill switch is thrown. It is thrown where answers are cancelled too."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from hailgate.messaging.models import AssistantStop
from hailgate.messaging.store.sql import Cursor, among, array, every_tenant, fetch

STOPPED: Final = "stopped"


def find_stop(tenant_id: int) -> datetime | None:
    """Since when."""
    found = AssistantStop.objects.filter(tenant_id=tenant_id).first()
    return found.since if found else None


def find_stopped(cursor: Cursor, tenant_ids: Iterable[int]) -> set[int]:
    found = fetch(
        cursor,
        f"SELECT tenant_id FROM messaging_assistantstop WHERE {among('tenant_id')} {every_tenant('those asked for')}",
        [array(set(tenant_ids))],
    )
    return {tenant_id for (tenant_id,) in found}
