"""An operator's answer: checked against its channel, and accepted through the one way out."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
from django.utils.translation import gettext as _

from hailgate.accounts.operators import CurrentOperator
from hailgate.accounts.seal import sealer
from hailgate.core import window
from hailgate.core.address import Address, AddressKind
from hailgate.core.content import Outbound, Text, TextBody, check_content, check_quotes, encode_content, kind_of
from hailgate.core.content.outbound import Audio, Document, Image, Reaction, Sticker, Template, Video
from hailgate.core.content.parts import TEXT_LIMIT, AudioFile, CaptionedFile, DocumentFile, File, Mark
from hailgate.core.content.splitting import split_text
from hailgate.core.errors import Conflict, InputError, NotFound, ThreadElsewhere
from hailgate.core.kinds import Kinds
from hailgate.core.media import fits, natural_kind
from hailgate.core.templates import fill_call
from hailgate.messaging.files.attachments import StoredFile, get_stored_file
from hailgate.messaging.models import PERSON, ContactAddress, Conversation, Direction, Message
from hailgate.messaging.outbound.accept import Accepted, accept_messages
from hailgate.messaging.outbound.new_message import Idempotency, NewMessage
from hailgate.messaging.outbound.takeover import hand_over
from hailgate.messaging.people.roots import of_thread
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.sql import atomic_cursor, now
from hailgate.messaging.templates.lookup import TemplateQuery, check_calls, get_sendable
from hailgate.providers import get_provider

LONGEST_DRAFT: Final = 64
DIGEST_BYTES: Final = 20
# Of one long answer; each is a message, and billed as one.
MOST_PARTS: Final = 4


class Draft(NamedTuple):
    """An answer as its form has it. ``name`` tells forms apart: one that is sent twice is one message.

    ``file`` is an attachment's id, ``quoted`` that of a message of the conversation. ``takes_thread`` where the
    operator said that it may take the thread from another responder.
    """

    name: str
    body: str
    file: str = ""
    quoted: str = ""
    takes_thread: bool = False


class Filled(NamedTuple):
    """A template's form. ``values`` are by the keys of its variables, ``name`` as a draft's."""

    name: str
    template: UUID
    values: Mapping[str, str]


def reply(viewer: CurrentOperator, conversation: Conversation, draft: Draft, life_s: float) -> list[Accepted]:
    """Accept an answer and take the conversation over, in one transaction. Raises InputError, Conflict."""
    kinds = get_provider(conversation.channel.provider).capabilities.kinds
    contents = _contents(viewer, draft, kinds)
    if draft.quoted:
        check_quotes(contents[0], kinds)
    context_id = _get_known(conversation, draft.quoted, "quoted") if draft.quoted else ""
    takes = draft.takes_thread
    return _send(viewer, conversation, contents, draft.name, life_s, context_id=context_id, takes_thread=takes)


def react(
    viewer: CurrentOperator, conversation: Conversation, message: str, emoji: str, life_s: float
) -> list[Accepted]:
    """Put an emoji on a message, or take ours away with an empty one. Raises InputError, Conflict."""
    content = Reaction(Mark(_get_known(conversation, message, "message"), emoji.strip()))
    return _send(viewer, conversation, [content], "", life_s)


def send_template(viewer: CurrentOperator, conversation: Conversation, form: Filled, life_s: float) -> list[Accepted]:
    """Also when the window is closed: that is what templates are for. Raises InputError, NotFound, Conflict."""
    chosen = get_sendable(viewer.tenant_id, conversation.channel_id, form.template)
    call = fill_call(chosen.template, chosen.definition, form.values)
    (fault,) = check_calls([TemplateQuery(conversation.channel.business_id, call)])
    if fault:
        raise fault
    return _send(viewer, conversation, [Template(call)], form.name, life_s)


def take_over(viewer: CurrentOperator, conversation: Conversation) -> None:
    """A person answers from now on, and it is this one."""
    if conversation.answered_by != PERSON:
        hand_over(viewer.tenant_id, conversation.uid.hex, PERSON)
    Conversation.objects.filter(tenant_id=viewer.tenant_id, id=conversation.pk).update(
        operator_id=viewer.operator_id, seen_id=conversation.last_inbound_id
    )


def give_back(viewer: CurrentOperator, conversation: Conversation, assistant: str) -> None:
    hand_over(viewer.tenant_id, conversation.uid.hex, assistant)
    Conversation.objects.filter(tenant_id=viewer.tenant_id, id=conversation.pk).update(operator_id=None)


def _send(
    viewer: CurrentOperator,
    conversation: Conversation,
    contents: Sequence[Outbound],
    draft: str,
    life_s: float,
    *,
    context_id: str = "",
    takes_thread: bool = False,
) -> list[Accepted]:
    capabilities = get_provider(conversation.channel.provider).capabilities
    for content in contents:
        check_content(content, capabilities)
    with atomic_cursor() as cursor:
        if not isinstance(contents[0], Template):
            _check_window(conversation, capabilities.window_seconds, now(cursor))
        take_over(viewer, conversation)
        whole = _message(viewer, conversation, life_s, context_id=context_id, takes_thread=takes_thread)
        parts = [_part(whole, content, place, viewer, draft) for place, content in enumerate(contents)]
        return [_accepted(answer) for answer in accept_messages(parts)]


def _message(
    viewer: CurrentOperator, conversation: Conversation, life_s: float, *, context_id: str, takes_thread: bool
) -> NewMessage:
    """All of it but what it says."""
    return NewMessage(
        uid=uuid7(),
        tenant_id=viewer.tenant_id,
        channel_id=conversation.channel_id,
        to=find_recipient(conversation),
        kind="",
        content="",
        sender="operator",
        answered_by=PERSON,
        life_s=life_s,
        context_id=context_id,
        metadata=msgspec.json.encode({"operator": viewer.uid}).decode(),
        takes_thread=takes_thread,
    )


def _part(whole: NewMessage, content: Outbound, place: int, viewer: CurrentOperator, draft: str) -> NewMessage:
    """One of the messages that an answer is sent as. The first of them quotes."""
    encoded = encode_content(content)
    return whole._replace(
        uid=uuid7(),
        kind=kind_of(content),
        content=encoded,
        context_id="" if place else whole.context_id,
        idempotency=_idempotency(viewer, f"{draft}#{place}", encoded) if draft else None,
    )


def _accepted(answer: Accepted | Exception) -> Accepted:
    if isinstance(answer, ThreadElsewhere):
        raise ThreadElsewhere(_("Another responder answers this person. Confirm that your answer takes over."))
    if isinstance(answer, Exception):
        raise answer
    return answer


def _contents(viewer: CurrentOperator, draft: Draft, kinds: Kinds) -> list[Outbound]:
    """A text; or a file with the text under it, or after it where its kind carries none."""
    words = draft.body.replace("\r\n", "\n").strip()
    if not draft.file:
        return _texts(words, kinds)
    stored = _get_file(viewer, draft.file)
    id_, caption = str(stored.uid), words or None
    kind = natural_kind(stored.mime)
    own = kinds.get(kind)
    match kind if own and fits(stored.mime, stored.size, own) else "document":
        case "image":
            return [Image(CaptionedFile(attachment=id_, caption=caption))]
        case "video":
            return [Video(CaptionedFile(attachment=id_, caption=caption))]
        case "audio":
            file: Outbound = Audio(AudioFile(attachment=id_))
        case "sticker":
            file = Sticker(File(attachment=id_))
        case _:
            return [Document(DocumentFile(attachment=id_, caption=caption))]
    return [file, *_texts(words, kinds)] if words else [file]


def text_limit_of(kinds: Kinds) -> int:
    """Characters of one text."""
    own = kinds.get("text")
    return own.text if own and own.text else TEXT_LIMIT


def _texts(words: str, kinds: Kinds) -> list[Outbound]:
    """One, or a few where it is too long for one. Raises InputError where it is too long for these, too."""
    parts = split_text(words, text_limit_of(kinds))
    if len(parts) > MOST_PARTS:
        raise InputError(
            f"text.body: is too long for {MOST_PARTS} messages; shorten it, or send it as a file.", field="text.body"
        )
    return [Text(TextBody(part)) for part in parts or [words]]


def _get_file(viewer: CurrentOperator, uid: str) -> StoredFile:
    with suppress(ValueError, NotFound):
        return get_stored_file(viewer.tenant_id, UUID(uid))
    raise InputError("The file is not there any more; choose it again.", code="unknown_attachment", field="attachment")


def _get_known(conversation: Conversation, uid: str, field: str) -> str:
    """The provider's id of one of the conversation's messages. Raises InputError where it has none."""
    with suppress(ValueError):
        thread = of_thread(conversation.tenant_id, conversation.pk)
        known = Message.objects.filter(thread, tenant_id=conversation.tenant_id, uid=UUID(uid))
        if provider_id := known.values_list("provider_id", flat=True).first():
            return str(provider_id)
    raise InputError("The provider does not know that message (yet).", code="unknown_context", field=field)


def find_recipient(conversation: Conversation) -> Address:
    """Where the person last wrote from; the first address that is known, where they never did."""
    unseal = sealer().unseal
    written = Message.objects.filter(
        of_thread(conversation.tenant_id, conversation.pk),
        tenant_id=conversation.tenant_id,
        direction=Direction.INBOUND,
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
    if not (conversation.window_unsure or window.is_open(heard, moment, length, conversation.free_until)):
        raise InputError(
            "text.body: WhatsApp's window is closed: the person has not written for 24 hours.",
            code="window_closed",
            field="text.body",
        )


def _idempotency(viewer: CurrentOperator, draft: str, content: str) -> Idempotency:
    place = blake2b(f"console:{viewer.operator_id}:{draft[:LONGEST_DRAFT]}".encode(), digest_size=DIGEST_BYTES)
    return Idempotency(place.hexdigest(), blake2b(content.encode(), digest_size=DIGEST_BYTES).hexdigest())
