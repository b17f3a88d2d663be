"""What the owner of an installation watches: dead letters, webhook events, channels, and how it all goes."""

from contextlib import suppress
from functools import partial
from typing import Final
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from hailgate.accounts.audit import AuditAction, AuditRecord, audited, operator_of
from hailgate.accounts.operators import CurrentOperator
from hailgate.console.dead_letters import filters
from hailgate.console.dead_letters.queries import find_stopped, find_stopped_text, list_dead_letters
from hailgate.console.inbox import queries as inbox
from hailgate.console.operations import webhook_events
from hailgate.console.operations.audit import list_audit
from hailgate.console.operations.channel_rows import list_channels
from hailgate.console.operations.overview import look_over
from hailgate.console.sign_in.access import owners_only, parse_uid, signed_in
from hailgate.core.errors import Conflict, HailgateError, NotFound
from hailgate.messaging.channels.admin import BY_HAND, pause_channel, resume_channel
from hailgate.messaging.deadletters.dead_letters import describe, revive_all
from hailgate.messaging.deadletters.deeds import Again, dismiss_failures, settle_unknown
from hailgate.messaging.deadletters.edit import edit_and_send_again
from hailgate.messaging.models import WebhookEvent
from hailgate.messaging.store.sqlite_writer import write
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log

MOST_REVIVED: Final = 200
LONGEST_COUNT: Final = 9


