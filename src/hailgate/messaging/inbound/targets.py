"""Targets: the message that another one answers, changes or takes back, by its id or what its ids share."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from hailgate.core.address import Address
from hailgate.messaging.channels.message_tokens import find_token_reader
from hailgate.messaging.people.addresses import find_known, key_of
from hailgate.messaging.people.roots import joined_ids
from hailgate.messaging.store.sql import Cursor, among, array, every_tenant, fetch
from hailgate.messaging.store.tables import CONVERSATION, MESSAGE

# So far back in a conversation a message is looked for by its token.
FARTHEST: Final = 2_000


class Target(NamedTuple):
    """``named`` is the provider's id of it, ``chat`` whom it was said to or by."""

    tenant_id: int
    channel_id: int
    named: str
    chat: tuple[Address, ...]


class FoundTarget(NamedTuple):
    id: int
    provider_id: str


def find_targets(cursor: Cursor, targets: Sequence[Target]) -> list[FoundTarget | None]:
    """None where no message has this id, and none of its conversation, or more than one, has its token."""
    places = {(target.channel_id, target.named[:255]) for target in targets}
    found = MESSAGE.find(cursor, ("channel_id", "provider_id", "id"), places, by=("channel_id", "provider_id"))
    exact = {(channel_id, provider_id): FoundTarget(id_, provider_id) for channel_id, provider_id, id_ in found}
    return [exact.get((one.channel_id, one.named[:255])) or _by_token(cursor, one) for one in targets]


def _by_token(cursor: Cursor, target: Target) -> FoundTarget | None:
    token_of = find_token_reader(cursor, target.tenant_id, target.channel_id)
    if token_of is None or (token := token_of(target.named)) is None:
        return None
    said = fetch(
        cursor,
        f"SELECT id, provider_id FROM messaging_message WHERE {among('conversation_id')} "
        f"AND provider_id IS NOT NULL {every_tenant('by key')} ORDER BY id DESC LIMIT {FARTHEST}",
        [array(_conversations(cursor, target))],
    )
    same = [FoundTarget(id_, provider_id) for id_, provider_id in said if token_of(provider_id) == token]
    return same[0] if len(same) == 1 else None


def _conversations(cursor: Cursor, target: Target) -> list[int]:
    known = find_known(cursor, [key_of(target.tenant_id, address) for address in target.chat])
    places = [(target.channel_id, one.contact_id) for one in known.values()]
    roots = CONVERSATION.find(cursor, ("id",), places, by=("channel_id", "contact_id"))
    return [id_ for (root,) in roots for id_ in joined_ids(cursor, root)]
