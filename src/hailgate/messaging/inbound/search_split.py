"""Searching for split contacts: stored ones that are one person, of before joins were or of a wrong undo.

What is found is asked, not done: an operator joins it, or whatever tells it anew.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from django.db.models import Q

from hailgate.accounts.seal import sealer
from hailgate.core.address import Address, AddressKind
from hailgate.core.errors import HailgateError
from hailgate.core.events import ContactChange, InboundMessage, MarketingChoice, MessageStatus, ProviderEvent
from hailgate.core.numbers import proven_spellings, source_of
from hailgate.messaging.channels.hooks import HookView, get_hook
from hailgate.messaging.models import ContactAddress, Hook, Message, WebhookEvent
from hailgate.messaging.people.addresses import find_known, is_scoped, key_of
from hailgate.messaging.people.identify import is_anothers
from hailgate.messaging.people.party import Party
from hailgate.messaging.people.proofs import PersonProof, ProofKind, suggest
from hailgate.messaging.store.sql import Cursor, atomic_cursor, now
from hailgate.providers.contract import WebhookRequest

AT_ONCE: Final = 500


def search_split(tenant_id: int) -> int:
    """Asks about each pair that is found; how many were asked anew."""
    asked = 0
    for proofs in _batches(_proofs(tenant_id)):
        with atomic_cursor() as cursor:
            asked += suggest(cursor, [proof for proof in proofs if _holds(cursor, proof)], now(cursor))
    return asked


def _proofs(tenant_id: int) -> Iterator[PersonProof]:
    yield from _by_country(tenant_id)
    for hook_id in Hook.objects.filter(tenant_id=tenant_id).values_list("id", flat=True):
        yield from _by_webhooks(tenant_id, get_hook(hook_id))


def _by_country(tenant_id: int) -> Iterator[PersonProof]:
    rows = ContactAddress.objects.filter(tenant_id=tenant_id, kind=AddressKind.PHONE)
    for stored in rows.values_list("value", flat=True).iterator():
        number = sealer().unseal(stored)
        for other in proven_spellings(number):
            pair = (Address(AddressKind.PHONE, number), Address(AddressKind.PHONE, other))
            yield PersonProof(tenant_id, ProofKind.COUNTRY, *pair, 0.0, source_of(number, other) or "")


def _by_webhooks(tenant_id: int, hook: HookView) -> Iterator[PersonProof]:
    """Of those that are still kept."""
    stored = WebhookEvent.objects.filter(tenant_id=tenant_id, hook_id=hook.id).order_by("id")
    for webhook in stored.iterator():
        for event in _understood(hook, webhook):
            for kind, one, other in _told(tenant_id, event):
                yield PersonProof(tenant_id, kind, one, other, getattr(event, "at", 0.0))


def _understood(hook: HookView, webhook: WebhookEvent) -> Iterable[ProviderEvent]:
    try:
        return hook.receiver.parse(
            WebhookRequest(
                url="",
                method=webhook.method,
                query=sealer().unseal(webhook.query),
                headers=msgspec.json.decode(webhook.headers or "{}"),
                body=sealer().unseal_bytes(bytes(webhook.body)),
            )
        )
    except HailgateError:
        return ()


_Pair = tuple[ProofKind, Address, Address]


def _told(tenant_id: int, event: ProviderEvent) -> Iterator[_Pair]:
    """Two addresses each of which the event says that they are one person."""
    match event:
        case InboundMessage():
            yield from ((ProofKind.WEBHOOK, event.chat[0], other) for other in event.chat[1:])
            yield from ((ProofKind.CARD, event.chat[0], number) for number in event.own)
        case MarketingChoice():
            yield from ((ProofKind.WEBHOOK, event.addresses[0], other) for other in event.addresses[1:])
        case ContactChange():
            yield from ((ProofKind.CHANGE, event.known[0], new) for new in event.learned)
        case MessageStatus():
            yield from _told_by_status(tenant_id, event)


def _told_by_status(tenant_id: int, event: MessageStatus) -> Iterator[_Pair]:
    if event.recipient is None:
        return
    yield from ((ProofKind.STATUS, event.recipient, other) for other in event.also)
    named = Q(provider_id=event.message_id)
    if event.message_token:
        named |= Q(message_token=event.message_token)
    rows = Message.objects.filter(named, tenant_id=tenant_id)
    if to := rows.values_list("address_kind", "address").first():
        yield ProofKind.STATUS, Address(AddressKind(to[0]), sealer().unseal(to[1])), event.recipient


def _holds(cursor: Cursor, proof: PersonProof) -> bool:
    """Not for a number that changed hands."""
    number, scoped = sorted((proof.left, proof.right), key=is_scoped)
    if number.kind is not AddressKind.PHONE or not is_scoped(scoped) or proof.kind is ProofKind.CHANGE:
        return True
    keys = [key_of(proof.tenant_id, side) for side in (number, scoped)]
    known = find_known(cursor, keys)
    party = Party(proof.tenant_id, 0, (number, scoped), "")
    return len(known) == 2 and not is_anothers(cursor, party, keys[0], known[keys[0]], known[keys[1]])


def _batches(proofs: Iterator[PersonProof]) -> Iterator[list[PersonProof]]:
    some: dict[tuple[ProofKind, Address, Address], PersonProof] = {}
    for proof in proofs:
        some[proof.kind, proof.left, proof.right] = proof
        if len(some) == AT_ONCE:
            yield list(some.values())
            some = {}
    if some:
        yield list(some.values())
