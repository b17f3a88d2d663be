"""Conversations that were written in: their last message, and who has them from now on."""

from collections.abc import Collection, Sequence

from hailgate.core.events import EchoedMessage, InboundMessage
from hailgate.core.thread_owner import ThreadOwner
from hailgate.messaging.inbound.incoming import StoredInbound
from hailgate.messaging.inbound.thread_owners import doubt_owners
from hailgate.messaging.models import PERSON
from hailgate.messaging.outbound.cancel import cancel_answers
from hailgate.messaging.store.sql import Cursor, among, array, every_tenant
from hailgate.messaging.store.tables import CONVERSATION


def touch_conversations(cursor: Cursor, stored: Sequence[StoredInbound], moment: float) -> None:
    """What their last messages are, who has them, and whether that may be doubted."""
    received = [each for each in stored if not each.is_echo]
    _touch_received(cursor, received, moment)
    if len(received) < len(stored):
        _touch_echoed(cursor, stored, moment)
    doubt_owners(cursor, {each.conversation.id for each in received if _is_told_to_us(each, moment)})


def _touch_received(cursor: Cursor, received: Sequence[StoredInbound], moment: float) -> None:
    latest: dict[int, tuple[int, float]] = {}
    for incoming, conversation, id_ in received:
        before = latest.get(conversation.id, (0, conversation.last_inbound_at or 0.0))[1]
        latest[conversation.id] = (id_, float(max(incoming.written_at(moment), before)))
    columns = ("last_message_id", "last_message_at", "last_inbound_id", "last_inbound_at")
    changed = [(key, id_, moment, id_, written_at) for key, (id_, written_at) in sorted(latest.items())]
    CONVERSATION.update(cursor, columns, changed)


def _touch_echoed(cursor: Cursor, stored: Sequence[StoredInbound], moment: float) -> None:
    """Where another responder wrote, what the person wrote before is not answered once more when the thread is ours."""
    last = {each.conversation.id: each.id for each in stored}
    echoed = {each.conversation.id: each.id for each in stored if each.is_echo}
    typed = {each.conversation.id for each in stored if _was_typed(each.event)}
    latest = [(key, last[key], moment) for key in sorted(echoed)]
    CONVERSATION.update(cursor, ("last_message_id", "last_message_at"), latest)
    answered = sorted((key, id_) for key, id_ in echoed.items() if key not in typed)
    if answered:
        CONVERSATION.update(cursor, ("answered_id",), answered)
    _take_over(cursor, typed, moment)


def _was_typed(event: InboundMessage) -> bool:
    """By a person of the business, on its own telephone."""
    return isinstance(event, EchoedMessage) and not event.responder


def _take_over(cursor: Cursor, typed: Collection[int], moment: float) -> None:
    """Whoever writes on the business's own telephone has the conversation: no assistant answers beside a person."""
    if not typed:
        return
    cursor.execute(
        f"UPDATE messaging_conversation SET answered_by = '{PERSON}', version = version + 1, "
        f"answered_id = last_inbound_id, seen_id = last_inbound_id "
        f"WHERE {among('id')} AND answered_by <> '{PERSON}' {every_tenant('by key')}",
        [array(typed)],
    )
    cancel_answers(cursor, typed, moment)


def _is_told_to_us(stored: StoredInbound, moment: float) -> bool:
    """As if we owned the thread, although another does: what was told to those who only listen, too, is not newer."""
    thread = stored.conversation
    return thread.owner(moment) is ThreadOwner.OTHER and stored.incoming.written_at(moment) > thread.thread_owner_at
