"""The inbox: conversations on the left, one of them beside it, and what an operator does there."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from hailgate.accounts.audit import AuditAction, AuditRecord, audited, operator_of
from hailgate.accounts.link_owner import Holder, HolderKind
from hailgate.accounts.operators import CurrentOperator
from hailgate.console.inbox import queries
from hailgate.console.inbox import reply as replies
from hailgate.console.inbox.formatting import render_formatting
from hailgate.console.inbox.timeline import show_price, tell_timeline
from hailgate.console.inbox.why import tell_why
from hailgate.console.sign_in.access import is_partial, parse_uid, signed_in
from hailgate.core.content.parts import TEXT_LIMIT
from hailgate.core.content.splitting import split_text
from hailgate.core.errors import HailgateError, InputError
from hailgate.messaging.assistants.registry import choose_answering
from hailgate.messaging.files.attachments import make_link
from hailgate.messaging.models import Conversation, Message
from hailgate.messaging.outbound.cancel import cancel_message
from hailgate.messaging.people.roots import root_of
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.sqlite_writer import write
from hailgate.providers import get_provider
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log

LONGEST_PREVIEW = TEXT_LIMIT * replies.MOST_PARTS
# WhatsApp's own first row.
EMOJIS = ("👍", "❤️", "😂", "😮", "😢", "🙏")


@require_GET
@signed_in
def show_inbox(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    """The whole page, with no conversation open."""
    return _page(request, viewer, None)


@require_GET
@signed_in
def show_list(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    """The list alone: searched, filtered, or looked at again because something happened."""
    wanted = queries.read_wanted(request.GET.dict())
    context = {
        "listing": queries.list_conversations(viewer, wanted),
        "wanted": wanted,
        "open": request.GET.get("open", ""),
        "unread": queries.count_unread(viewer),
        "paused": queries.list_paused(viewer),
        "oob": True,
    }
    return render(request, "console/_rows.html", context)


@require_GET
@signed_in
def show_conversation(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """The whole page, or the pane with the thread alone. Whoever opens it has seen it, and is on record."""
    conversation = get_conversation(viewer, uid)
    write(queries.open_conversation, viewer, conversation)
    if is_partial(request):
        return render(request, "console/_pane.html", _pane(viewer, conversation))
    return _page(request, viewer, conversation)


@require_GET
@signed_in
def show_messages(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """The messages alone: again because something happened, or older ones above them."""
    conversation = get_conversation(viewer, uid)
    if "seen" in request.GET:
        write(queries.note_seen, viewer, conversation)
    places = {name: queries.read_place(request.GET.get(name, "")) for name in ("before", "since")}
    thread = queries.read_thread(viewer, conversation, **places)
    return _messages(request, thread, older_page=places["before"] is not None)


@require_POST
@signed_in
def reply(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """Answers with the messages as they are now, or with the sentence that says why not."""
    conversation = get_conversation(viewer, uid)
    name, body, file, quoted = (request.POST.get(each, "") for each in ("draft", "body", "attachment", "quoted"))
    draft = replies.Draft(name, body, file, quoted, takes_thread="take_thread" in request.POST)
    try:
        write(_replied, viewer, conversation, draft)
    except HailgateError as refused:
        return refuse(request, refused)
    return show_sent(request, viewer, uid, "replied", draft=uuid7().hex)


def _replied(viewer: CurrentOperator, conversation: Conversation, draft: replies.Draft) -> object:
    """Whoever answers has the conversation; that it was a colleague's is on record."""
    act = replies.reply, viewer, conversation, draft, settings.MESSAGE_LIFE_S
    if conversation.operator_id in {None, viewer.operator_id}:
        return replies.reply(*act[1:])
    return audited(_taken_over(viewer, conversation), *act)


def _taken_over(viewer: CurrentOperator, conversation: Conversation) -> AuditRecord:
    actor, subject = operator_of(viewer), f"conversation:{conversation.uid}"
    return AuditRecord(actor, viewer.tenant_id, AuditAction.CONVERSATION_TAKEN_OVER, subject)


