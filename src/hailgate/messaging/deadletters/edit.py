"""Changing what a dead letter says, and sending it: its kind, its recipient and its files stay what they are."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from hailgate.accounts.seal import sealer
from hailgate.core.content import check_content, decode_outbound, encode_content, kind_of, named_files, parse_outbound
from hailgate.core.errors import Conflict, InputError, NotFound
from hailgate.messaging.models import Message, Work, WorkKind, WorkState
from hailgate.messaging.outbound.revive import send_again
from hailgate.messaging.people.roots import lock_key
from hailgate.messaging.store.sql import atomic_cursor, keyed, now
from hailgate.messaging.store.tables import MESSAGE, RECEIPT
from hailgate.providers import get_provider

NOTE = "Its content was changed by hand before it was sent again."


def edit_and_send_again(tenant_id: int, uid: UUID, given: Mapping[str, Any]) -> None:
    """Raises NotFound, InputError, or Conflict where it is no dead letter (any more)."""
    message = _get_message(tenant_id, uid)
    content = _check(message, given)
    with atomic_cursor() as cursor:
        lock_key(cursor, tenant_id, uid)
        work = keyed(Work.objects.filter(message_id=message.pk, kind=WorkKind.DELIVERY), tenant_id).first()
        if work is None or work.state != WorkState.DEAD or not send_again(tenant_id, [work.pk]):
            raise Conflict(
                "Only a message that has failed and is not on its way again can be changed.", code="not_editable"
            )
        MESSAGE.update(cursor, ("content",), [(message.pk, sealer().seal_content(content))])
        columns = ("tenant_id", "message_id", "event", "at", "code", "detail")
        RECEIPT.insert(cursor, columns, [(tenant_id, message.pk, "edited", now(cursor), "", NOTE)])


def _get_message(tenant_id: int, uid: UUID) -> Message:
    found = keyed(Message.objects.filter(uid=uid), tenant_id).select_related("channel").first()
    if found is None:
        raise NotFound
    return found


def _check(message: Message, given: Mapping[str, Any]) -> str:
    """The content as it will be stored, by the rules under which the message was accepted."""
    content = parse_outbound(given)
    if kind_of(content) != message.kind:
        raise InputError(f"type: this message is of type {message.kind}, and stays so.", field="type")
    check_content(content, get_provider(message.channel.provider).capabilities)
    before = decode_outbound(sealer().unseal(message.content))
    if named_files(before) != named_files(content):
        raise InputError(f"{message.kind}: the file of a message stays the same; send another message.", field="type")
    return encode_content(content)
