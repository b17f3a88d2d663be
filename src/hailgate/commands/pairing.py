"""`hailgate channel pair` and its like: a channel's phone, from the terminal."""

import time
from typing import TYPE_CHECKING, Any

import click

from hailgate.commands.bootstrap import choose_tenant, deed_of, open_store
from hailgate.commands.output import json_option, moment, print_json, print_note, tell, tenant_option
from hailgate.core.errors import HailgateError

if TYPE_CHECKING:
    from hailgate.messaging.channels.session_views import SessionView, ShownCode
    from hailgate.messaging.models import Channel

LOOK_AGAIN_S = 1.0
NO_WORKER = "No worker is running: start one with `hailgate serve` or `hailgate work`, it does the rest."


@click.command("pair")
@click.argument("id_or_name")
@click.option("--phone", default="", metavar="NUMBER", help="Get a code to type on this phone instead of a QR code.")
@click.option("--wait", default=300.0, show_default=True, metavar="SECONDS", help="How long to wait for the phone.")
@tenant_option
@json_option
def pair(id_or_name: str, phone: str, wait: float, tenant: str | None, *, as_json: bool) -> None:
    """Pair a channel with its phone: shows the code to scan until the phone has taken it.

    On the phone: WhatsApp, Settings, Linked devices, Link a device. With --json each change is a line of its own.
    """
    with open_store():
        from hailgate.core.sessions import SessionWish

        found = _get_channel(tenant, id_or_name)
        _wish(found, SessionWish.PAIR, phone)
        if not _is_worked():
            print_note(NO_WORKER)
        _watch(found, wait, as_json=as_json)


@click.command("connect")
@click.argument("id_or_name")
@tenant_option
@json_option
def connect(id_or_name: str, tenant: str | None, *, as_json: bool) -> None:
    """Keep the session of a channel open, with the login that its server holds."""
    with open_store():
        from hailgate.core.sessions import SessionWish

        found = _get_channel(tenant, id_or_name)
        _wish(found, SessionWish.OPEN)
    tell({"id": str(found.uid), "wish": "open"}, f"The session of {found.name} is brought up.", as_json=as_json)


@click.command("disconnect")
@click.argument("id_or_name")
@click.option("--log-out", "wish", flag_value="log_out", help="Forget the phone, too: it has to be paired again.")
@click.option("--delete", "wish", flag_value="delete", help="Also delete what else the server keeps of the session.")
@tenant_option
@json_option
def disconnect(id_or_name: str, wish: str | None, tenant: str | None, *, as_json: bool) -> None:
    """Close the session of a channel. Messages are still accepted and wait."""
    with open_store():
        from hailgate.core.sessions import SessionWish

        found = _get_channel(tenant, id_or_name)
        wished = SessionWish(wish or SessionWish.CLOSE)
        _wish(found, wished)
    tell({"id": str(found.uid), "wish": wished.value}, f"The session of {found.name} is being closed.", as_json=as_json)


@click.command("confirm-number")
@click.argument("id_or_name")
@tenant_option
@json_option
def confirm(id_or_name: str, tenant: str | None, *, as_json: bool) -> None:
    """Say that the phone which was paired is the right one, though another was expected."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.channels.sessions import confirm_number

        found = _get_channel(tenant, id_or_name)
        deed = deed_of(found.tenant_id, AuditAction.SESSION_NUMBER_CONFIRMED, f"channel:{found.uid}")
        confirmed = audited(deed, confirm_number, found)
    said = f"{found.name} sends from its new number." if confirmed else "No number waits to be confirmed."
    tell({"id": str(found.uid), "confirmed": bool(confirmed)}, said, as_json=as_json)


@click.command("session")
@click.argument("id_or_name")
@tenant_option
@json_option
def session(id_or_name: str, tenant: str | None, *, as_json: bool) -> None:
    """How the session of a channel stands."""
    with open_store():
        from hailgate.messaging.channels.session_views import find_session

        found = _get_channel(tenant, id_or_name)
        document = _document(found, find_session(found.tenant_id, found.pk))
    tell(document, _sentence(document), as_json=as_json)


def _get_channel(tenant: str | None, id_or_name: str) -> "Channel":
    from hailgate.messaging.channels.admin import get_channel_row

    return get_channel_row(choose_tenant(tenant).pk, id_or_name)


def _wish(found: "Channel", wish: Any, phone: str = "") -> None:
    from hailgate.accounts.audit import AuditAction, audited
    from hailgate.messaging.channels.sessions import wish_session

    deed = deed_of(found.tenant_id, AuditAction.SESSION_WISHED, f"channel:{found.uid}", wish.value)
    audited(deed, wish_session, found, wish, phone)


def _is_worked() -> bool:
    from hailgate.messaging.work.leases import any_alive

    return any_alive()


def _watch(found: "Channel", wait: float, *, as_json: bool) -> None:
    """Until the session is open, or patience ends. Each code is shown once, and that it was is on record."""
    from hailgate.accounts.audit import AuditAction, audited
    from hailgate.core.sessions import SessionState
    from hailgate.messaging.channels.session_views import find_code, find_session

    deed = deed_of(found.tenant_id, AuditAction.SESSION_CODE_SHOWN, f"channel:{found.uid}")
    shown, seen, ends = "", None, time.monotonic() + wait
    while time.monotonic() < ends:
        view = find_session(found.tenant_id, found.pk)
        document = _document(found, view)
        if (code := find_code(found.tenant_id, found.pk)) and code.value != shown:
            shown = code.value
            audited(deed, lambda: True)
            _print_code(document, code, as_json=as_json)
        elif document != seen:
            _print_state(document, as_json=as_json)
        seen = document
        if view and view.state is SessionState.OPEN:
            return
        time.sleep(LOOK_AGAIN_S)
    raise HailgateError("Nobody paired a phone in time; ask once more.", code="pairing_timed_out")


def _print_code(document: dict[str, Any], code: "ShownCode", *, as_json: bool) -> None:
    if as_json:
        print_json({**document, "code": code.value, "typed": code.typed, "expires_at": moment(code.until)})
    elif code.typed:
        click.echo(f"Type this code on the phone: {code.value}")
    else:
        import segno

        segno.make(code.value, error="l").terminal(compact=True)
        click.echo("Scan it on the phone: WhatsApp, Settings, Linked devices, Link a device.")


def _print_state(document: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        click.echo(_sentence(document))


def _document(found: "Channel", view: "SessionView | None") -> dict[str, Any]:
    if view is None:
        return {"id": str(found.uid), "state": "unpaired", "number": None, "unconfirmed": None, "detail": ""}
    return {
        "id": str(found.uid),
        "state": view.state.value,
        "number": view.number or None,
        "unconfirmed": view.unconfirmed or None,
        "detail": view.detail,
    }


def _sentence(document: dict[str, Any]) -> str:
    words = f"Session: {document['state']}."
    if document["unconfirmed"]:
        words += " Another phone than expected is paired: `hailgate channel confirm-number` lets it send."
    return f"{words} {document['detail']}".strip()
