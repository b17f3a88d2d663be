"""Take-over: who answers a conversation from now on. What an assistant has not sent by then is never sent."""

from hailgate.core.uids import find_uid
from hailgate.messaging.models import PERSON
from hailgate.messaging.outbound.cancel import cancel_answers
from hailgate.messaging.people.consents import lift_refusal
from hailgate.messaging.store.sql import atomic_cursor, fetch_one, locked, now


def hand_over(tenant_id: int, conversation_uid: str, to: str) -> bool:
    """Let ``to`` (``person`` or an assistant's name) answer from now on. False where there is no such conversation.

    The version rises, so that an answer being composed at this moment is dropped at its review.
    """
    uid = find_uid(conversation_uid)
    if uid is None:
        return False
    with atomic_cursor() as cursor:
        found = fetch_one(
            cursor,
            f"SELECT id, contact_id FROM messaging_conversation WHERE tenant_id = %s AND uid = %s{locked()}",
            [tenant_id, uid.hex],
        )
        if found is None:
            return False
        key, contact_id = found
        cursor.execute(
            "UPDATE messaging_conversation SET answered_by = %s, version = version + 1, answered_id = last_inbound_id "
            "WHERE tenant_id = %s AND id = %s",
            [to, tenant_id, key],
        )
        if to == PERSON:
            cancel_answers(cursor, [key], now(cursor))
        else:
            lift_refusal(cursor, tenant_id, contact_id, now(cursor))
        return True
