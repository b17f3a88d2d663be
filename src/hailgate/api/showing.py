"""Rows as the API shows them: unsealed, in words, without anything that is only ours."""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from hailgate.accounts.seal import sealer
from hailgate.api import schemas
from hailgate.core import window
from hailgate.core.content import content_as_json, preview
from hailgate.core.events import Change
from hailgate.core.status import Status
from hailgate.messaging.models import (
    Amendment,
    Attachment,
    AttachmentState,
    Channel,
    ContactAddress,
    Conversation,
    Direction,
    Message,
)
from hailgate.messaging.sql import keyed
from hailgate.messaging.tending import Queued
from hailgate.providers import get_provider


def show_messages(tenant_id: int, messages: Sequence[Message]) -> list[schemas.MessageOut]:
    """With their files and what was done to them, each in one query. ``conversation`` and ``channel`` are loaded."""
    changes, files = changes_of(tenant_id, messages), files_of(tenant_id, messages)
    return [
        schemas.MessageOut(**message_facts(each, changes.get(each.id, ()), files.get(each.id))) for each in messages
    ]


def changes_of(tenant_id: int, messages: Sequence[Message]) -> Mapping[int | None, list[Amendment]]:
    """What people did to each of these messages, by its id, in order."""
    ids = [message.id for message in messages]
    found: dict[int | None, list[Amendment]] = {}
    for change in keyed(Amendment.objects.filter(message_id__in=ids), tenant_id).order_by("at", "id"):
        found.setdefault(change.message_id, []).append(change)
    return found


def files_of(tenant_id: int, messages: Sequence[Message]) -> Mapping[int | None, Attachment]:
    """The file of each of these messages that has one, by the message's id."""
    ids = [message.id for message in messages]
    return {file.message_id: file for file in keyed(Attachment.objects.filter(message_id__in=ids), tenant_id)}


def show_attachment(attachment: Attachment) -> schemas.AttachmentOut:
    stored = attachment.state == AttachmentState.STORED
    return schemas.AttachmentOut(
        id=str(attachment.uid),
        state=AttachmentState(attachment.state).name.lower(),  # type: ignore[arg-type]
        kind=attachment.kind,
        type=attachment.mime if stored else None,
        size=attachment.size if stored else None,
        name=sealer().unseal(attachment.name) or None,
        code=attachment.code or None,
        detail=attachment.detail or None,
        created_at=attachment.created_at,
    )


def message_facts(message: Message, changes: Sequence[Amendment], file: Attachment | None) -> dict[str, Any]:
    unseal = sealer().unseal
    content = content_as_json(unseal(message.content))
    inbound = message.direction == Direction.INBOUND
    failed = not inbound and message.status == Status.FAILED
    return {
        "id": str(message.uid),
        "conversation": str(message.conversation.uid),
        "channel": str(message.channel.uid),
        "direction": "inbound" if inbound else "outbound",
        "sender": message.sender,
        "address": show_address(message.address_kind, message.address),
        "author": show_address(message.author_kind, message.author) if message.author_kind else None,
        "type": content["type"],
        "text": content.get("text"),
        "content": _member(content),
        "preview": preview(content),
        "unsupported": content.get("unsupported"),
        "origin": content.get("origin"),
        "attachment": show_attachment(file) if file else None,
        "context_id": message.context_id or None,
        "reactions": _reactions(changes),
        "edited_at": _latest(changes, Change.EDIT),
        "deleted_at": _latest(changes, Change.DELETION),
        "provider_id": message.provider_id,
        "status": "received" if inbound else Status(message.status).word,
        "unknown": message.unknown,
        "code": message.code if failed else None,
        "detail": message.detail if failed else None,
        "metadata": msgspec.json.decode(message.metadata) if message.metadata else {},
        "accepted_at": message.accepted_at,
        "provider_at": message.provider_at,
        "send_at": message.send_at,
        "expires_at": message.expires_at,
    }


def _reactions(changes: Iterable[Amendment]) -> list[schemas.ReactionOut]:
    """The last of each person, if it was not taken away."""
    last = {change.author_digest: change for change in changes if change.change == Change.REACTION}
    return [
        schemas.ReactionOut(
            emoji=emoji, by=show_address(each.author_kind, each.author) if each.author_kind else None, at=each.at
        )
        for each in last.values()
        if (emoji := sealer().unseal(each.content))
    ]


def _latest(changes: Iterable[Amendment], kind: Change) -> datetime | None:
    """Only of those that had an effect."""
    return max((change.at for change in changes if change.change == kind and change.before), default=None)


def _member(content: Mapping[str, Any]) -> object:
    """Of what is not understood only its name: the raw form is for whoever looks at the webhook."""
    kind = content["type"]
    member = content.get(kind)
    return {"kind": member["kind"]} if kind == "unsupported" and member else member


def show_address(kind: str, stored: str) -> schemas.AddressOut:
    return schemas.AddressOut.model_validate({"kind": kind, "value": sealer().unseal(stored)})


def show_conversation(
    conversation: Conversation, addresses: Iterable[ContactAddress], last: schemas.MessageOut | None
) -> schemas.ConversationOut:
    """``channel`` and ``contact`` are loaded with it."""
    channel, contact = conversation.channel, conversation.contact
    length = get_provider(channel.provider).capabilities.window_seconds
    last_inbound = conversation.last_inbound_at.timestamp() if conversation.last_inbound_at else None
    return schemas.ConversationOut(
        id=str(conversation.uid),
        channel=schemas.ChannelRef(id=str(channel.uid), name=channel.name),
        contact=schemas.ContactOut(
            id=str(contact.uid),
            name=sealer().unseal(contact.name),
            is_group=contact.is_group,
            addresses=[show_address(address.kind, address.value) for address in addresses],
        ),
        answered_by=conversation.answered_by,
        last_message=last,
        last_message_at=conversation.last_message_at,
        window_open=window.is_open(last_inbound, time.time(), length),
        window_closes_at=_moment(window.closes_at(last_inbound, length)),
    )


def show_channel(channel: Channel, queued: Queued) -> schemas.ChannelOut:
    return schemas.ChannelOut(
        id=str(channel.uid),
        name=channel.name,
        provider=channel.provider,
        number=channel.number,
        answered_by=channel.answered_by,
        active=channel.active,
        paused=channel.paused_at is not None,
        paused_reason=channel.paused_reason or None,
        paused_at=channel.paused_at,
        breaker=schemas.Breaker(
            state="closed" if channel.breaker_opened_at is None else "open",
            failures=channel.breaker_failures,
            opened_at=_moment(channel.breaker_opened_at),
        ),
        rate=schemas.Rate(per_second=round(1 / channel.rate_interval, 3), burst=channel.rate_burst),
        queued=schemas.Queued(**queued._asdict()),
    )


def _moment(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)


def by_contact(addresses: Iterable[ContactAddress]) -> Mapping[int, list[ContactAddress]]:
    found: dict[int, list[ContactAddress]] = {}
    for address in addresses:
        found.setdefault(address.contact_id, []).append(address)
    return found
