"""Pairing a channel with its phone: a page that looks after itself. Owners alone see a code, and that is on record."""

import hashlib
from typing import NamedTuple

import segno
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from hailgate.accounts.audit import AuditAction, AuditRecord, audited, operator_of
from hailgate.accounts.operators import CurrentOperator
from hailgate.console.sign_in.access import owners_only, parse_uid
from hailgate.core.errors import InputError
from hailgate.core.sessions import SessionState, SessionWish
from hailgate.messaging.channels.session_views import SessionView, ShownCode, find_code, find_session
from hailgate.messaging.channels.sessions import confirm_number, wish_session
from hailgate.messaging.models import Channel
from hailgate.messaging.store.sqlite_writer import write
from hailgate.messaging.work.leases import any_alive
from hailgate.providers import get_provider


class CodePicture(NamedTuple):
    """``seen`` tells one code from the next without being it."""

    seen: str
    typed: str
    drawn: SafeString | None


@require_GET
@owners_only
@never_cache
def show_session(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    return render(request, "console/session.html", _context(viewer, _channel_of(viewer, uid), ""))


@require_GET
@owners_only
@never_cache
def refresh(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """The part that changes, with the code that there is now."""
    context = _context(viewer, _channel_of(viewer, uid), request.GET.get("seen", ""))
    return render(request, "console/_session.html", context)


@require_POST
@owners_only
def wish(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    channel, wanted = _channel_of(viewer, uid), request.POST.get("wish", "")
    if wanted not in set(SessionWish):
        raise Http404
    deed = _deed(viewer, channel, AuditAction.SESSION_WISHED, wanted)
    try:
        write(audited, deed, wish_session, channel, SessionWish(wanted), request.POST.get("phone", ""))
    except InputError as refused:
        context = {**_context(viewer, channel, ""), "problem": refused.detail}
        return render(request, "console/session.html", context, status=422)
    return redirect("console:session", uid)


@require_POST
@owners_only
def confirm(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """The phone that is paired is the right one."""
    del request
    channel = _channel_of(viewer, uid)
    deed = _deed(viewer, channel, AuditAction.SESSION_NUMBER_CONFIRMED)
    write(audited, deed, confirm_number, channel)
    return redirect("console:session", uid)


def _channel_of(viewer: CurrentOperator, uid: str) -> Channel:
    """One that is paired with a phone at all."""
    found = Channel.objects.filter(tenant_id=viewer.tenant_id, uid=parse_uid(uid), active=True).first()
    if found is None or not get_provider(found.provider).capabilities.pairs_session:
        raise Http404
    return found


def _context(viewer: CurrentOperator, channel: Channel, seen: str) -> dict[str, object]:
    view = find_session(channel.tenant_id, channel.pk)
    return {
        "section": "channels",
        "channel": channel,
        "session": view,
        "able": get_provider(channel.provider).capabilities,
        "word": _word(view),
        "picture": _picture(viewer, channel, seen) if view and view.has_code else None,
        "idle": not any_alive(),
    }


def _picture(viewer: CurrentOperator, channel: Channel, seen: str) -> CodePicture | None:
    """Each code is on record once for whoever is shown it."""
    code = find_code(channel.tenant_id, channel.pk)
    if code is None:
        return None
    picture = _draw(code)
    if picture.seen != seen:
        write(audited, _deed(viewer, channel, AuditAction.SESSION_CODE_SHOWN), lambda: True)
    return picture


def _draw(code: ShownCode) -> CodePicture:
    digest = hashlib.blake2b(code.value.encode(), digest_size=8).hexdigest()
    if code.typed:
        return CodePicture(digest, code.value, None)
    drawn = segno.make(code.value, error="l").svg_inline(omitsize=True, border=4, light="#fff", title=_("Code to scan"))
    return CodePicture(digest, "", mark_safe(drawn))  # noqa: S308 -- made of squares alone


def _word(view: SessionView | None) -> str:
    words = {
        SessionState.OPEN: _("Connected"),
        SessionState.PAIRING: _("Waits for the phone"),
        SessionState.STARTING: _("Starting"),
        SessionState.CLOSED: _("Closed"),
        SessionState.UNPAIRED: _("Not paired"),
    }
    return words[view.state if view else SessionState.UNPAIRED]


def _deed(viewer: CurrentOperator, channel: Channel, action: AuditAction, detail: str = "") -> AuditRecord:
    return AuditRecord(operator_of(viewer), viewer.tenant_id, action, f"channel:{channel.uid}", detail)
