"""Arrivals: webhooks that have been understood, and the channels that their events are for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from hailgate.core.address import Address
from hailgate.core.events import AccountTrouble, ProviderEvent, TemplateChange
from hailgate.messaging.people.conversations import Party
from hailgate.messaging.people.party import portfolio_of
from hailgate.messaging.store.sql import Cursor, among, array, every_tenant, fetch


class Arrival(NamedTuple):
    """One raw webhook, understood. The first message in it gets its ``uid``: both are then one trace."""

    id: int
    uid: UUID
    tenant_id: int
    events: Sequence[ProviderEvent]
    received_at: float = 0.0


class HookChannel(NamedTuple):
    id: int
    tenant_id: int
    answered_by: str
    business_id: int | None
    provider: str
    consent_languages: str

    @property
    def portfolio(self) -> str:
        return portfolio_of(self.id, self.business_id)

    def party(self, chat: Sequence[Address], at: float, name: str = "") -> Party:
        """Whom an event of this channel is about."""
        return Party(
            self.tenant_id, self.id, tuple(chat), self.answered_by, name, told=True, at=at, portfolio=self.portfolio
        )


AccountPlace = tuple[bool, str]
"""An account of the provider's: of templates, or of a number."""

Channels = Mapping[AccountPlace, HookChannel]


def place_of(event: ProviderEvent) -> AccountPlace:
    if isinstance(event, TemplateChange | AccountTrouble):
        return True, event.business
    return False, event.account or ""


def find_channels(cursor: Cursor, hook_id: int, arrivals: Sequence[Arrival]) -> Channels:
    """Of each number, and where something is told of templates, the first one that sends them."""
    found = fetch(
        cursor,
        f"SELECT account, id, tenant_id, answered_by, library_id, provider, consent_languages FROM messaging_channel "
        f"WHERE hook_id = %s {every_tenant('ingest')} ORDER BY id DESC",
        [hook_id],
    )
    channels = {(False, account): HookChannel(*columns) for account, *columns in found}
    if any(isinstance(event, TemplateChange) for arrival in arrivals for event in arrival.events):
        channels |= _senders_of_templates(cursor, channels.values())
    return channels


def _senders_of_templates(cursor: Cursor, channels: Iterable[HookChannel]) -> dict[AccountPlace, HookChannel]:
    senders = {channel.business_id: channel for channel in channels}
    businesses = fetch(
        cursor,
        f"SELECT id, account FROM messaging_templatelibrary WHERE {among('id')} {every_tenant('ingest')}",
        [array(business_id for business_id in senders if business_id is not None)],
    )
    return {(True, account): senders[id_] for id_, account in businesses}
