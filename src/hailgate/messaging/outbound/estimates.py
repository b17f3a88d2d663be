"""Estimates: what one message or answer may have cost, by the owner's prices as they are now."""

from collections.abc import Iterable, Sequence
from typing import Final

from hailgate.accounts.seal import sealer
from hailgate.core.address import Address, AddressKind
from hailgate.core.markets import UNKNOWN, market_of
from hailgate.core.prices import Cost
from hailgate.messaging.assistants.prices import load_prices
from hailgate.messaging.models import Message, TurnAnswer
from hailgate.messaging.store.sql import Cursor, among, array, atomic_cursor, fetch

# By number first, then by the user id's country.
_TELLING: Final = (AddressKind.PHONE, AddressKind.BSUID, AddressKind.JID)


def estimate_messages(tenant_id: int, messages: Sequence[Message]) -> dict[int, Cost]:
    """Of those whose provider said that they are charged, or free; not of those whose price nobody knows."""
    told = [each for each in messages if each.billed is not None]
    if not told:
        return {}
    costs = {each.pk: Cost("", 0) for each in told if not each.billed}
    charged = [each for each in told if each.billed]
    if charged:
        prices = load_prices(tenant_id)
        with atomic_cursor(read_only=True) as cursor:
            markets = find_markets(cursor, tenant_id, {each.conversation_id for each in charged})
            times = _delivered(cursor, tenant_id, [each.pk for each in charged])
        for each in charged:
            at = times.get(each.pk, each.accepted_at.timestamp())
            market = markets.get(each.conversation_id, UNKNOWN)
            if cost := prices.price_message(market, each.price_category, at):
                costs[each.pk] = cost
    return costs


def estimate_answer(answer: TurnAnswer) -> Cost | None:
    """What its models took; None where a price is missing."""
    prices = load_prices(answer.tenant_id)
    price = prices.price_model(answer.vendor, answer.model, answer.created_at.timestamp())
    return Cost(price.currency, price.cost(answer.input_tokens, answer.output_tokens)) if price else None


def find_markets(cursor: Cursor, tenant_id: int, conversation_ids: Iterable[int]) -> dict[int, str]:
    """By the number of whom each conversation is with, else by their user id."""
    found = fetch(
        cursor,
        "SELECT conversation.id, address.kind, address.value FROM messaging_conversation conversation "
        "JOIN messaging_contact contact ON contact.id = conversation.contact_id "
        "JOIN messaging_contactaddress address ON address.contact_id = COALESCE(contact.merged_into_id, contact.id) "
        f"WHERE conversation.tenant_id = %s AND {among('conversation.id')} ORDER BY address.id",
        [tenant_id, array(set(conversation_ids))],
    )
    unseal = sealer().unseal
    markets: dict[int, str] = {}
    for telling in _TELLING:
        for id_, kind, value in found:
            if kind == telling and not markets.get(id_):
                markets[id_] = market_of(Address(telling, unseal(value)))
    return markets


def _delivered(cursor: Cursor, tenant_id: int, message_ids: Sequence[int]) -> dict[int, float]:
    return dict(
        fetch(
            cursor,
            f"SELECT message_id, min(at) FROM messaging_receipt WHERE {among('message_id')} AND tenant_id = %s "
            "AND event IN ('delivered', 'read', 'played') GROUP BY message_id",
            [array(message_ids), tenant_id],
        )
    )
