"""Attempts: one call to a provider for one message, on record before its first byte may leave, and what it came to.

An attempt is written only under the condition "my worker is alive and the lease is mine": a worker that was declared
dead writes nothing any more.
"""

from collections.abc import Sequence
from typing import NamedTuple

from hailgate.core.address import Address
from hailgate.core.delivery import Decision
from hailgate.messaging.outbound.claim import Claim
from hailgate.messaging.store.sql import atomic_cursor
from hailgate.messaging.store.tables import ATTEMPT, WORK
from hailgate.messaging.work.claim import lock_held
from hailgate.messaging.work.leases import find_alive


class Outcome(NamedTuple):
    """What one claim came to: a receipt (``decision`` is None) or a decision about its error.

    ``provider_id`` and ``address`` are the provider's names for the message and the recipient, once it took it; by
    those in ``also`` it knows the recipient too. ``message_token`` is what all its ids of the message have in common.
    ``rests_until`` is set where the provider wants the whole channel to keep quiet for a while.
    """

    claim: Claim
    attempted: bool
    decision: Decision | None = None
    provider_id: str | None = None
    address: Address | None = None
    provider_code: str = ""
    rests_until: float | None = None
    also: tuple[Address, ...] = ()
    message_token: str | None = None

    @property
    def sent(self) -> bool:
        return self.decision is None


_COLUMNS = (
    "tenant_id", "message_id", "number", "worker_id", "lease", "started_at", "outcome", "code", "provider_code",
    "detail",
)  # fmt: skip


def record_attempts(worker_id: int, claims: Sequence[Claim]) -> set[int]:
    """Commit that these are about to be sent. Returns the ids of the rows that may be. Harmless to repeat."""
    with atomic_cursor() as cursor:
        moment = find_alive(cursor, worker_id)
        if moment is None:
            return set()
        held = lock_held(cursor, worker_id, claims)
        mine = [claim for claim in claims if claim.id in held]
        WORK.update(cursor, ("attempting", "knocks"), [(claim.id, True, claim.attempt_no) for claim in mine])
        opened = [
            (claim.tenant_id, claim.message_id, claim.attempt_no, worker_id, claim.lease, moment, "", "", "", "")
            for claim in mine
        ]
        ATTEMPT.insert(cursor, _COLUMNS, opened, on_conflict="ON CONFLICT (message_id, number) DO NOTHING")
        return held
