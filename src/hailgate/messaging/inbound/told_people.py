"""People whom events tell of: changes of their addresses, and what they chose."""

from collections.abc import Sequence

from hailgate.core.events import MarketingChoice
from hailgate.messaging.inbound.arrivals import HookChannel
from hailgate.messaging.people.addresses import line_digests
from hailgate.messaging.people.changes import record_change
from hailgate.messaging.people.consents import ConsentChoice, record_choices
from hailgate.messaging.people.early_changes import EarlyChange
from hailgate.messaging.people.identify import settle_parties
from hailgate.messaging.people.proofs import ProofKind
from hailgate.messaging.store.sql import Cursor


def follow_contacts(cursor: Cursor, changes: Sequence[EarlyChange], moment: float) -> list[EarlyChange]:
    """In order of the provider's time. Returns those of people whom nobody knows yet."""
    return [
        one
        for one in sorted(changes, key=lambda told: told.event.at)
        if not record_change(cursor, one.tenant_id, one.portfolio, one.event, moment)
    ]


def record_marketing_choices(
    cursor: Cursor, choices: Sequence[tuple[HookChannel, MarketingChoice]], moment: float
) -> None:
    """A choice holds for each address that it names, however it is spelt; that they are one person is told with it."""
    parties = [channel.party(event.addresses, event.at, event.name or "") for channel, event in choices]
    settle_parties(cursor, parties, ProofKind.WEBHOOK, moment)
    record_choices(
        cursor,
        [
            ConsentChoice(
                channel.tenant_id, digest, event.wanted,
                float(min(event.at, moment)) if event.at > 0 else moment, "user_preferences",
            )
            for channel, event in choices
            for address in event.addresses
            for digest in line_digests(address)
        ],
    )  # fmt: skip
