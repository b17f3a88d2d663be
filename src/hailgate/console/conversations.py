"""The inbox: conversations on the left, one of them beside it, and what an operator does there."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from hailgate.accounts.audit import Action, Deed, audited, operator_of
from hailgate.accounts.holders import Holder, HolderKind
from hailgate.accounts.operators import Viewer
from hailgate.assistant import ASSISTANTS, find_assistant
from hailgate.console import inbox, replying
from hailgate.console.access import is_partial, parse_uid, signed_in
from hailgate.console.formatting import render_formatting
from hailgate.console.timeline import tell_timeline
from hailgate.core.errors import HailgateError, InputError, NotFound
from hailgate.messaging.ids import uuid7
from hailgate.messaging.media import make_link
from hailgate.messaging.models import Conversation, Message
from hailgate.messaging.writing import write
from hailgate.telemetry import Event, log

LONGEST_PREVIEW = 4_096
# WhatsApp's own first row.
EMOJIS = ("👍", "❤️", "😂", "😮", "😢", "🙏")


@require_GET
@signed_in
def show_inbox(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """The whole page, with no conversation open."""
    return _page(request, viewer, None)


@require_GET
@signed_in
def show_list(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """The list alone: searched, filtered, or looked at again because something happened."""
    wanted = inbox.read_wanted(request.GET.dict())
    context = {
        "listing": inbox.list_conversations(viewer, wanted),
        "wanted": wanted,
        "open": request.GET.get("open", ""),
        "unread": inbox.count_unread(viewer),
        "oob": True,
    }
    return render(request, "console/_rows.html", context)


@require_GET
@signed_in
def show_conversation(request: HttpRequest, viewer: Viewer, uid: str) -> HttpResponse:
    """The whole page, or the pane with the thread alone. Whoever opens it has seen it."""
    conversation = get_conversation(viewer, uid)
    write(inbox.note_seen, viewer, conversation)
    if is_partial(request):
        return render(request, "console/_pane.html", _pane(viewer, conversation))
    return _page(request, viewer, conversation)


@require_GET
@signed_in
def show_messages(request: HttpRequest, viewer: Viewer, uid: str) -> HttpResponse:
    """The messages alone: again because something happened, or older ones above them."""
    conversation = get_conversation(viewer, uid)
    if "seen" in request.GET:
        write(inbox.note_seen, viewer, conversation)
    places = {name: inbox.read_place(request.GET.get(name, "")) for name in ("before", "since")}
    thread = inbox.read_thread(viewer, conversation, **places)
    return _messages(request, thread, older_page=places["before"] is not None)


@require_POST
@signed_in
def reply(request: HttpRequest, viewer: Viewer, uid: str) -> HttpResponse:
    """Answers with the messages as they are now, or with the sentence that says why not."""
    conversation = get_conversation(viewer, uid)
    given = (request.POST.get(name, "") for name in ("draft", "body", "attachment", "quoted"))
    draft = replying.Draft(*given)
    try:
        write(replying.reply, viewer, conversation, draft, settings.MESSAGE_LIFE_S)
    except HailgateError as refused:
        return refuse(request, refused)
    return show_sent(request, viewer, uid, "replied", draft=uuid7().hex)


@require_POST
@signed_in
def react(request: HttpRequest, viewer: Viewer, uid: str) -> HttpResponse:
    conversation = get_conversation(viewer, uid)
    message, emoji = request.POST.get("message", ""), request.POST.get("emoji") or request.POST.get("other", "")
    try:
        write(replying.react, viewer, conversation, message, emoji, settings.MESSAGE_LIFE_S)
    except HailgateError as refused:
        return refuse(request, refused)
    return show_sent(request, viewer, uid, "sent")


@require_POST
@signed_in
def preview(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """A draft as the person will see it."""
    del viewer
    html = render_formatting(request.POST.get("body", "")[:LONGEST_PREVIEW].strip())
    return render(request, "console/_preview.html", {"html": html})


@require_POST
@signed_in
def take_over(request: HttpRequest, viewer: Viewer, uid: str) -> HttpResponse:
    conversation = get_conversation(viewer, uid)
    deed = Deed(
        operator_of(viewer), viewer.tenant_id, Action.CONVERSATION_TAKEN_OVER, f"conversation:{conversation.uid}"
    )
    write(audited, deed, replying.take_over, viewer, conversation)
    return _handed(request, viewer, uid, "person")


@require_POST
@signed_in
def give_back(request: HttpRequest, viewer: Viewer, uid: str) -> HttpResponse:
    """To the channel's own assistant; where a person answers the channel, to the first one that is installed."""
    conversation = get_conversation(viewer, uid)
    assistant = find_assistant(conversation.channel.answered_by) or ASSISTANTS[0]
    deed = Deed(
        operator_of(viewer), viewer.tenant_id, Action.CONVERSATION_GIVEN_BACK, f"conversation:{conversation.uid}"
    )
    write(audited, deed, replying.give_back, viewer, conversation, assistant.name)
    return _handed(request, viewer, uid, "assistant")


