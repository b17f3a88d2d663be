"""Rows as the API shows them: unsealed, in words, without anything that is only ours."""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from hailgate.accounts.seal import sealer
from hailgate.api.schemas.channels import Breaker, ChannelOut, KindOut, Queued, Rate
from hailgate.api.schemas.common import AddressOut, ChannelRef
from hailgate.api.schemas.conversations import ContactOut, ConversationOut, ThreadOut
from hailgate.api.schemas.media import AttachmentOut
from hailgate.api.schemas.messages import MessageOut, PriceOut, ReactionOut, TimelineEntry
from hailgate.core import window
from hailgate.core.content import content_as_json, preview
from hailgate.core.events import Change
from hailgate.core.kinds import KindLimits
from hailgate.core.money import format_amount
from hailgate.core.prices import Cost
from hailgate.core.status import Status
from hailgate.core.thread_owner import ThreadOwner, owner_now
from hailgate.messaging.channels.admin import QueuedCounts
from hailgate.messaging.channels.credentials import kinds_by
from hailgate.messaging.inbound.quotes import Quoted, find_quoted
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
from hailgate.messaging.outbound.estimates import estimate_messages
from hailgate.messaging.outbound.stale import find_stale
from hailgate.messaging.outbound.timeline import Happening
from hailgate.messaging.people.roots import root_of
from hailgate.messaging.store.sql import keyed
from hailgate.providers import get_provider


