"""Who is one person: what was told, what waits for somebody's word, and what an operator does about it."""

from collections.abc import Callable
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_GET, require_POST

from hailgate.accounts.audit import AuditAction, AuditRecord, audited, operator_of
from hailgate.accounts.operators import CurrentOperator
from hailgate.console.inbox.queries import LONGEST_SEARCH, read_place
from hailgate.console.inbox.views import get_conversation, refuse, show_pane
from hailgate.console.people import queries
from hailgate.console.sign_in.access import parse_uid, signed_in
from hailgate.core.content import clean_text
from hailgate.core.errors import Conflict, InputError, NotFound
from hailgate.core.uids import find_uid
from hailgate.messaging.people.byhand import dismiss_suggestion, join_by_hand, name_contact, take_suggestion, undo_join
from hailgate.messaging.people.consent_by_hand import LONGEST_PROOF, choose_by_hand
from hailgate.messaging.store.sqlite_writer import write

_NOTES: Final = {
    "joined": gettext_noop("They are one person now."),
    "parted": gettext_noop("They are two people again."),
    "two": gettext_noop("They stay two people, and it is not asked again."),
    "waits": gettext_noop("A message of theirs is being sent at this moment: it is done as soon as that has ended."),
    "late": gettext_noop("That had been decided already."),
}


@require_GET
@signed_in
def show_people(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    show, contact = request.GET.get("show", "all"), find_uid(request.GET.get("contact", ""))
    page = queries.list_joins(viewer.tenant_id, show, contact, read_place(request.GET.get("before", "")))
    note = _NOTES.get(request.GET.get("said", ""))
    context = {
        "section": "people",
        "page": page,
        "show": show if show in queries.SHOWN else "all",
        "contact": contact.hex if contact else "",
        "asked": queries.count_asked(viewer.tenant_id),
        "note": _(note) if note else "",
    }
    return render(request, "console/people.html", context)


@require_POST
@signed_in
def join(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """What was asked is so."""
    del request
    return _decide(viewer, AuditAction.PEOPLE_JOINED, uid, take_suggestion, "joined")


@require_POST
@signed_in
def dismiss(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """What was asked is not so."""
    del request
    return _decide(viewer, AuditAction.PEOPLE_DISMISSED, uid, dismiss_suggestion, "two")


@require_POST
@signed_in
def undo(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    del request
    return _decide(viewer, AuditAction.PEOPLE_PARTED, uid, undo_join, "parted")


@require_POST
@signed_in
def join_contacts(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    """Two of whom nothing proves that they are one, on somebody's word."""
    one, other = (parse_uid(request.POST.get(name, "")) for name in ("one", "other"))
    deed = _deed(viewer, AuditAction.PEOPLE_JOINED, f"contact:{one}")
    return _done("joined", deed, join_by_hand, viewer.tenant_id, one, other, viewer.name)


def _decide(
    viewer: CurrentOperator, action: AuditAction, join_uid: str, act: Callable[..., Any], said: str
) -> HttpResponse:
    uid = parse_uid(join_uid)
    return _done(said, _deed(viewer, action, f"join:{uid}"), act, viewer.tenant_id, uid, viewer.name)


def _done(said: str, deed: AuditRecord, act: Callable[..., Any], *given: Any) -> HttpResponse:
    """Back to the list, which says what came of it. Raises Http404."""
    try:
        if write(audited, deed, act, *given) is False:
            said = "waits"
    except NotFound:
        raise Http404 from None
    except (Conflict, InputError):
        said = "late"
    return redirect(f"{reverse('console:people')}?said={said}")


@require_GET
@signed_in
def pick(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """Whom the person of a conversation is one with: looked for by name or number."""
    conversation = get_conversation(viewer, uid)
    words = clean_text(request.GET.get("q", "").strip()[:LONGEST_SEARCH])
    context = {
        "uid": uid,
        "one": conversation.contact.uid.hex,
        "words": words,
        "found": queries.find_people(viewer.tenant_id, words, conversation.contact_id),
    }
    return render(request, "console/_found.html" if "q" in request.GET else "console/_pick.html", context)


@require_POST
@signed_in
def name(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """What the team calls the person of a conversation; empty for what they call themselves."""
    contact = get_conversation(viewer, uid).contact.uid
    deed = _deed(viewer, AuditAction.CONTACT_NAMED, f"contact:{contact}")
    write(audited, deed, name_contact, viewer.tenant_id, contact, clean_text(request.POST.get("name", "")))
    return show_pane(request, viewer, uid)


@require_GET
@signed_in
def show_consent(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """What the person of a conversation chose, since when and by what proof."""
    return _consent(request, viewer, uid)


@require_POST
@signed_in
def choose(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """What they told an operator otherwise."""
    contact = get_conversation(viewer, uid).contact.uid
    scope, wanted = request.POST.get("scope", ""), request.POST.get("wanted") == "yes"
    proof = clean_text(request.POST.get("proof", "").strip()[:LONGEST_PROOF])
    detail = f"{scope[:20]} {'wanted' if wanted else 'not wanted'}"
    deed = _deed(viewer, AuditAction.CONSENT_TAKEN, f"contact:{contact}", detail)
    try:
        write(audited, deed, choose_by_hand, viewer.tenant_id, contact, scope, wanted, proof)
    except InputError as refused:
        return refuse(request, refused)
    return _consent(request, viewer, uid)


def _consent(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    conversation = get_conversation(viewer, uid)
    consents = queries.list_consents(viewer.tenant_id, conversation.contact.uid)
    context = {"uid": conversation.uid.hex, "consents": consents, "longest": LONGEST_PROOF}
    return render(request, "console/_consent.html", context)


def _deed(viewer: CurrentOperator, action: AuditAction, subject: str, detail: str = "") -> AuditRecord:
    return AuditRecord(operator_of(viewer), viewer.tenant_id, action, subject, detail)