@require_GET
@signed_in
def show_dead_letters(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    chosen = filters.read_filter(request.GET)
    before = inbox.read_place(request.GET.get("before", ""))
    context: dict[str, object] = {
        "section": "dead-letters",
        "page": list_dead_letters(viewer.tenant_id, chosen.wanted, before),
        "chosen": chosen,
        "causes": filters.look_at_causes(viewer.tenant_id, chosen),
        "channels": filters.list_channels(viewer.tenant_id),
    }
    if revived := request.GET.get("revived", ""):
        count = int(revived) if revived.isascii() and revived.isdecimal() and len(revived) <= LONGEST_COUNT else 0
        context["note"] = ngettext(
            "%(count)s message will be sent again.", "%(count)s messages will be sent again.", count
        ) % {"count": count}
    return render(request, "console/dead_letters.html", context)


@require_POST
@signed_in
def revive(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    """Those that were ticked, if they still stand."""
    chosen = [parse_uid(uid) for uid in request.POST.getlist("message")[:MOST_REVIVED]]
    works = find_stopped(viewer.tenant_id, chosen)
    deed = AuditRecord(operator_of(viewer), viewer.tenant_id, AuditAction.MESSAGE_REVIVED, _subject("message", chosen))
    count = len(write(audited, deed, _again(viewer).send, viewer.tenant_id, works)) if works else 0
    response = redirect("console:dead-letters")
    response["Location"] += f"?revived={count}"
    return response


@require_POST
@signed_in
def revive_matching(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    """All that have failed and match, at their channels' rates; the unknown ones are ticked one by one."""
    chosen = filters.read_filter(request.POST)._replace(show="dead")
    deed = AuditRecord(
        operator_of(viewer), viewer.tenant_id, AuditAction.MESSAGE_REVIVED, detail=describe(chosen.wanted)
    )
    count = revive_all(viewer.tenant_id, chosen.wanted, partial(audited, deed, _again(viewer).send))
    response = redirect("console:dead-letters")
    response["Location"] += f"?revived={count}"
    return response


@require_GET
@signed_in
def show_edit(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """What a failed text says, to be changed."""
    text = find_stopped_text(viewer.tenant_id, parse_uid(uid))
    if text is None:
        raise Http404
    return render(request, "console/_edit.html", {"uid": uid, "text": text})


@require_POST
@signed_in
def edit(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """Change it, and send it again."""
    message = parse_uid(uid)
    deed = AuditRecord(operator_of(viewer), viewer.tenant_id, AuditAction.MESSAGE_EDITED, f"message:{message}")
    content = {"type": "text", "text": {"body": request.POST.get("body", "")}}
    try:
        write(audited, deed, edit_and_send_again, viewer.tenant_id, message, content)
    except NotFound:
        raise
    except HailgateError as refused:
        return render(request, "console/_problem.html", {"problem": refused.detail}, status=422)
    return HttpResponse(status=204, headers={"HX-Redirect": f"{reverse('console:dead-letters')}?revived=1"})


@require_POST
@signed_in
def dismiss(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    """Those that were ticked are dealt with, and leave the list."""
    chosen = [parse_uid(uid) for uid in request.POST.getlist("message")[:MOST_REVIVED]]
    deed = AuditRecord(
        operator_of(viewer), viewer.tenant_id, AuditAction.FAILURE_DISMISSED, _subject("message", chosen)
    )
    if chosen:
        write(audited, deed, dismiss_failures, viewer.tenant_id, chosen, f"operator:{viewer.uid}")
    return redirect("console:dead-letters")


@require_POST
@signed_in
def settle(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """Somebody has looked at the person's phone, or asked: it arrived, or it did not."""
    message, sent = parse_uid(uid), request.POST.get("sent") == "yes"
    what = "sent" if sent else "not sent"
    deed = AuditRecord(operator_of(viewer), viewer.tenant_id, AuditAction.MESSAGE_SETTLED, f"message:{message}", what)
    with suppress(Conflict):
        write(audited, deed, partial(settle_unknown, sent=sent), viewer.tenant_id, message)
    return redirect("console:dead-letters")


def _again(viewer: CurrentOperator) -> Again:
    return Again(settings.MESSAGE_LIFE_S, f"operator:{viewer.uid}")


def _subject(kind: str, chosen: list[UUID]) -> str:
    """Of many, how many is on record."""
    return f"{kind}:{chosen[0]}" if len(chosen) == 1 else ""


@require_GET
@owners_only
def show_audit(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    before = inbox.read_place(request.GET.get("before", ""))
    page = list_audit(viewer.tenant_id, before)
    return render(request, "console/audit.html", {"section": "audit", "page": page})


@require_GET
@owners_only
def show_events(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    kind = request.GET.get("show", "all")
    before = inbox.read_place(request.GET.get("before", ""))
    page = webhook_events.list_events(viewer.tenant_id, kind, before)
    return render(request, "console/events.html", {"section": "events", "page": page, "kind": kind})


@require_GET
@owners_only
def show_event(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """A webhook as it came, as text."""
    event = WebhookEvent.objects.filter(tenant_id=viewer.tenant_id, uid=parse_uid(uid)).select_related("hook").first()
    if event is None:
        raise Http404
    shown = webhook_events.show_event(event, len(event.body))
    context = {"section": "events", "event": shown, "body": webhook_events.read_body(event)}
    return render(request, "console/_event.html", context)


@require_GET
@signed_in
def show_channels(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    context = {"section": "channels", "channels": list_channels(viewer.tenant_id)}
    return render(request, "console/channels.html", context)


@require_POST
@owners_only
def resume(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """Let a paused channel send again, with its breaker closed."""
    channel = parse_uid(uid)
    deed = AuditRecord(operator_of(viewer), viewer.tenant_id, AuditAction.CHANNEL_RESUMED, f"channel:{channel}")
    if not write(audited, deed, resume_channel, viewer.tenant_id, channel):
        raise Http404
    log.info(Event.CHANNEL_RESUMED, channel=str(channel))
    return redirect(_back(request))


@require_POST
@owners_only
def pause(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """Send nothing until somebody resumes it."""
    channel = parse_uid(uid)
    deed = AuditRecord(operator_of(viewer), viewer.tenant_id, AuditAction.CHANNEL_PAUSED, f"channel:{channel}")
    if not write(audited, deed, pause_channel, viewer.tenant_id, channel):
        raise Http404
    log.warning(Event.CHANNEL_PAUSED, channel=str(channel), code=BY_HAND)
    return redirect(_back(request))


def _back(request: HttpRequest) -> str:
    return "console:queue" if request.POST.get("back") == "queue" else "console:channels"


@require_GET
@signed_in
def show_overview(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    context = {"section": "overview", "overview": look_over(viewer.tenant_id)}
    return render(request, "console/overview.html", context)
