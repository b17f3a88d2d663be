"""Assistants of a tenant: who they are, what they may spend and did spend, their versions, and trying one out."""

import asyncio
import json
import threading
import time
from typing import Any, Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from hailgate.accounts.audit import AuditAction, audited, operator_of
from hailgate.accounts.operators import CurrentOperator
from hailgate.assistant.try_out import said_by, try_out
from hailgate.console.assistants.forms import changes_of, fields_of
from hailgate.console.setup.subjects import deed_of
from hailgate.console.sign_in.access import owners_only
from hailgate.core.errors import HailgateError
from hailgate.core.money import format_amount
from hailgate.messaging.assistants.budgets import (
    BudgetKey,
    StandingBudget,
    list_standing_budgets,
    remove_budget,
    set_budget,
)
from hailgate.messaging.assistants.floods import count_floods, list_flood_rules
from hailgate.messaging.assistants.patterns import list_patterns
from hailgate.messaging.assistants.registry import (
    draft_version,
    get_version,
    list_assistants,
    list_versions,
    publish_version,
    read_settings,
    switch_assistant,
)
from hailgate.messaging.assistants.stopping import find_stop
from hailgate.messaging.outbound.assistant_stop import resume_by_hand, stop_by_hand
from hailgate.messaging.outbound.costs import ChannelCosts, Tally, month_of, parse_month, tell_costs, tell_days
from hailgate.messaging.store.sqlite_writer import write

LONGEST_QUESTION: Final = 1000
LONGEST_NUMBER: Final = 6
# A try-out starts a process of its own: one at a time is enough for people.
_trying = threading.Semaphore(1)


