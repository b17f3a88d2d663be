"""People who do not want to be written to, as their provider reports it."""

from collections.abc import Iterable

from hailgate.core.address import Address
from hailgate.core.errors import RecipientOptedOut
from hailgate.messaging.conversations import address_digest
from hailgate.messaging.sql import Cursor
from hailgate.messaging.tables import SUPPRESSION

# What a provider reports is an opt-out of marketing; a person may still be answered.
SCOPE = "marketing"


def record_opt_outs(cursor: Cursor, opted_out: Iterable[tuple[int, Address]], moment: float) -> None:
    """Tenant and address of each. What is recorded already stays as it is."""
    stored = [
        (tenant_id, address_digest(address), SCOPE, RecipientOptedOut.code, moment) for tenant_id, address in opted_out
    ]
    columns = ("tenant_id", "digest", "scope", "reason", "at")
    SUPPRESSION.insert_new(cursor, columns, stored, unique=("tenant_id", "digest", "scope"))
