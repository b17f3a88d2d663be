"""Consent words in what people write: their wish is kept with its proof and told once; no assistant answers it."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from hailgate.core.address import Address, AddressKind
from hailgate.core.consent_scopes import ASSISTANT, UNASKED
from hailgate.core.consent_words import Wish, find_wish
from hailgate.core.content import InboundText, Text, TextBody, content_as_json, encode_content, kind_of, words_of
from hailgate.core.events import EchoedMessage, InboundMessage
from hailgate.messaging.models import CONSENT, PERSON
from hailgate.messaging.outbound.accept import accept_new
from hailgate.messaging.outbound.cancel import cancel_answers
from hailgate.messaging.outbound.new_message import NewMessage
from hailgate.messaging.people.consents import ConsentChoice, record_choices
from hailgate.messaging.people.conversations import address_digest
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.sql import Cursor, among, array, every_tenant, fetch

REASON = "wrote_it"
TOLD_LIFE_S = 86_400.0
# Kinds that carry the title of a choice.
CHOSEN = frozenset({"button", "interactive"})


class Wished(NamedTuple):
    """Who wrote it, where: ``uid`` is the message, ``at`` its time."""

    tenant_id: int
    channel_id: int
    conversation_id: int
    chat: tuple[Address, ...]
    uid: UUID
    at: float
    answered_by: str
    wish: Wish


def read_wish(event: InboundMessage, languages: Sequence[str]) -> Wish | None:
    """Of a person, not of a group or of us; in words, or on a button."""
    if not languages or isinstance(event, EchoedMessage) or event.chat[0].kind is AddressKind.GROUP:
        return None
    if isinstance(event.content, InboundText):
        return find_wish(event.content.body, languages)
    if kind_of(event.content) not in CHOSEN:
        return None
    return find_wish(words_of(content_as_json(encode_content(event.content))) or "", languages)


def record_wishes(cursor: Cursor, wished: Sequence[Wished], moment: float) -> None:
    """The caller holds the locks of the conversations. What a person knows already is not told once more."""
    if not wished:
        return
    news = [each for each in wished if _is_news(cursor, each)]
    record_choices(
        cursor,
        [
            ConsentChoice(
                each.tenant_id, address_digest(address), each.wish.wanted, each.at, REASON, _scope(each), str(each.uid)
            )
            for each in wished
            for address in each.chat
        ],
    )  # fmt: skip
    _leave_to_people(cursor, [each.conversation_id for each in wished if each.wish.assistant], moment)
    accept_new(cursor, [_confirmation(each) for each in news], moment)


def _scope(each: Wished) -> str:
    return ASSISTANT if each.wish.assistant else UNASKED


def _is_news(cursor: Cursor, each: Wished) -> bool:
    """Not to who has said it before; nor that a person answers to whom one answers already."""
    told_anew = not each.wish.assistant or each.answered_by != PERSON
    return told_anew and _is_stopped(cursor, each) is each.wish.wanted


def _leave_to_people(cursor: Cursor, refusing: Sequence[int], moment: float) -> None:
    if not refusing:
        return
    cursor.execute(
        f"UPDATE messaging_conversation SET answered_by = '{PERSON}', version = version + 1, "
        f"answered_id = last_inbound_id WHERE {among('id')} AND answered_by <> '{PERSON}' {every_tenant('by key')}",
        [array(refusing)],
    )
    cancel_answers(cursor, refusing, moment)


def _is_stopped(cursor: Cursor, each: Wished) -> bool:
    digests = [address_digest(address) for address in each.chat]
    return bool(
        fetch(
            cursor,
            f"SELECT 1 FROM messaging_suppression WHERE tenant_id = %s AND {among('digest')} AND scope = %s",
            [each.tenant_id, array(digests), _scope(each)],
        )
    )


def _confirmation(each: Wished) -> NewMessage:
    content = Text(TextBody(each.wish.told))
    return NewMessage(
        uid=uuid7(),
        tenant_id=each.tenant_id,
        channel_id=each.channel_id,
        to=each.chat[0],
        kind="text",
        content=encode_content(content),
        sender=CONSENT,
        answered_by=each.answered_by,
        life_s=TOLD_LIFE_S,
        conversation_id=each.conversation_id,
    )