@require_GET
@owners_only
@never_cache
def show_assistants(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    return _render(request, viewer)


@require_POST
@owners_only
def stop(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    """The kill switch."""
    del request
    stop_by_hand(operator_of(viewer), viewer.tenant_id)
    return redirect("console:assistants")


@require_POST
@owners_only
def resume(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    del request
    resume_by_hand(operator_of(viewer), viewer.tenant_id)
    return redirect("console:assistants")


@require_POST
@owners_only
@never_cache
def change_budget(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    """Set, or taken away where its limit is left empty."""
    given = {name: request.POST.get(name, "").strip() for name in ("subject", "period", "unit", "most", "currency")}
    key = BudgetKey(given["subject"], given["period"], given["unit"])
    try:
        write(_change_budget, viewer, key, given["most"], given["currency"])
    except HailgateError as refused:
        return _render(request, viewer, problem=refused.detail, typed=given)
    return redirect("console:assistants")


@require_GET
@owners_only
@never_cache
def show_assistant(request: HttpRequest, viewer: CurrentOperator, name: str) -> HttpResponse:
    return _render_one(request, viewer, name)


@require_POST
@owners_only
@never_cache
def draft(request: HttpRequest, viewer: CurrentOperator, name: str) -> HttpResponse:
    """A new version; what answers stays until it is published."""
    latest = list_versions(viewer.tenant_id, name)[0]
    changes = changes_of(read_settings(latest), request.POST.dict())
    deed = deed_of(viewer, AuditAction.ASSISTANT_DRAFTED, f"assistant:{name}")
    try:
        if changes:
            write(audited, deed, draft_version, viewer.tenant_id, name, changes)
    except HailgateError as refused:
        return _render_one(request, viewer, name, problem=refused.detail)
    return redirect("console:assistant", name=name)


@require_POST
@owners_only
@never_cache
def publish(request: HttpRequest, viewer: CurrentOperator, name: str) -> HttpResponse:
    number = _number(request)
    deed = deed_of(viewer, AuditAction.ASSISTANT_PUBLISHED, f"assistant:{name}", f"version {number}")
    try:
        write(audited, deed, publish_version, viewer.tenant_id, name, number)
    except HailgateError as refused:
        return _render_one(request, viewer, name, problem=refused.detail)
    return redirect("console:assistant", name=name)


@require_POST
@owners_only
def switch(request: HttpRequest, viewer: CurrentOperator, name: str) -> HttpResponse:
    active = request.POST.get("state") == "on"
    deed = deed_of(viewer, AuditAction.ASSISTANT_SWITCHED, f"assistant:{name}", "on" if active else "off")
    write(audited, deed, _switch, viewer.tenant_id, name, active)
    return redirect("console:assistant", name=name)


@require_POST
@owners_only
@never_cache
def try_it(request: HttpRequest, viewer: CurrentOperator, name: str) -> HttpResponse:
    """One question to one version: nothing is sent to anybody, the model's vendor is paid."""
    version = get_version(viewer.tenant_id, name, _number(request))
    asked = request.POST.get("text", "").strip()[:LONGEST_QUESTION]
    if not asked:
        return _render_one(request, viewer, name, problem=_("Write a sentence to try it with."))
    if not _trying.acquire(blocking=False):
        return _render_one(request, viewer, name, problem=_("Somebody else tries an assistant out. Wait a moment."))
    try:
        patterns = tuple(list_patterns(viewer.tenant_id))
        answer = asyncio.run(try_out(name, read_settings(version), asked, settings.PRIVATE_TARGETS, patterns))
    except HailgateError as failed:
        return _render_one(request, viewer, name, problem=f"{failed.detail} ({failed.code})")
    finally:
        _trying.release()
    tried = {"version": version.number, "asked": asked, "said": said_by(answer), "answer": answer}
    return _render_one(request, viewer, name, tried=tried)


def _render(request: HttpRequest, viewer: CurrentOperator, **more: Any) -> HttpResponse:
    tenant_id, month = viewer.tenant_id, month_of(time.time())
    span = parse_month(month)
    context = {
        "section": "assistants",
        "assistants": [_shown(each) for each in list_assistants(tenant_id)],
        "stopped": find_stop(tenant_id),
        "budgets": [_budget(each) for each in list_standing_budgets(tenant_id)],
        "month": month,
        "costs": [_channel(each) for each in tell_costs(tenant_id, span)],
        "days": json.dumps(tell_days(tenant_id, span)),
        "rules": list_flood_rules(tenant_id),
        "floods": count_floods(tenant_id),
        **more,
    }
    return render(request, "console/assistants.html", context, status=422 if "problem" in more else 200)


def _render_one(request: HttpRequest, viewer: CurrentOperator, name: str, **more: Any) -> HttpResponse:
    versions = list_versions(viewer.tenant_id, name)
    found = versions[0].assistant
    context = {
        "section": "assistants",
        "assistant": found,
        "versions": [
            {"number": each.number, "at": each.created_at, "live": each.pk == found.live_id, "of": read_settings(each)}
            for each in versions
        ],
        "fields": fields_of(read_settings(versions[0])),
        "typed": request.POST,
        **more,
    }
    return render(request, "console/assistant.html", context, status=422 if "problem" in more else 200)


def _change_budget(viewer: CurrentOperator, key: BudgetKey, most: str, currency: str) -> None:
    subject = f"budget:{'_'.join(key)}"
    if most:
        audited(
            deed_of(viewer, AuditAction.BUDGET_SET, subject, most), set_budget, viewer.tenant_id, key, most, currency
        )
    else:
        audited(deed_of(viewer, AuditAction.BUDGET_REMOVED, subject), remove_budget, viewer.tenant_id, key)


def _switch(tenant_id: int, name: str, active: bool) -> bool:
    return switch_assistant(tenant_id, name, active=active)


def _number(request: HttpRequest) -> int:
    given = request.POST.get("version", "")
    if not (given.isascii() and given.isdecimal()) or len(given) > LONGEST_NUMBER:
        raise Http404
    return int(given)


def _shown(found: Any) -> dict[str, Any]:
    live = found.live
    return {
        "name": found.name,
        "active": found.active,
        "version": live.number if live else None,
        "model": str(read_settings(live).model or read_settings(live).vendor) if live else "",
    }


def _budget(standing: StandingBudget) -> dict[str, Any]:
    limit, spent, share = standing.limit, standing.spent, standing.share
    return {
        **limit._asdict(),
        "shown": limit.shown,
        "used": None if spent is None else limit._replace(most=spent).shown,
        "share": None if share is None else min(round(share * 100), 100),
    }


def _channel(found: ChannelCosts) -> dict[str, Any]:
    origins = [(origin, _tally(tally)) for origin, tally in sorted(found.origins.items())]
    return {"name": found.name, "whole": _tally(found.whole), "origins": origins}


def _tally(tally: Tally) -> dict[str, Any]:
    costs = " + ".join(f"{format_amount(cost.nanos)} {cost.currency}" for cost in tally.costs)
    return {**tally._asdict(), "costs": costs}
