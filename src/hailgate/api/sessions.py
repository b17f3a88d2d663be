"""Sessions: pairing a channel with its phone. A code is shown on request alone, and each time that is on record."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router

from hailgate.accounts.audit import AuditAction, AuditRecord, audited
from hailgate.api.access import actor_of, parse_id, tenant_of
from hailgate.api.schemas.sessions import PairingCodeOut, SessionOut, SessionWishIn
from hailgate.core.errors import NotFound
from hailgate.core.sessions import SessionWish
from hailgate.messaging.channels.session_views import find_code, find_session
from hailgate.messaging.channels.sessions import confirm_number, wish_session
from hailgate.messaging.models import Channel
from hailgate.messaging.store.sqlite_writer import write
from hailgate.messaging.work.leases import any_alive

router = Router(tags=["Sessions"])


@router.get("/channels/{channel_id}/session", response=SessionOut, operation_id="get_session")
def get_session(request: HttpRequest, channel_id: str) -> dict[str, Any]:
    """How it stands, by the last look at it; an open one is looked at every half minute."""
    return _shown(_channel_of(request, channel_id))


@router.post("/channels/{channel_id}/session", response=SessionOut, operation_id="change_session")
def change_session(request: HttpRequest, channel_id: str, body: SessionWishIn) -> dict[str, Any]:
    """Ask for it to be paired, opened, closed, logged out or deleted. A worker carries it out: see the state."""
    channel = _channel_of(request, channel_id)
    deed = AuditRecord(
        actor_of(request), channel.tenant_id, AuditAction.SESSION_WISHED, f"channel:{channel.uid}", body.wish
    )
    write(audited, deed, wish_session, channel, SessionWish(body.wish), body.phone or "")
    return _shown(channel)


@router.get("/channels/{channel_id}/session/code", response=PairingCodeOut, operation_id="get_pairing_code")
def get_pairing_code(request: HttpRequest, response: HttpResponse, channel_id: str) -> dict[str, Any]:
    """The code to scan or to type, while there is one: ask for pairing first, then every few seconds.

    Whoever has it can read the phone's messages: it is stored nowhere but here, and not for longer than it lives.
    """
    channel = _channel_of(request, channel_id)
    deed = AuditRecord(actor_of(request), channel.tenant_id, AuditAction.SESSION_CODE_SHOWN, f"channel:{channel.uid}")
    code = find_code(channel.tenant_id, channel.pk)
    if code is None:
        raise NotFound("there is no code to show now", code="no_pairing_code")
    write(audited, deed, lambda: True)
    response["Cache-Control"] = "no-store"
    return {"code": code.value, "kind": "text" if code.typed else "qr", "expires_at": code.until}


@router.post("/channels/{channel_id}/session/confirm", response=SessionOut, operation_id="confirm_number")
def confirm(request: HttpRequest, channel_id: str) -> dict[str, Any]:
    """Say that the phone which was paired is the right one, though another was expected."""
    channel = _channel_of(request, channel_id)
    deed = AuditRecord(
        actor_of(request), channel.tenant_id, AuditAction.SESSION_NUMBER_CONFIRMED, f"channel:{channel.uid}"
    )
    if not write(audited, deed, confirm_number, channel):
        raise NotFound("no number waits to be confirmed")
    return _shown(channel)


def _channel_of(request: HttpRequest, channel_id: str) -> Channel:
    found = Channel.objects.filter(tenant_id=tenant_of(request), uid=parse_id(channel_id)).first()
    if found is None:
        raise NotFound
    return found


def _shown(channel: Channel) -> dict[str, Any]:
    view = find_session(channel.tenant_id, channel.pk)
    if view is None:
        raise NotFound("this channel has no session; ask for one with a POST")
    return {
        "state": view.state.value,
        "wish": view.wish.value,
        "since": view.since,
        "number": view.number or None,
        "unconfirmed_number": view.unconfirmed or None,
        "detail": view.detail or None,
        "has_code": view.has_code,
        "worker_running": any_alive(),
    }
