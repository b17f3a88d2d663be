"""Conversations: listed, read, and handed over between people and the assistant."""

from typing import Final

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Router

from hailgate.accounts.audit import AuditAction, AuditRecord, audited
from hailgate.api.access import actor_of, parse_id, tenant_of
from hailgate.api.paging import Cursor, Limit, Place, page_of, read_cursor
from hailgate.api.presenters import by_contact, show_conversation, show_messages
from hailgate.api.schemas.common import Page
from hailgate.api.schemas.conversations import ConversationOut, HandoverIn
from hailgate.api.schemas.messages import MessagePage
from hailgate.core.errors import NotFound
from hailgate.messaging.assistants.registry import choose_answering
from hailgate.messaging.models import ContactAddress, Conversation, Message
from hailgate.messaging.outbound.takeover import hand_over
from hailgate.messaging.people.roots import find_root, of_thread
from hailgate.messaging.store.sql import keyed
from hailgate.messaging.store.sqlite_writer import write
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log

router = Router(tags=["Conversations"])

PERSON: Final = "person"


@router.get("/conversations", response=Page[ConversationOut], operation_id="list_conversations")
def list_conversations(request: HttpRequest, limit: Limit = 50, cursor: Place = None) -> Page[ConversationOut]:
    """Newest first, by their last message."""
    tenant_id = tenant_of(request)
    rows = _conversations(tenant_id).filter(last_message_id__gt=0)
    page, older = page_of(rows, "last_message_id", limit, cursor, "conversations", tenant_id)
    return Page[ConversationOut](items=_shown(tenant_id, page), next=older)


@router.get("/conversations/{conversation_id}", response=ConversationOut, operation_id="get_conversation")
def get_conversation(request: HttpRequest, conversation_id: str) -> ConversationOut:
    tenant_id = tenant_of(request)
    return _shown(tenant_id, [_find(tenant_id, conversation_id)])[0]


@router.get("/conversations/{conversation_id}/messages", response=MessagePage, operation_id="list_messages")
def list_messages(request: HttpRequest, conversation_id: str, limit: Limit = 50, cursor: Place = None) -> MessagePage:
    """Newest first, in both directions."""
    tenant_id = tenant_of(request)
    conversation = _find(tenant_id, conversation_id)
    list_ = ("messages", tenant_id, conversation.id)
    place = read_cursor(cursor, *list_) or Cursor(2**62)
    page, more = _page(tenant_id, conversation.id, place, limit)
    newest = page[0].id if page else (place.place if place.newer else 0)
    older = bool(page) and (more or place.newer)
    return MessagePage(
        items=show_messages(tenant_id, page),
        next=Cursor(page[-1].id).sign(*list_) if older else None,
        previous=Cursor(newest, newer=True).sign(*list_),
    )


@router.post("/conversations/{conversation_id}/handover", response=ConversationOut, operation_id="hand_over")
def hand_conversation_over(request: HttpRequest, conversation_id: str, body: HandoverIn) -> ConversationOut:
    """Let a person answer from now on, or the assistant again. An answer that is being composed is dropped."""
    tenant_id = tenant_of(request)
    conversation = _find(tenant_id, conversation_id)
    to = PERSON if body.to == PERSON else _assistant_of(conversation)
    action = AuditAction.CONVERSATION_TAKEN_OVER if to == PERSON else AuditAction.CONVERSATION_GIVEN_BACK
    deed = AuditRecord(actor_of(request), tenant_id, action, f"conversation:{conversation.uid}")
    write(audited, deed, hand_over, tenant_id, conversation.uid.hex, to)
    log.info(Event.CONVERSATION_HANDED_OVER, conversation=str(conversation.uid), outcome=body.to)
    return get_conversation(request, conversation_id)


def _page(tenant_id: int, conversation_id: int, place: Cursor, limit: int) -> tuple[list[Message], bool]:
    """Newest first, whichever way the page was turned; and whether there are more in that direction."""
    rows = Message.objects.filter(of_thread(tenant_id, conversation_id), tenant_id=tenant_id)
    if place.newer:
        rows = rows.filter(id__gt=place.place).order_by("id")
    else:
        rows = rows.filter(id__lt=place.place).order_by("-id")
    found = list(rows.select_related("conversation__merged_into", "channel")[: limit + 1])
    page = found[:limit]
    return (page[::-1] if place.newer else page), len(found) > limit


def _conversations(tenant_id: int) -> QuerySet[Conversation]:
    return Conversation.objects.filter(tenant_id=tenant_id).select_related("channel", "contact")


def _find(tenant_id: int, conversation_id: str) -> Conversation:
    """One that was joined to another is that other: old ids go on answering."""
    root = find_root(tenant_id, parse_id(conversation_id))
    found = None if root is None else _conversations(tenant_id).filter(id=root).first()
    if found is None:
        raise NotFound
    return found


def _shown(tenant_id: int, page: list[Conversation]) -> list[ConversationOut]:
    """With their contacts' addresses and last messages, in one query each."""
    contacts = [conversation.contact_id for conversation in page]
    addresses = by_contact(keyed(ContactAddress.objects.filter(contact_id__in=contacts), tenant_id).order_by("id"))
    last_ids = [conversation.last_message_id for conversation in page]
    messages = keyed(Message.objects.filter(id__in=last_ids), tenant_id)
    found = list(messages.select_related("conversation__merged_into", "channel"))
    last = {message.id: shown for message, shown in zip(found, show_messages(tenant_id, found), strict=True)}
    return [
        show_conversation(each, addresses.get(each.contact_id, []), last.get(each.last_message_id)) for each in page
    ]


def _assistant_of(conversation: Conversation) -> str:
    """The channel's own assistant; where a person answers the channel, the first one that is installed."""
    return choose_answering(conversation.tenant_id, conversation.channel.answered_by)
