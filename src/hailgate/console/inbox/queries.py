"""What the inbox reads: a page of conversations, a thread, and who they are with. Every query is one tenant's."""

import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from django.core.signing import BadSignature, Signer
from django.db.models import F, Q, QuerySet

from hailgate.accounts import audit
from hailgate.accounts.models import Operator
from hailgate.accounts.operators import CurrentOperator
from hailgate.accounts.seal import sealer
from hailgate.console.inbox.bubbles import Beside, Bubble, Quote, show_bubble, show_quote
from hailgate.console.inbox.content_parts import FILES, attachment_named, template_called
from hailgate.console.inbox.heading import Heading, show_heading
from hailgate.console.inbox.list_rows import ListBeside, MessageShown, show_row
from hailgate.console.presenters import by_contact, operator_of, read_content, show_name, show_pause
from hailgate.core.address import Address, AddressKind
from hailgate.core.content import clean_text
from hailgate.core.errors import InputError
from hailgate.core.status import Status
from hailgate.core.templates import Definition, parse_definition
from hailgate.core.uids import find_uid
from hailgate.messaging.models import (
    PERSON,
    TELEPHONE,
    Amendment,
    Attachment,
    Channel,
    Contact,
    ContactAddress,
    Conversation,
    Direction,
    Message,
    Template,
)
from hailgate.messaging.outbound.stale import find_stale
from hailgate.messaging.people.conversations import address_digest
from hailgate.messaging.people.roots import find_root, of_thread
from hailgate.messaging.store.folding import fold
from hailgate.messaging.store.sql import keyed
from hailgate.messaging.templates.lookup import as_template

PAGE: Final = 40
THREAD: Final = 50
LONGEST_THREAD: Final = 500
LONGEST_SEARCH: Final = 100
FILTERS: Final = ("all", "unread", "mine", "written", "assistant")

_signer = Signer(salt="hailgate.console.pages")


class InboxFilter(NamedTuple):
    """Which part of the list: a filter, words to look for, and the place where the page before ended."""

    filter: str = "all"
    words: str = ""
    before: int | None = None


class ConversationPage(NamedTuple):
    rows: list[MessageShown]
    older: str


class Thread(NamedTuple):
    heading: Heading
    bubbles: list[Bubble]
    older: str
    since: str


def read_wanted(given: dict[str, str]) -> InboxFilter:
    """What is not understood is left out: an address that was typed by hand shows the list all the same."""
    kind = given.get("show", "all")
    words = clean_text(given.get("q", "").strip()[:LONGEST_SEARCH])
    return InboxFilter(kind if kind in FILTERS else "all", words, read_place(given.get("before", "")))


def list_conversations(viewer: CurrentOperator, wanted: InboxFilter) -> ConversationPage:
    rows = _matching(viewer, wanted)
    if wanted.before is not None:
        rows = rows.filter(last_message_id__lt=wanted.before)
    found = list(rows.order_by("-last_message_id")[: PAGE + 1])
    page = found[:PAGE]
    older = sign_place(page[-1].last_message_id) if len(found) > PAGE else ""
    return ConversationPage(_shown(viewer, page), older)


def find_conversation(viewer: CurrentOperator, uid: UUID) -> Conversation | None:
    """One that was joined to another is that other: old links go on leading there."""
    root = find_root(viewer.tenant_id, uid)
    return None if root is None else _conversations(viewer.tenant_id).filter(id=root).first()


def read_thread(
    viewer: CurrentOperator, conversation: Conversation, *, before: int | None = None, since: int | None = None
) -> Thread:
    """The newest messages, oldest first; those before a place; or all since one, as a page that is open shows them."""
    messages = Message.objects.filter(of_thread(viewer.tenant_id, conversation.pk), tenant_id=viewer.tenant_id)
    size = THREAD
    if before is not None:
        messages = messages.filter(id__lt=before)
    elif since is not None:
        messages, size = messages.filter(id__gte=since), LONGEST_THREAD
    found = list(messages.order_by("-id")[: size + 1])
    page = found[:size][::-1]
    addresses = addresses_of(viewer.tenant_id, [conversation.contact_id]).get(conversation.contact_id, [])
    person = show_name(conversation.contact, addresses)
    reactions = _own_reactions(page)
    beside = Beside(
        person=person,
        quotes=_quotes(conversation, page, person),
        operators=_operators(page),
        files=_files(viewer.tenant_id, page),
        changes=_changes(viewer.tenant_id, page),
        ours={target: emoji for target, emoji, _ in reactions},
        templates=_templates(conversation, page),
        stale=find_stale(viewer.tenant_id, page, time.time()),
    )
    told = {reaction for _, _, reaction in reactions}
    return Thread(
        show_heading(conversation, addresses, viewer),
        [show_bubble(message, beside) for message in page if message.pk not in told],
        sign_place(page[0].pk) if len(found) > size else "",
        sign_place(page[0].pk if page else 0),
    )


