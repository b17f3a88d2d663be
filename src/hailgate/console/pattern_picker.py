"""Patterns in the console: kept by owners, and chosen for an answer, filled in and put into its box."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from hailgate.accounts.audit import AuditAction, audited
from hailgate.accounts.operators import CurrentOperator
from hailgate.console.inbox import views
from hailgate.console.setup.subjects import deed_of
from hailgate.console.sign_in.access import owners_only, signed_in
from hailgate.core.errors import HailgateError
from hailgate.core.patterns import LONGEST_VALUE, StandingPattern, fill_pattern
from hailgate.messaging.assistants.patterns import list_patterns, remove_pattern, set_pattern
from hailgate.messaging.store.sqlite_writer import write


@require_GET
@owners_only
@never_cache
def show_patterns(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    return _render(request, viewer)


@require_POST
@owners_only
@never_cache
def change_pattern(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    """Set, or taken away where its text is left empty."""
    given = {name: request.POST.get(name, "").replace("\r\n", "\n").strip() for name in ("name", "language", "text")}
    place = (given["name"], given["language"])
    action = AuditAction.PATTERN_SET if given["text"] else AuditAction.PATTERN_REMOVED
    deed = deed_of(viewer, action, f"pattern:{given['name'][:40]}", given["language"][:6])
    try:
        if given["text"]:
            write(audited, deed, set_pattern, viewer.tenant_id, *place, given["text"])
        else:
            write(audited, deed, remove_pattern, viewer.tenant_id, *place)
    except HailgateError as refused:
        return _render(request, viewer, problem=refused.detail, typed=given)
    return redirect("console:patterns")


@require_GET
@signed_in
def choose_pattern(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    conversation = views.get_conversation(viewer, uid)
    context = {"patterns": list_patterns(viewer.tenant_id), "conversation": conversation.uid.hex}
    return render(request, "console/_patterns.html", context)


@require_GET
@signed_in
def show_pattern(request: HttpRequest, viewer: CurrentOperator, uid: str, place: str) -> HttpResponse:
    """Its form: a field for each variable."""
    conversation = views.get_conversation(viewer, uid)
    context = {"chosen": _chosen(viewer, place), "conversation": conversation.uid.hex}
    return render(request, "console/_pattern.html", context)


@require_POST
@signed_in
def insert_pattern(request: HttpRequest, viewer: CurrentOperator, uid: str, place: str) -> HttpResponse:
    """Filled in, for the answer's box: it is sent from there, as any other text."""
    views.get_conversation(viewer, uid)
    chosen = _chosen(viewer, place)
    values = {variable: request.POST.get(variable, "")[:LONGEST_VALUE] for variable in chosen.variables}
    try:
        filled = fill_pattern(chosen.text, values)
    except HailgateError as refused:
        return views.refuse(request, refused)
    return render(request, "console/_pattern_filled.html", {"filled": filled})


def _chosen(viewer: CurrentOperator, place: str) -> StandingPattern:
    for each in list_patterns(viewer.tenant_id):
        if each.place == place:
            return each
    raise Http404


def _render(request: HttpRequest, viewer: CurrentOperator, **more: object) -> HttpResponse:
    context = {"section": "patterns", "patterns": list_patterns(viewer.tenant_id), **more}
    return render(request, "console/patterns.html", context, status=422 if "problem" in more else 200)