def show_messages(tenant_id: int, messages: Sequence[Message]) -> list[MessageOut]:
    """With their files and what was done to them, each in one query. ``conversation`` and ``channel`` are loaded."""
    changes, files = changes_of(tenant_id, messages), files_of(tenant_id, messages)
    quoted, costs = find_quoted(tenant_id, messages), estimate_messages(tenant_id, messages)
    stale = find_stale(tenant_id, messages, time.time())
    return [
        MessageOut(
            **message_facts(each, changes.get(each.id, ()), files.get(each.id), quoted, stale=each.pk in stale),
            price=price_of(each, costs),
        )
        for each in messages
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


def show_attachment(attachment: Attachment) -> AttachmentOut:
    stored = attachment.state == AttachmentState.STORED
    return AttachmentOut(
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


def message_facts(
    message: Message, changes: Sequence[Amendment], file: Attachment | None, quoted: Quoted, *, stale: bool
) -> dict[str, Any]:
    unseal = sealer().unseal
    content = content_as_json(unseal(message.content))
    inbound = message.direction == Direction.INBOUND
    failed = not inbound and message.status == Status.FAILED
    return {
        "id": str(message.uid),
        "conversation": str(root_of(message.conversation).uid),
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
        "quoted": _quoted_uid(quoted.get((message.channel_id, message.context_id))),
        "reactions": _reactions(changes),
        "edited_at": _latest(changes, Change.EDIT),
        "deleted_at": _latest(changes, Change.DELETION),
        "provider_id": message.provider_id,
        "status": "received" if inbound else Status(message.status).word,
        "unknown": message.unknown,
        "stale": stale,
        "code": message.code if failed else None,
        "detail": message.detail if failed else None,
        "metadata": msgspec.json.decode(message.metadata) if message.metadata else {},
        "accepted_at": message.accepted_at,
        "provider_at": message.provider_at,
        "send_at": message.send_at,
        "expires_at": message.expires_at,
    }


def show_happening(happening: Happening) -> TimelineEntry:
    facts = happening._asdict()
    kind, _, value = (facts.pop("participant") or "").partition(":")
    participant = AddressOut.model_validate({"kind": kind, "value": value}) if kind else None
    return TimelineEntry(**facts, participant=participant)


def _reactions(changes: Iterable[Amendment]) -> list[ReactionOut]:
    """The last of each person, if it was not taken away."""
    last = {change.author_digest: change for change in changes if change.change == Change.REACTION}
    return [
        ReactionOut(
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
    if kind == "unsupported" and member:
        return {name: member[name] for name in ("kind", "why", "code") if name in member}
    return member


def _quoted_uid(message: Message | None) -> str | None:
    return str(message.uid) if message else None


def price_of(message: Message, costs: Mapping[int, Cost]) -> PriceOut | None:
    cost = costs.get(message.id)
    if not (message.price_category or message.price_type or message.billed is not None or message.free_until):
        return None
    return PriceOut(
        category=message.price_category,
        type=message.price_type,
        billed=message.billed,
        free_until=message.free_until,
        cost=format_amount(cost.nanos) if cost else None,
        currency=cost.currency or None if cost else None,
    )


def show_address(kind: str, stored: str) -> AddressOut:
    return AddressOut.model_validate({"kind": kind, "value": sealer().unseal(stored)})


def show_conversation(
    conversation: Conversation, addresses: Iterable[ContactAddress], last: MessageOut | None
) -> ConversationOut:
    """``channel`` and ``contact`` are loaded with it."""
    channel, contact = conversation.channel, conversation.contact
    length = get_provider(channel.provider).capabilities.window_seconds
    last_inbound = conversation.last_inbound_at.timestamp() if conversation.last_inbound_at else None
    free_until = conversation.free_until
    return ConversationOut(
        id=str(conversation.uid),
        channel=ChannelRef(id=str(channel.uid), name=channel.name),
        contact=ContactOut(
            id=str(contact.uid),
            name=sealer().unseal(contact.own_name or contact.name),
            told_name=sealer().unseal(contact.name),
            is_group=contact.is_group,
            addresses=[show_address(address.kind, address.value) for address in addresses],
        ),
        answered_by=conversation.answered_by,
        thread=_show_thread(conversation),
        last_message=last,
        last_message_at=conversation.last_message_at,
        window_open=conversation.window_unsure or window.is_open(last_inbound, time.time(), length, free_until),
        window_closes_at=_moment(window.closes_at(last_inbound, length, free_until)),
        free_until=_moment(free_until or None),
    )


def _show_thread(conversation: Conversation) -> ThreadOut:
    told_at = conversation.thread_owner_at
    owner = owner_now(conversation.thread_owner, told_at, time.time())
    return ThreadOut(
        owner=owner.word,  # type: ignore[arg-type]
        role=conversation.thread_owner_role or None if owner is ThreadOwner.OTHER else None,
        told_at=_moment(told_at or None),
    )


def show_channel(channel: Channel, queued: QueuedCounts) -> ChannelOut:
    return ChannelOut(
        id=str(channel.uid),
        name=channel.name,
        provider=channel.provider,
        number=channel.number,
        answered_by=channel.answered_by,
        active=channel.active,
        paused=channel.paused_at is not None,
        paused_reason=channel.paused_reason or None,
        paused_at=channel.paused_at,
        breaker=Breaker(
            state="closed" if channel.breaker_opened_at is None else "open",
            failures=channel.breaker_failures,
            opened_at=_moment(channel.breaker_opened_at),
        ),
        rate=Rate(per_second=round(1 / channel.rate_interval, 3), burst=channel.rate_burst),
        queued=Queued(**queued._asdict()),
        kinds=[
            _show_kind(kind, limits)
            for kind, limits in kinds_by(channel.provider, channel.config, channel.source).items()
        ],
    )


def _show_kind(kind: str, limits: KindLimits) -> KindOut:
    return KindOut(
        kind=kind,
        text=limits.text,
        caption=limits.caption,
        bytes=limits.bytes,
        types=sorted(limits.types),
        quotable=limits.quotable,
        options=limits.options,
        mentions=limits.mentions,
        mentions_all=limits.mentions_all,
        voice_by_link=limits.voice_by_link,
        degrades_to=limits.degrades_to,
        words_only=limits.words_only,
    )


def _moment(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)


def by_contact(addresses: Iterable[ContactAddress]) -> Mapping[int, list[ContactAddress]]:
    found: dict[int, list[ContactAddress]] = {}
    for address in addresses:
        found.setdefault(address.contact_id, []).append(address)
    return found
