"""Consent words in what people write: their wish is kept with its proof and told once; no assistant answers it."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from hailgate.core.address import Address, AddressKind
from hailgate.core.consent_scopes import ASSISTANT, MARKETING, UNASKED, ConsentScope
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
    """Of a person, not of a group or of us; in words, on a button, or as the provider's own list has it."""
    if isinstance(event, EchoedMessage) or event.chat[0].kind is AddressKind.GROUP:
        return None
    if event.wants is not None:
        return Wish(event.wants, told="")
    if isinstance(event.content, InboundText):
        return find_wish(event.content.body, languages)
    if kind_of(event.content) not in CHOSEN:
        return None
    return find_wish(words_of(content_as_json(encode_content(event.content))) or "", languages)


def record_wishes(cursor: Cursor, wished: Sequence[Wished], moment: float) -> None:
    """The caller holds the locks of the conversations. Who knows already, or chose otherwise since, is not told."""
    if not wished:
        return
    last = {(each.conversation_id, each.wish.assistant): each for each in sorted(wished, key=_when)}.values()
    before = [_is_stopped(cursor, each) for each in last]
    record_choices(cursor, [choice for each in wished for choice in _choices(each)])
    after = [_is_stopped(cursor, each) for each in last]
    refusing = [each for each, stopped in zip(last, after, strict=True) if stopped and each.wish.assistant]
    _leave_to_people(cursor, [each.conversation_id for each in refusing], moment)
    changed = [each for each, was, stopped in zip(last, before, after, strict=True) if was is not stopped]
    accept_new(cursor, [_confirmation(each) for each in changed if _is_to_be_told(each)], moment)


def _when(each: Wished) -> tuple[float, bool]:
    """Of the same moment a stop counts, as in what is recorded."""
    return each.at, not each.wish.wanted


def _choices(each: Wished) -> list[ConsentChoice]:
    return [
        ConsentChoice(each.tenant_id, address_digest(address), each.wish.wanted, each.at, REASON, scope, str(each.uid))
        for address in each.chat
        for scope in _scopes(each.wish)
    ]


def _scopes(wish: Wish) -> tuple[ConsentScope, ...]:
    """Who wants messages again wants what the provider said that they had stopped, too."""
    if wish.assistant:
        return (ASSISTANT,)
    return (UNASKED, MARKETING) if wish.wanted else (UNASKED,)


def _is_to_be_told(each: Wished) -> bool:
    """Not that a person answers to whom one answers already."""
    return bool(each.wish.told) and (not each.wish.assistant or each.answered_by != PERSON)


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
            f"SELECT 1 FROM messaging_suppression WHERE tenant_id = %s AND {among('digest')} AND {among('scope')}",
            [each.tenant_id, array(digests), array(_scopes(each.wish))],
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
