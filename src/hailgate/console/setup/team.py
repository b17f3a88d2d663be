"""The team of a tenant, and its API keys. An owner manages their own tenant's alone.

An operator may work for several tenants. What one tenant's owner does here never opens another's: no link is made for
somebody who works elsewhere too, and whoever leaves keeps what they have elsewhere.
"""

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from hailgate.accounts.audit import AuditAction, audited
from hailgate.accounts.keys import add_key, check_name, revoke_key
from hailgate.accounts.models import ApiKey, Operator
from hailgate.accounts.operators import CurrentOperator
from hailgate.accounts.team import add_colleague, change_role, find_team, let_go, make_link_for
from hailgate.console.setup.subjects import deed_of
from hailgate.console.sign_in.access import owners_only, parse_uid
from hailgate.core.errors import HailgateError
from hailgate.messaging.store.sqlite_writer import write


@require_http_methods(["GET", "POST"])
@owners_only
@never_cache
def show_team(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    """Who works here. Whoever is new comes in by a link, which is shown this once."""
    context: dict[str, Any] = {}
    if request.method == "POST":
        try:
            context["link"] = write(_add_colleague, viewer, request.POST.dict())
        except HailgateError as refused:
            context |= {"problem": refused.detail, "typed": request.POST}
    context |= {"section": "team", "team": find_team(viewer.tenant_id)}
    return render(request, "console/team.html", context, status=422 if "problem" in context else 200)


@require_POST
@owners_only
@never_cache
def change_colleague(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """Another role, out, or a new link for somebody who has no other way in."""
    found = Operator.objects.filter(uid=parse_uid(uid), memberships__tenant_id=viewer.tenant_id).first()
    if found is None:
        raise Http404
    context: dict[str, Any] = {}
    try:
        context["link"] = write(_change_colleague, viewer, found, request.POST.get("what", ""))
    except HailgateError as refused:
        context["problem"] = refused.detail
    if not any(context.values()):
        return redirect("console:team")
    context |= {"section": "team", "team": find_team(viewer.tenant_id)}
    return render(request, "console/team.html", context, status=422 if "problem" in context else 200)


@require_http_methods(["GET", "POST"])
@owners_only
@never_cache
def show_keys(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    """A new key is shown this once and stored only as a digest."""
    context: dict[str, Any] = {}
    if request.method == "POST":
        try:
            context["made"] = write(_add_key, viewer, request.POST.get("name", ""))
        except HailgateError as refused:
            context["problem"] = refused.detail
    keys = ApiKey.objects.filter(tenant_id=viewer.tenant_id, revoked_at=None).order_by("id")
    context |= {"section": "keys", "keys": keys}
    return render(request, "console/keys.html", context, status=422 if "problem" in context else 200)


@require_POST
@owners_only
def revoke(request: HttpRequest, viewer: CurrentOperator, prefix: str) -> HttpResponse:
    """Processes notice within five seconds."""
    del request
    deed = deed_of(viewer, AuditAction.KEY_REVOKED, f"key:{prefix}")
    if not write(audited, deed, revoke_key, viewer.tenant_id, prefix):
        raise Http404
    return redirect("console:keys")


def _add_colleague(viewer: CurrentOperator, form: dict[str, str]) -> str:
    """The address of a link, empty where they sign in as they do elsewhere already."""
    role = form.get("role", "")
    _, token = audited(
        lambda added: deed_of(viewer, AuditAction.OPERATOR_ADDED, f"operator:{added[0].uid}", role),
        add_colleague,
        viewer.tenant_id,
        form.get("email", ""),
        form.get("name", ""),
        role,
    )
    return _address_of(token)


def _change_colleague(viewer: CurrentOperator, found: Operator, what: str) -> str:
    subject = f"operator:{found.uid}"
    match what:
        case "owner" | "agent":
            deed = deed_of(viewer, AuditAction.OPERATOR_CHANGED, subject, what)
            audited(deed, change_role, viewer.tenant_id, found, what)
        case "out":
            audited(deed_of(viewer, AuditAction.OPERATOR_SHUT_OUT, subject), let_go, viewer.tenant_id, found)
        case "link":
            deed = deed_of(viewer, AuditAction.OPERATOR_LINKED, subject)
            return _address_of(audited(deed, make_link_for, viewer.tenant_id, found))
        case _:
            raise Http404
    return ""


def _add_key(viewer: CurrentOperator, name: str) -> str:
    made = audited(
        lambda made: deed_of(viewer, AuditAction.KEY_MADE, f"key:{made.key.split('_')[1]}", name),
        add_key,
        viewer.tenant_id,
        check_name(name),
    )
    return made.key


def _address_of(token: str) -> str:
    return f"{settings.REACHED_AT}{reverse('console:sign-in-by-link', args=[token])}" if token else ""