@require_POST
@signed_in
def react(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    conversation = get_conversation(viewer, uid)
    message, emoji = request.POST.get("message", ""), request.POST.get("emoji") or request.POST.get("other", "")
    try:
        write(replies.react, viewer, conversation, message, emoji, settings.MESSAGE_LIFE_S)
    except HailgateError as refused:
        return refuse(request, refused)
    return show_sent(request, viewer, uid, "sent")


@require_POST
@signed_in
def preview(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    """A draft as the person will see it, in as many messages as its channel needs."""
    del viewer
    given = request.GET.get("limit", "")
    limit = min(int(given), TEXT_LIMIT) if given.isdecimal() and int(given) else TEXT_LIMIT
    parts = split_text(request.POST.get("body", "")[:LONGEST_PREVIEW], limit)
    return render(request, "console/_preview.html", {"parts": [render_formatting(part) for part in parts]})


@require_POST
@signed_in
def take_over(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    conversation = get_conversation(viewer, uid)
    write(audited, _taken_over(viewer, conversation), replies.take_over, viewer, conversation)
    return _handed(request, viewer, uid, "person")


@require_POST
@signed_in
def give_back(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """To the channel's own assistant; where a person answers the channel, to the first one that is installed."""
    conversation = get_conversation(viewer, uid)
    assistant = choose_answering(viewer.tenant_id, conversation.channel.answered_by)
    deed = AuditRecord(
        operator_of(viewer), viewer.tenant_id, AuditAction.CONVERSATION_GIVEN_BACK, f"conversation:{conversation.uid}"
    )
    write(audited, deed, replies.give_back, viewer, conversation, assistant)
    return _handed(request, viewer, uid, "assistant")


@require_POST
@signed_in
def cancel(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """Take back a message that has not left."""
    message = _get_message(viewer, uid)
    actor, subject = operator_of(viewer), f"message:{message.uid}"
    deed = AuditRecord(actor, viewer.tenant_id, AuditAction.MESSAGE_CANCELLED, subject)
    try:
        write(audited, deed, cancel_message, viewer.tenant_id, message.uid)
    except HailgateError as refused:
        return refuse(request, refused)
    return show_sent(request, viewer, root_of(message.conversation).uid.hex, "sent")


@require_GET
@signed_in
def show_timeline(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """Everything that happened to one message."""
    message = _get_message(viewer, uid)
    context = {"message": message, "timeline": tell_timeline(message), "price": show_price(message)}
    return render(request, "console/_timeline.html", context)


@require_GET
@signed_in
def show_why(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """How an assistant came to a message."""
    return render(request, "console/_why.html", {"why": tell_why(_get_message(viewer, uid))})


def _get_message(viewer: CurrentOperator, uid: str) -> Message:
    known = Message.objects.filter(tenant_id=viewer.tenant_id, uid=parse_uid(uid))
    message = known.select_related("channel", "conversation__merged_into").first()
    if message is None:
        raise Http404
    return message


@require_GET
@signed_in
def show_file(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """A link that lives five minutes, made when a page wants the file: its own address stays the same for ever."""
    del request
    holder = Holder(HolderKind.OPERATOR, viewer.operator_id)
    return redirect(make_link(viewer.tenant_id, parse_uid(uid), holder).path)


def refuse(request: HttpRequest, refused: HailgateError) -> HttpResponse:
    """The field is not named to a person who sees it."""
    field = f"{refused.field}: " if isinstance(refused, InputError) and refused.field else ""
    return render(request, "console/_problem.html", {"problem": refused.detail.removeprefix(field)}, status=422)


def show_sent(request: HttpRequest, viewer: CurrentOperator, uid: str, event: str, **more: object) -> HttpResponse:
    thread = queries.read_thread(
        viewer, get_conversation(viewer, uid), since=queries.read_place(request.POST.get("since", ""))
    )
    answer = _messages(request, thread, **more)
    answer["HX-Trigger-After-Swap"] = event
    return answer


def get_conversation(viewer: CurrentOperator, uid: str) -> Conversation:
    found = queries.find_conversation(viewer, parse_uid(uid))
    if found is None:
        raise Http404
    return found


def _page(request: HttpRequest, viewer: CurrentOperator, conversation: Conversation | None) -> HttpResponse:
    wanted = queries.read_wanted(request.GET.dict())
    context = {
        "section": "conversations",
        "listing": queries.list_conversations(viewer, wanted),
        "wanted": wanted,
        "filters": _filters(),
        "unread": queries.count_unread(viewer),
        "paused": queries.list_paused(viewer),
        **(_pane(viewer, conversation) if conversation else {}),
    }
    return render(request, "console/inbox.html", context)


def _pane(viewer: CurrentOperator, conversation: Conversation) -> dict[str, object]:
    thread = queries.read_thread(viewer, conversation)
    limit = replies.text_limit_of(get_provider(conversation.channel.provider).capabilities.kinds)
    return {
        "text_limit": limit,
        "longest_text": limit * replies.MOST_PARTS,
        "thread": thread,
        "heading": thread.heading,
        "open": thread.heading.uid,
        "draft": uuid7().hex,
        "emojis": EMOJIS,
    }


def _messages(request: HttpRequest, thread: queries.Thread, **more: object) -> HttpResponse:
    return render(request, "console/_messages.html", {"thread": thread, "heading": thread.heading, **more})


def _handed(request: HttpRequest, viewer: CurrentOperator, uid: str, outcome: str) -> HttpResponse:
    conversation = get_conversation(viewer, uid)
    log.info(Event.CONVERSATION_HANDED_OVER, conversation=str(conversation.uid), outcome=outcome)
    return show_pane(request, viewer, uid)


def show_pane(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """The thread with what stands beside it, as it is now."""
    return render(request, "console/_pane.html", _pane(viewer, get_conversation(viewer, uid)))


def _filters() -> list[tuple[str, str]]:
    words = _("All"), _("Unread"), _("Mine"), _("Have written"), _("Assistant")
    return list(zip(queries.FILTERS, words, strict=True))
