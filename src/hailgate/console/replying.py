"""An operator's answer: checked against its channel, and accepted through the one way out."""

from hashlib import blake2b
from typing import Final

import msgspec

from hailgate.accounts.operators import Viewer
from hailgate.accounts.seal import sealer
from hailgate.core import window
from hailgate.core.address import Address, AddressKind
from hailgate.core.content import Text, TextBody, check_content, encode_content
from hailgate.core.errors import Conflict, InputError
from hailgate.messaging.conversations import hand_over
from hailgate.messaging.ids import uuid7
from hailgate.messaging.models import PERSON, ContactAddress, Conversation, Direction, Message
from hailgate.messaging.sending import Accepted, Idempotency, NewMessage, accept_messages
from hailgate.messaging.sql import atomic_cursor, now
from hailgate.providers import get_provider

LONGEST_DRAFT: Final = 64
DIGEST_BYTES: Final = 20


def reply(viewer: Viewer, conversation: Conversation, body: str, draft: str, life_s: float) -> Accepted:
    """Accept an answer and take the conversation over, in one transaction.

    ``draft`` names the form it came from: sent twice, it is one message. Raises InputError, Conflict.
    """
    content = Text(TextBody(body.replace("\r\n", "\n").strip()))
    spec = get_provider(conversation.channel.provider)
    check_content(content, spec.capabilities)
    with atomic_cursor() as cursor:
        _check_window(conversation, spec.capabilities.window_seconds, now(cursor))
        take_over(viewer, conversation)
        (answer,) = accept_messages([_message(viewer, conversation, content, draft, life_s)])
    if isinstance(answer, Exception):
        raise answer
    return answer


def take_over(viewer: Viewer, conversation: Conversation) -> None:
    """A person answers from now on, and it is this one."""
    if conversation.answered_by != PERSON:
        hand_over(viewer.tenant_id, conversation.uid.hex, PERSON)
    Conversation.objects.filter(tenant_id=viewer.tenant_id, id=conversation.pk).update(
        operator_id=viewer.operator_id, seen_id=conversation.last_inbound_id
    )


def give_back(viewer: Viewer, conversation: Conversation, assistant: str) -> None:
    hand_over(viewer.tenant_id, conversation.uid.hex, assistant)
    Conversation.objects.filter(tenant_id=viewer.tenant_id, id=conversation.pk).update(operator_id=None)


def _message(viewer: Viewer, conversation: Conversation, content: Text, draft: str, life_s: float) -> NewMessage:
    return NewMessage(
        uid=uuid7(),
        tenant_id=viewer.tenant_id,
        channel_id=conversation.channel_id,
        to=find_recipient(conversation),
        kind="text",
        content=encode_content(content),
        sender="operator",
        answered_by=PERSON,
        life_s=life_s,
        idempotency=_idempotency(viewer, draft, content) if draft else None,
        metadata=msgspec.json.encode({"operator": viewer.uid}).decode(),
    )


def find_recipient(conversation: Conversation) -> Address:
    """Where the person last wrote from; the first address that is known, where they never did."""
    unseal = sealer().unseal
    written = Message.objects.filter(
        tenant_id=conversation.tenant_id, conversation_id=conversation.pk, direction=Direction.INBOUND
    )
    if last := written.order_by("-id").only("address_kind", "address").first():
        return Address(AddressKind(last.address_kind), unseal(last.address))
    known = ContactAddress.objects.filter(tenant_id=conversation.tenant_id, contact_id=conversation.contact_id)
    first = known.order_by("id").first()
    if first is None:
        raise Conflict("there is no address to which this could be sent")
    return Address(AddressKind(first.kind), unseal(first.value))


def _check_window(conversation: Conversation, length: float | None, moment: float) -> None:
    heard = conversation.last_inbound_at.timestamp() if conversation.last_inbound_at else None
    if not window.is_open(heard, moment, length):
        raise InputError(
            "text.body: WhatsApp's window is closed: the person has not written for 24 hours.",
            code="window_closed",
            field="text.body",
        )


def _idempotency(viewer: Viewer, draft: str, content: Text) -> Idempotency:
    place = blake2b(f"console:{viewer.operator_id}:{draft[:LONGEST_DRAFT]}".encode(), digest_size=DIGEST_BYTES)
    return Idempotency(
        place.hexdigest(), blake2b(encode_content(content).encode(), digest_size=DIGEST_BYTES).hexdigest()
    )
