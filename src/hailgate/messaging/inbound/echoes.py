"""Echoes: providers that tell us of what we sent ourselves, as if somebody had typed it on the phone.

An echo whose id is a message's of ours says that it was sent. While an attempt in its conversation is open or its
outcome unknown, an echo may be that message: it settles it where the words are the same, and waits otherwise, as early
statuses do. Only what is surely not ours was typed on the phone, and takes the conversation from the assistant.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from hailgate.accounts.seal import sealer
from hailgate.core.address import AddressKind
from hailgate.core.content import Outbound, content_as_json, decode_outbound, encode_content, words_of
from hailgate.core.content.inbound import InboundContacts, InboundLocation, InboundText
from hailgate.core.content.likeness import same_cards, same_place
from hailgate.core.content.menus import render_menu
from hailgate.core.content.outbound import Contacts, Interactive, Location
from hailgate.core.errors import InputError
from hailgate.core.events import EchoedMessage, MessageStatus
from hailgate.core.status import Status
from hailgate.messaging.models import Direction, EventState, WorkKind, WorkState
from hailgate.messaging.people.addresses import find_known, key_of
from hailgate.messaging.people.conversations import address_digest
from hailgate.messaging.store.notify import Wake, wake_after_commit
from hailgate.messaging.store.sql import Cursor, among, array, as_uuid, atomic_cursor, every_tenant, fetch
from hailgate.messaging.store.tables import MESSAGE

# As long as statuses of messages that are not known yet: no answer of a provider comes later.
HELD_S: Final = 600.0


class Echo(NamedTuple):
    """``arrival`` is the webhook that told it, ``received_at`` when that came."""

    arrival: int
    received_at: float
    tenant_id: int
    channel_id: int
    event: EchoedMessage


class Judged(NamedTuple):
    """``ours`` are echoes of what we sent, by their place, as the status that they are; ``held`` are webhooks that
    wait for the outcome of an attempt.
    """

    ours: Mapping[int, MessageStatus]
    held: frozenset[int]


NOTHING: Final = Judged({}, frozenset())


def judge_echoes(cursor: Cursor, echoes: Sequence[Echo], moment: float) -> Judged:
    """Part of the transaction that applies them."""
    if not echoes:
        return NOTHING
    # In this order: an attempt that ends between the two is known by its id.
    open_attempts = _open_attempts(cursor, echoes)
    nameless = _nameless(cursor, echoes)
    known = _known(cursor, echoes)
    ours: dict[int, MessageStatus] = {}
    held, settled = set(), set[UUID]()
    for place, echo in enumerate(echoes):
        if known & {(echo.channel_id, echo.event.message_id), (echo.channel_id, echo.event.message_token)}:
            ours[place] = _sent(echo)
            continue
        waiting = [one for one in _attempts_to(open_attempts, echo) if one.uid not in settled]
        same = next((one for one in waiting if one.parked and one.says(echo.event)), None)
        if same is not None:
            settled.add(same.uid)
            ours[place] = _sent(echo, same.uid)
        elif (waiting or place in nameless) and moment - echo.received_at < HELD_S:
            held.add(echo.arrival)
    return Judged(ours, frozenset(held))


def release_held() -> int:
    """Held webhooks are looked at again, with each look round."""
    statement = f"FROM messaging_webhookevent WHERE state = {EventState.HELD.value} {every_tenant('sweep')}"
    with atomic_cursor(read_only=True) as cursor:
        if not fetch(cursor, f"SELECT id {statement} LIMIT 1"):
            return 0
    with atomic_cursor() as cursor:
        cursor.execute(
            f"UPDATE messaging_webhookevent SET state = {EventState.PENDING.value} "
            f"WHERE state = {EventState.HELD.value} {every_tenant('sweep')}"
        )
        released = int(cursor.rowcount)
        wake_after_commit(cursor, Wake.INGEST)
        return released


class _OpenAttempt(NamedTuple):
    uid: UUID
    parked: bool
    content: str

    def says(self, event: EchoedMessage) -> bool:
        ours, theirs = _decoded(self.content), event.content
        if isinstance(ours, Location) and isinstance(theirs, InboundLocation):
            return same_place(ours.location, theirs.location)
        if isinstance(ours, Contacts) and isinstance(theirs, InboundContacts):
            return same_cards(ours.contacts, theirs.contacts)
        if isinstance(ours, Interactive) and isinstance(theirs, InboundText):
            return render_menu(ours.interactive) == theirs.body
        said, told = content_as_json(self.content), content_as_json(encode_content(theirs))
        return said.get("type") == told.get("type") and (words_of(said) or "") == (words_of(told) or "")


def _decoded(stored: str) -> Outbound | None:
    """None for content that a newer version stored."""
    try:
        return decode_outbound(stored)
    except InputError:
        return None


def _nameless(cursor: Cursor, echoes: Sequence[Echo]) -> set[int]:
    """Places of those that name their chat by a hidden id alone which nobody here is known by, while any attempt on
    their channel is open: it may be to that person, whose number is all that we have.
    """
    hidden = {
        place: echo
        for place, echo in enumerate(echoes)
        if all(address.kind is AddressKind.LID for address in echo.event.chat)
    }
    if not hidden:
        return set()
    busy = fetch(
        cursor,
        f"SELECT DISTINCT channel_id FROM messaging_work WHERE {among('channel_id')} "
        f"AND kind = {WorkKind.DELIVERY.value} AND state IN ({WorkState.LEASED.value}, {WorkState.PARKED.value}) "
        f"{every_tenant('by key')}",
        [array({echo.channel_id for echo in hidden.values()})],
    )
    keys = {key_of(echo.tenant_id, address) for echo in hidden.values() for address in echo.event.chat}
    known = find_known(cursor, keys)
    return {
        place
        for place, echo in hidden.items()
        if (echo.channel_id,) in busy and not known.keys() & {key_of(echo.tenant_id, one) for one in echo.event.chat}
    }


def _attempts_to(attempts: Mapping[tuple[int, str], Sequence[_OpenAttempt]], echo: Echo) -> Iterator[_OpenAttempt]:
    """By any of the addresses that the echo gives of its chat: ours may be another than the first."""
    for address in echo.event.chat:
        yield from attempts.get((echo.channel_id, address_digest(address)), ())


def _sent(echo: Echo, uid: UUID | None = None) -> MessageStatus:
    event = echo.event
    tracker = f"{uid}.0" if uid else None
    return MessageStatus(
        event.account, event.message_id, Status.SENT, event.at, event.chat[0], tracker, None, None,
        message_token=event.message_token,
    )  # fmt: skip


def _known(cursor: Cursor, echoes: Sequence[Echo]) -> set[tuple[int, str]]:
    """By their ids, and by what all ids of a message have in common."""
    ids = {(echo.channel_id, echo.event.message_id) for echo in echoes}
    tokens = {(echo.channel_id, token) for echo in echoes if (token := echo.event.message_token)}
    found = [
        row
        for name, keys in (("provider_id", ids), ("message_token", tokens))
        for row in MESSAGE.find(cursor, ("channel_id", name, "direction"), keys, by=("channel_id", name))
    ]
    return {(channel_id, own) for channel_id, own, direction in found if direction == Direction.OUTBOUND.value}


def _open_attempts(cursor: Cursor, echoes: Sequence[Echo]) -> dict[tuple[int, str], list[_OpenAttempt]]:
    """By channel and address: deliveries to the people of these chats that are on their way or unknown."""
    digests = {address_digest(address) for echo in echoes for address in echo.event.chat}
    found = fetch(
        cursor,
        f"SELECT conversation.channel_id, address.digest, message.uid, work.state, message.content "
        f"FROM messaging_contactaddress address "
        f"JOIN messaging_contact contact ON contact.id = address.contact_id "
        f"JOIN messaging_conversation conversation "
        f"ON conversation.contact_id = coalesce(contact.merged_into_id, contact.id) "
        f"JOIN messaging_work work ON work.key = conversation.id AND work.kind = {WorkKind.DELIVERY.value} "
        f"AND work.state IN ({WorkState.LEASED.value}, {WorkState.PARKED.value}) "
        f"JOIN messaging_message message ON message.id = work.message_id "
        f"WHERE {among('address.digest')} AND {among('conversation.channel_id')} {every_tenant('by key')} "
        f"ORDER BY work.id",
        [array(digests), array({echo.channel_id for echo in echoes})],
    )
    unseal = sealer().unseal
    attempts: dict[tuple[int, str], list[_OpenAttempt]] = {}
    for channel_id, digest, uid, state, content in found:
        one = _OpenAttempt(as_uuid(uid), state == WorkState.PARKED.value, unseal(content))
        attempts.setdefault((channel_id, digest), []).append(one)
    return attempts
