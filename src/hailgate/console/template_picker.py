"""Templates for an answer: chosen, filled in with a preview that follows, and sent."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST

from hailgate.accounts.operators import CurrentOperator
from hailgate.console.inbox import reply, views
from hailgate.console.inbox.formatting import render_formatting
from hailgate.console.sign_in.access import parse_uid, signed_in
from hailgate.core.errors import HailgateError
from hailgate.core.templates import preview_template
from hailgate.messaging.models import Conversation
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.sqlite_writer import write
from hailgate.messaging.templates.lookup import Sendable, get_sendable, list_sendable

LONGEST_VALUE = 1_024


@require_GET
@signed_in
def list_templates(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    conversation = views.get_conversation(viewer, uid)
    found = [(each, each.definition.face.body) for each in list_sendable(viewer.tenant_id, conversation.channel_id)]
    return render(request, "console/_templates.html", {"templates": found, "conversation": conversation.uid.hex})


@require_GET
@signed_in
def show_template(request: HttpRequest, viewer: CurrentOperator, uid: str, template: str) -> HttpResponse:
    """Its form, with what it says."""
    conversation = views.get_conversation(viewer, uid)
    chosen = _chosen(viewer, conversation, template)
    context = {
        "chosen": chosen,
        "conversation": conversation.uid.hex,
        "shown": _preview(chosen, {}),
        "draft": uuid7().hex,
    }
    return render(request, "console/_template.html", context)


@require_POST
@signed_in
def preview(request: HttpRequest, viewer: CurrentOperator, uid: str, template: str) -> HttpResponse:
    conversation = views.get_conversation(viewer, uid)
    chosen = _chosen(viewer, conversation, template)
    return render(request, "console/_filled.html", {"shown": _preview(chosen, _values(request, chosen))})


@require_POST
@signed_in
def send(request: HttpRequest, viewer: CurrentOperator, uid: str, template: str) -> HttpResponse:
    conversation = views.get_conversation(viewer, uid)
    chosen = _chosen(viewer, conversation, template)
    form = reply.Filled(request.POST.get("draft", ""), chosen.uid, _values(request, chosen))
    try:
        write(reply.send_template, viewer, conversation, form, settings.MESSAGE_LIFE_S)
    except HailgateError as refused:
        return views.refuse(request, refused)
    return views.show_sent(request, viewer, uid, "sent")


def _chosen(viewer: CurrentOperator, conversation: Conversation, template: str) -> Sendable:
    return get_sendable(viewer.tenant_id, conversation.channel_id, parse_uid(template))


def _values(request: HttpRequest, chosen: Sendable) -> dict[str, str]:
    return {variable.key: request.POST.get(variable.key, "")[:LONGEST_VALUE] for variable in chosen.variables}


def _preview(chosen: Sendable, values: dict[str, str]) -> dict[str, str | SafeString | tuple[str, ...]]:
    shown = preview_template(chosen.definition, values)
    header = shown.header or shown.header_kind
    return {"header": header, "html": render_formatting(shown.body), "footer": shown.footer, "buttons": shown.buttons}
