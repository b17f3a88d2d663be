"""Answers to menus: what a person writes under a question that was sent as numbered words may be its answer.

It is one while that question is the newest thing that the business said in the conversation, for a day, and where the
words are exactly a number or a title that was offered. It then comes in as the same reply as from a list that was
tapped, with the person's words beside it. In a group it stays text: nobody knows whom the number answers.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec

from hailgate.accounts.seal import sealer
from hailgate.core.address import AddressKind
from hailgate.core.content import InboundText, decode_outbound, find_limits
from hailgate.core.content.inbound import InboundReply, Typed
from hailgate.core.content.menus import LONGEST_CHOICE, find_choice
from hailgate.core.content.outbound import Interactive
from hailgate.core.errors import InputError
from hailgate.core.events import EchoedMessage, InboundMessage
from hailgate.core.status import Status
from hailgate.messaging.channels.credentials import find_kinds
from hailgate.messaging.channels.message_tokens import find_token_reader
from hailgate.messaging.models import Direction
from hailgate.messaging.store.sql import Cursor, Row, among, array, every_tenant, fetch
from hailgate.providers import get_provider

ANSWERED_WITHIN_S: Final = 86_400.0
_MENUS: Final = ("interactive.list", "interactive.button", "interactive.poll")


class Utterance(NamedTuple):
    """What came in, with the root of its conversation; ``at`` is when it was written."""

    conversation_id: int
    tenant_id: int
    channel_id: int
    event: InboundMessage
    at: float


class _Question(NamedTuple):
    """The newest message of the business; ``at`` is when it was sent, as far as that is known."""

    content: str
    provider_id: str
    at: float


def read_menu_answers(cursor: Cursor, said: Sequence[Utterance]) -> list[InboundMessage]:
    """The events in their order, with answers in place of the words that give them."""
    events, open_here = [each.event for each in said], _may_answer(said)
    if not open_here:
        return events
    questions = _newest(cursor, {said[place].conversation_id for place in open_here})
    for place in open_here:
        question = questions.get(said[place].conversation_id)
        if question is not None:
            events[place] = _as_answer(cursor, said[place], question)
    return events


def _may_answer(said: Sequence[Utterance]) -> list[int]:
    """Those worth a look at the store. What was typed on the business's telephone before one is newer than a menu."""
    spoken: set[int] = set()
    places = []
    for place, each in enumerate(said):
        if isinstance(each.event, EchoedMessage):
            spoken.add(each.conversation_id)
        elif each.conversation_id not in spoken and _is_short(each.event):
            places.append(place)
    return places


def numbers_menus(provider: str) -> bool:
    """Whether any of its channels sends questions as numbered words."""
    kinds = get_provider(provider).capabilities.kinds
    return any(kinds[kind].degrades_to for kind in _MENUS if kind in kinds)


def _is_short(event: InboundMessage) -> bool:
    content = event.content
    if not isinstance(content, InboundText) or event.chat[0].kind is AddressKind.GROUP:
        return False
    return 0 < len(content.body.strip()) <= LONGEST_CHOICE


def _newest(cursor: Cursor, roots: Iterable[int]) -> dict[int, _Question]:
    """By conversation. One that failed, or was not attempted yet, was seen by nobody; a later one that waits counts."""
    keys = array(roots)
    newest = (
        f"SELECT id FROM messaging_message WHERE conversation_id = conversation.id "
        f"AND direction = {Direction.OUTBOUND.value} AND status <> {Status.FAILED.value} ORDER BY id DESC LIMIT 1"
    )
    found = fetch(
        cursor,
        f"SELECT coalesce(conversation.merged_into_id, conversation.id), message.id, message.kind, message.content, "
        f"message.provider_id, coalesce(message.provider_at, message.accepted_at), "
        f"EXISTS (SELECT 1 FROM messaging_attempt attempt WHERE attempt.message_id = message.id) "
        f"FROM messaging_conversation conversation JOIN messaging_message message ON message.id = ({newest}) "
        f"WHERE ({among('conversation.id')} OR {among('conversation.merged_into_id')}) {every_tenant('by key')} "
        f"ORDER BY message.id",
        [keys, keys],
    )
    last: dict[int, Row] = {key: tuple(row) for key, *row in found}
    return {
        key: _Question(sealer().unseal(content), provider_id or "", float(at))
        for key, (_, kind, content, provider_id, at, attempted) in last.items()
        if kind == "interactive" and attempted
    }


def _as_answer(cursor: Cursor, said: Utterance, question: _Question) -> InboundMessage:
    event = said.event
    assert isinstance(event.content, InboundText)  # noqa: S101 -- only such are looked at
    if _quotes_another(cursor, said, question) or said.at - question.at > ANSWERED_WITHIN_S:
        return event
    asked = _find_menu(cursor, said.channel_id, question.content)
    chosen = find_choice(asked.interactive, event.content.body) if asked else None
    if chosen is None:
        return event
    return msgspec.structs.replace(
        event,
        content=InboundReply(chosen, Typed(event.content.body)),
        context_id=question.provider_id or None,
    )


def _quotes_another(cursor: Cursor, said: Utterance, question: _Question) -> bool:
    quoted = said.event.context_id
    if not quoted or quoted == question.provider_id:
        return False
    token_of = find_token_reader(cursor, said.tenant_id, said.channel_id)
    token = token_of(quoted) if token_of else None
    return token_of is None or token is None or token != token_of(question.provider_id)


def _find_menu(cursor: Cursor, channel_id: int, content: str) -> Interactive | None:
    """The question, where this channel sends such a one as numbered words."""
    with suppress(InputError):  # stored by a version that knew more than this one
        asked = decode_outbound(content)
        limits = find_limits(asked, find_kinds(cursor, channel_id))
        if isinstance(asked, Interactive) and limits is not None and limits.degrades_to:
            return asked
    return None