@require_GET
@signed_in
def show_timeline(request: HttpRequest, viewer: Viewer, uid: str) -> HttpResponse:
    """Everything that happened to one message."""
    known = Message.objects.filter(tenant_id=viewer.tenant_id, uid=parse_uid(uid))
    message = known.select_related("channel", "conversation").first()
    if message is None:
        raise Http404
    return render(request, "console/_timeline.html", {"message": message, "timeline": tell_timeline(message)})


@require_GET
@signed_in
def show_file(request: HttpRequest, viewer: Viewer, uid: str) -> HttpResponse:
    """A link that lives five minutes, made when a page wants the file: its own address stays the same for ever."""
    del request
    try:
        holder = Holder(HolderKind.OPERATOR, viewer.operator_id)
        return redirect(make_link(viewer.tenant_id, parse_uid(uid), holder).path)
    except NotFound:
        raise Http404 from None


def refuse(request: HttpRequest, refused: HailgateError) -> HttpResponse:
    """The field is not named to a person who sees it."""
    field = f"{refused.field}: " if isinstance(refused, InputError) and refused.field else ""
    return render(request, "console/_problem.html", {"problem": refused.detail.removeprefix(field)}, status=422)


def show_sent(request: HttpRequest, viewer: Viewer, uid: str, event: str, **more: object) -> HttpResponse:
    thread = inbox.read_thread(
        viewer, get_conversation(viewer, uid), since=inbox.read_place(request.POST.get("since", ""))
    )
    answer = _messages(request, thread, **more)
    answer["HX-Trigger-After-Swap"] = event
    return answer


def get_conversation(viewer: Viewer, uid: str) -> Conversation:
    found = inbox.find_conversation(viewer, parse_uid(uid))
    if found is None:
        raise Http404
    return found


def _page(request: HttpRequest, viewer: Viewer, conversation: Conversation | None) -> HttpResponse:
    wanted = inbox.read_wanted(request.GET.dict())
    context = {
        "section": "conversations",
        "listing": inbox.list_conversations(viewer, wanted),
        "wanted": wanted,
        "filters": _filters(),
        "unread": inbox.count_unread(viewer),
        **(_pane(viewer, conversation) if conversation else {}),
    }
    return render(request, "console/inbox.html", context)


def _pane(viewer: Viewer, conversation: Conversation) -> dict[str, object]:
    thread = inbox.read_thread(viewer, conversation)
    return {
        "thread": thread,
        "heading": thread.heading,
        "open": thread.heading.uid,
        "draft": uuid7().hex,
        "emojis": EMOJIS,
    }


def _messages(request: HttpRequest, thread: inbox.Thread, **more: object) -> HttpResponse:
    return render(request, "console/_messages.html", {"thread": thread, "heading": thread.heading, **more})


def _handed(request: HttpRequest, viewer: Viewer, uid: str, outcome: str) -> HttpResponse:
    conversation = get_conversation(viewer, uid)
    log.info(Event.CONVERSATION_HANDED_OVER, conversation=str(conversation.uid), outcome=outcome)
    return render(request, "console/_pane.html", _pane(viewer, conversation))


def _filters() -> list[tuple[str, str]]:
    return [("all", _("All")), ("unread", _("Unread")), ("mine", _("Mine")), ("assistant", _("Assistant"))]