def open_conversation(viewer: CurrentOperator, conversation: Conversation) -> None:
    """Who has read what a person wrote is on record, each time that they open it."""
    note_seen(viewer, conversation)
    subject = f"conversation:{conversation.uid}"
    opened = audit.AuditAction.CONVERSATION_OPENED
    audit.record_deed(audit.AuditRecord(audit.operator_of(viewer), viewer.tenant_id, opened, subject))


def note_seen(viewer: CurrentOperator, conversation: Conversation) -> bool:
    """Somebody looks at it now. Writes only where there was something new; True where it wrote."""
    return bool(
        Conversation.objects.filter(
            tenant_id=viewer.tenant_id, id=conversation.pk, seen_id__lt=conversation.last_inbound_id
        ).update(seen_id=conversation.last_inbound_id)
    )


def addresses_of(tenant_id: int, contacts: Sequence[int]) -> dict[int, list[ContactAddress]]:
    return by_contact(keyed(ContactAddress.objects.filter(contact_id__in=contacts), tenant_id).order_by("id"))


def count_unread(viewer: CurrentOperator, at_most: int = 100) -> int:
    """Counted no further than a badge shows."""
    return _unread(Conversation.objects.filter(tenant_id=viewer.tenant_id))[:at_most].count()


def list_paused(viewer: CurrentOperator) -> list[tuple[str, str]]:
    """Channels that send nothing until somebody mends them: names and why."""
    paused = Channel.objects.filter(tenant_id=viewer.tenant_id, active=True, paused_at__isnull=False)
    return [(channel.name, show_pause(channel)) for channel in paused.order_by("name")]


def sign_place(place: int) -> str:
    return _signer.sign(str(place))


def read_place(given: str) -> int | None:
    try:
        return int(_signer.unsign(given)) if given else None
    except BadSignature:
        return None


def _conversations(tenant_id: int) -> QuerySet[Conversation]:
    return Conversation.objects.filter(tenant_id=tenant_id).select_related("channel", "contact", "operator")


def _matching(viewer: CurrentOperator, wanted: InboxFilter) -> QuerySet[Conversation]:
    rows = _conversations(viewer.tenant_id).filter(last_message_id__gt=0)
    if wanted.words:
        rows = rows.filter(contact_id__in=contacts_like(viewer.tenant_id, wanted.words))
    match wanted.filter:
        case "unread":
            return _unread(rows)
        case "mine":
            return rows.filter(operator_id=viewer.operator_id)
        case "written":
            return rows.filter(last_inbound_id__gt=0)
        case "assistant":
            return rows.exclude(answered_by=PERSON)
        case _:
            return rows


def _unread(rows: QuerySet[Conversation]) -> QuerySet[Conversation]:
    return rows.filter(answered_by=PERSON, last_inbound_id__gt=F("seen_id"))


def contacts_like(tenant_id: int, words: str) -> QuerySet[Contact, int]:
    """By a part of the name, accents or not, or of the number; where content is sealed by a whole number alone."""
    digits = "".join(filter(str.isdecimal, words))
    addresses = ContactAddress.objects.filter(tenant_id=tenant_id)
    matches = Q(id__in=addresses.filter(digest__in=_digests(words, digits)).values("contact_id"))
    if not sealer().seals_content:
        matches |= Q(name__folded__contains=fold(words)) | Q(own_name__folded__contains=fold(words))
        if len(digits) >= 3:
            matches |= Q(id__in=addresses.filter(kind=AddressKind.PHONE, value__contains=digits).values("contact_id"))
    return Contact.objects.filter(matches, tenant_id=tenant_id).values_list("id", flat=True)


def _digests(words: str, digits: str) -> list[str]:
    found = []
    for kind, value in ((AddressKind.PHONE, digits), (AddressKind.BSUID, words), (AddressKind.LID, words)):
        try:
            found.append(address_digest(Address(kind, value)))
        except InputError:
            continue
    return found


