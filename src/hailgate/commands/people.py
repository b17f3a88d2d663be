"""`hailgate people`: who is one person, by what proof, joined and parted by hand."""

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from hailgate.commands.bootstrap import choose_tenant, deed_of, open_store
from hailgate.commands.output import json_option, moment, table, tell, tenant_option
from hailgate.core.consent_scopes import SCOPES
from hailgate.core.errors import InputError

if TYPE_CHECKING:
    from hailgate.messaging.people.listing import JoinShown, Side

STATES = ("proven", "joined", "undoing", "undone", "suggested", "dismissed")


@click.group()
def people() -> None:
    """Contacts that are one person: joined on proof or by hand, and parted again."""


@people.command("list")
@tenant_option
@click.option("--state", type=click.Choice(STATES), help="Only these.")
@click.option("--limit", type=click.IntRange(1, 1000), metavar="NUMBER", default=100, show_default=True)
@json_option
def list_joins(tenant: str | None, state: str | None, limit: int, *, as_json: bool) -> None:
    """Pairs of contacts with their proofs, the newest first. What is suggested waits for your word."""
    with open_store():
        from hailgate.messaging.people.listing import find_joins, show_joins

        tenant_id = choose_tenant(tenant).pk
        shown = show_joins(tenant_id, list(find_joins(tenant_id, state).order_by("-id")[:limit]))
    _tell(shown, as_json=as_json)


@people.command("search")
@tenant_option
@json_option
def search(tenant: str | None, *, as_json: bool) -> None:
    """Look through what is stored for contacts that are one person, and list them with their proofs. Joins nothing."""
    with open_store():
        from hailgate.messaging.inbound.search_split import search_split
        from hailgate.messaging.people.listing import find_joins, show_joins

        tenant_id = choose_tenant(tenant).pk
        search_split(tenant_id)
        shown = show_joins(tenant_id, list(find_joins(tenant_id, "suggested").order_by("-id")))
    _tell(shown, as_json=as_json)


@people.command("join")
@click.argument("ids", nargs=-1)
@click.option("--all-suggested", is_flag=True, help="All that a proof speaks for; what is only alike is named.")
@tenant_option
@json_option
def join(ids: tuple[str, ...], tenant: str | None, *, all_suggested: bool, as_json: bool) -> None:
    """Join what `people list` or `people search` shows, by its id; or two contacts, by both of theirs."""
    if bool(ids) == all_suggested:
        raise InputError("name what to join, or say --all-suggested", field="ids")
    with open_store():
        tenant_id = choose_tenant(tenant).pk
        wanted = _all_suggested(tenant_id) if all_suggested else [_uid(each) for each in ids]
        joined = _join(tenant_id, wanted)
    tell({"joined": joined}, f"{joined} joined.", as_json=as_json)


@people.command("undo")
@click.argument("id")
@tenant_option
@json_option
def undo(id: str, tenant: str | None, *, as_json: bool) -> None:  # noqa: A002 -- as the command's users call it
    """Part two contacts again. Messages since go by their own address."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.people.byhand import undo_join

        tenant_id, uid = choose_tenant(tenant).pk, _uid(id)
        deed = deed_of(tenant_id, AuditAction.PEOPLE_PARTED, f"join:{uid}")
        done = audited(deed, undo_join, tenant_id, uid, "command line")
    tell({"done": done}, "Parted." if done else "It waits for what is being sent, and is done then.", as_json=as_json)


@people.command("dismiss")
@click.argument("id")
@tenant_option
@json_option
def dismiss(id: str, tenant: str | None, *, as_json: bool) -> None:  # noqa: A002
    """These two are not one person: the question is not asked again."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.people.byhand import dismiss_suggestion

        tenant_id, uid = choose_tenant(tenant).pk, _uid(id)
        deed = deed_of(tenant_id, AuditAction.PEOPLE_DISMISSED, f"join:{uid}")
        audited(deed, dismiss_suggestion, tenant_id, uid, "command line")
    tell({"dismissed": id}, "They stay two.", as_json=as_json)


