"""Outside the window: what becomes of what an assistant would say when free text may not be sent any more.

The question counts as unanswered again, so that the assistant answers it when the person writes next. Where the
channel has a fallback template, that goes in the answer's place and asks them to: once for each answer.
"""

from typing import Final, NamedTuple

from hailgate.core.address import Address
from hailgate.core.window import Outside, OutsideWindow
from hailgate.messaging.assistants.superseding import find_asked_after
from hailgate.messaging.models import PERSON
from hailgate.messaging.outbound.accept import accept_new
from hailgate.messaging.outbound.new_message import NewMessage
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.sql import Cursor, atomic_cursor, fetch_one, fetch_value, locked, now

# The place of the template among the messages of a turn: behind all that an assistant may say.
ORDINAL: Final = 1000
TEMPLATE_LIFE_S: Final = 86_400.0


class LateAnswer(NamedTuple):
    """An answer of the turn ``cause`` that the window closed on."""

    tenant_id: int
    conversation_id: int
    channel_id: int
    cause: int
    to: Address


def leave_for_later(late: LateAnswer, outside: OutsideWindow) -> bool:
    """Whether the person will be answered later; False where a person answers by now."""
    with atomic_cursor() as cursor:
        found = fetch_one(
            cursor,
            f"SELECT answered_by, answered_id FROM messaging_conversation WHERE tenant_id = %s AND id = %s{locked()}",
            [late.tenant_id, late.conversation_id],
        )
        if found is None or found[0] == PERSON:
            return False
        answered_by, answered_id = found
        if outside.choice is Outside.TEMPLATE and not _is_sent(cursor, late):
            accept_new(cursor, [_fallback(late, answered_by, outside.template)], now(cursor))
        _reopen(cursor, late, answered_id)
        return True


def _is_sent(cursor: Cursor, late: LateAnswer) -> bool:
    return bool(
        fetch_value(
            cursor,
            "SELECT 1 FROM messaging_message WHERE tenant_id = %s AND cause = %s AND ordinal = %s",
            [late.tenant_id, late.cause, ORDINAL],
        )
    )


def _fallback(late: LateAnswer, sender: str, template: str) -> NewMessage:
    return NewMessage(
        uid=uuid7(),
        tenant_id=late.tenant_id,
        channel_id=late.channel_id,
        to=late.to,
        kind="template",
        content=f'{{"type":"template","template":{template}}}',
        sender=sender,
        answered_by=sender,
        life_s=TEMPLATE_LIFE_S,
        cause=late.cause,
        ordinal=ORDINAL,
        conversation_id=late.conversation_id,
    )


def _reopen(cursor: Cursor, late: LateAnswer, answered_id: int) -> None:
    asked_after = find_asked_after(cursor, late.conversation_id, [late.cause])
    if asked_after is not None and asked_after < answered_id:
        cursor.execute(
            "UPDATE messaging_conversation SET answered_id = %s WHERE tenant_id = %s AND id = %s",
            [asked_after, late.tenant_id, late.conversation_id],
        )