def _shown(viewer: CurrentOperator, page: Sequence[Conversation]) -> list[MessageShown]:
    """With their contacts' addresses and last messages, in one query each."""
    tenant_id = viewer.tenant_id
    addresses = addresses_of(tenant_id, [conversation.contact_id for conversation in page])
    ids = {id_ for each in page for id_ in (each.last_message_id, each.last_inbound_id) if id_}
    messages = {message.pk: message for message in keyed(Message.objects.filter(id__in=ids), tenant_id)}
    last = {each.pk: _spoken(each, messages) for each in page}
    many = Channel.objects.filter(tenant_id=tenant_id, active=True)[:2].count() > 1
    beside = ListBeside(viewer, _operators([message for message in last.values() if message]), many)
    return [show_row(each, addresses.get(each.contact_id, []), last[each.pk], beside) for each in page]


def _spoken(conversation: Conversation, messages: Mapping[int, Message]) -> Message | None:
    """The last that people said: what a program sent afterwards does not hide a customer's words."""
    last, heard = (messages.get(id_) for id_ in (conversation.last_message_id, conversation.last_inbound_id))
    by_people = last is None or last.direction == Direction.INBOUND or last.sender in {"operator", TELEPHONE}
    return last if by_people or heard is None else heard


def _quotes(conversation: Conversation, page: Sequence[Message], person: str) -> dict[str, Quote]:
    """What messages of the page answer to, by the provider's id."""
    wanted = {message.context_id for message in page if message.context_id}
    if not wanted:
        return {}
    quoted = Message.objects.filter(
        tenant_id=conversation.tenant_id, channel_id=conversation.channel_id, provider_id__in=wanted
    )
    return {str(message.provider_id): show_quote(message, person) for message in quoted}


def _operators(page: Sequence[Message]) -> dict[str, str]:
    wanted = {uid for message in page if (uid := operator_of(message))}
    if not wanted:
        return {}
    return {operator.uid.hex: str(operator) for operator in Operator.objects.filter(uid__in=wanted)}


def _files(tenant_id: int, page: Sequence[Message]) -> dict[int, Attachment]:
    """What came with messages, and what those of ours name."""
    ids = [message.pk for message in page if message.kind in FILES]
    if not ids:
        return {}
    files = {file.message_id: file for file in keyed(Attachment.objects.filter(message_id__in=ids), tenant_id)}
    named = {
        message.pk: uid
        for message in page
        if message.kind in FILES
        and message.pk not in files
        and (uid := find_uid(attachment_named(read_content(message))))
    }
    stored = {file.uid: file for file in keyed(Attachment.objects.filter(uid__in=named.values()), tenant_id)}
    return {id_: file for id_, file in files.items() if id_} | {
        id_: stored[uid] for id_, uid in named.items() if uid in stored
    }


def _templates(conversation: Conversation, page: Sequence[Message]) -> dict[tuple[str, str], Definition]:
    """Those that messages of the page call, by name and language."""
    called = {template_called(read_content(message)) for message in page if message.kind == "template"}
    business_id = conversation.channel.business_id
    if not called or business_id is None:
        return {}
    names = [name for name, _ in called]
    rows = keyed(Template.objects.filter(business_id=business_id, name__in=names), conversation.tenant_id)
    return {(row.name, row.language): definition for row in rows if (definition := parse_definition(as_template(row)))}


def _changes(tenant_id: int, page: Sequence[Message]) -> dict[int, list[Amendment]]:
    found: dict[int, list[Amendment]] = {}
    ids = [message.pk for message in page]
    for change in keyed(Amendment.objects.filter(message_id__in=ids), tenant_id).order_by("at", "id"):
        found.setdefault(change.message_id or 0, []).append(change)
    return found


def _own_reactions(page: Sequence[Message]) -> list[tuple[int, str, int]]:
    """What we put on messages of the page, as (message, emoji, reaction), in order. What failed stays a message."""
    known = {str(message.provider_id): message.pk for message in page if message.provider_id}
    found = []
    for message in page:
        if message.kind == "reaction" and message.direction == Direction.OUTBOUND and message.status != Status.FAILED:
            reaction = read_content(message).get("reaction") or {}
            if target := known.get(str(reaction.get("message_id"))):
                found.append((target, str(reaction.get("emoji") or ""), message.pk))
    return found