@people.command("consent")
@click.argument("contact")
@click.option("--allow", type=click.Choice(SCOPES), help="They want these.")
@click.option("--refuse", type=click.Choice(SCOPES), help="They do not.")
@click.option("--proof", default="", metavar="WORDS", help="Where their choice can be looked up; 40 characters.")
@tenant_option
@json_option
def consent(
    contact: str, allow: str | None, refuse: str | None, proof: str, tenant: str | None, *, as_json: bool
) -> None:
    """What a person chose about messages, since when and by what proof; or take down what they told you otherwise."""
    if allow and refuse:
        raise InputError("say either --allow or --refuse", field="scope")
    with open_store():
        from hailgate.messaging.people.consent_by_hand import find_consents

        tenant_id, uid = choose_tenant(tenant).pk, _uid(contact)
        if scope := allow or refuse:
            _choose(tenant_id, uid, scope, bool(allow), proof)
        shown = find_consents(tenant_id, uid)
    told = [{**each._asdict(), "at": moment(each.at)} for each in shown]
    tell(told, table(told, ""), as_json=as_json)


def _choose(tenant_id: int, uid: UUID, scope: str, wanted: bool, proof: str) -> None:
    from hailgate.accounts.audit import AuditAction, audited
    from hailgate.messaging.people.consent_by_hand import choose_by_hand

    detail = f"{scope} {'wanted' if wanted else 'not wanted'}"
    deed = deed_of(tenant_id, AuditAction.CONSENT_TAKEN, f"contact:{uid}", detail)
    audited(deed, choose_by_hand, tenant_id, uid, scope, wanted, proof)


def _join(tenant_id: int, wanted: list[UUID]) -> int:
    from hailgate.accounts.audit import AuditAction, audited
    from hailgate.messaging.people.byhand import join_by_hand, take_suggestion
    from hailgate.messaging.people.listing import find_join

    deed = partial(deed_of, tenant_id, AuditAction.PEOPLE_JOINED)
    if len(wanted) == 2 and not any(find_join(tenant_id, uid) for uid in wanted):
        audited(deed(f"contact:{wanted[0]}"), join_by_hand, tenant_id, *wanted, "command line")
        return 1
    for uid in wanted:
        audited(deed(f"join:{uid}"), take_suggestion, tenant_id, uid, "command line")
    return len(wanted)


def _all_suggested(tenant_id: int) -> list[UUID]:
    from hailgate.messaging.people.listing import find_joins
    from hailgate.messaging.people.proofs import ProofKind

    proven = find_joins(tenant_id, "suggested").exclude(proof=ProofKind.SPELLING)
    return list(proven.order_by("id").values_list("uid", flat=True))


def _uid(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise InputError(f"{given[:64]!r} is not the id of a join or of a contact", field="ids") from None


def _tell(shown: "list[JoinShown]", *, as_json: bool) -> None:
    document = [
        {
            **asdict(one),
            **{name: moment(getattr(one, name)) for name in _TIMES},
            "one": _side(one.one),
            "other": _side(one.other),
        }
        for one in shown
    ]
    rows: list[dict[str, Any]] = [
        {
            "id": one.id, "state": one.state, "proof": one.source or one.proof,
            "one": ", ".join(_side(one.one)["addresses"]), "other": ", ".join(_side(one.other)["addresses"]),
        }
        for one in shown
    ]  # fmt: skip
    tell(document, table(rows, "There are none."), as_json=as_json)


def _side(side: "Side") -> dict[str, Any]:
    """Enough of the addresses to tell them apart: terminals are logged."""
    return {"id": side.id, "addresses": [f"{address[:5]}…{address[-4:]}" for address in side.addresses]}


_TIMES = ("told_at", "joined_at", "undone_at")
