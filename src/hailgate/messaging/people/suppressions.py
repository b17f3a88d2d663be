"""People who do not want to be written to, as their provider reports it."""

from collections.abc import Iterable

from hailgate.core.address import Address
from hailgate.core.errors import RecipientOptedOut
from hailgate.messaging.people.addresses import line_digests
from hailgate.messaging.people.consents import ConsentChoice, record_choices
from hailgate.messaging.store.sql import Cursor


def record_opt_outs(cursor: Cursor, opted_out: Iterable[tuple[int, Address, float]]) -> None:
    """Tenant, address and the provider's time of each: a choice like any other, and a later one undoes it."""
    record_choices(
        cursor,
        [
            ConsentChoice(tenant_id, digest, wanted=False, at=at, reason=RecipientOptedOut.code)
            for tenant_id, address, at in opted_out
            for digest in line_digests(address)
        ],
    )
