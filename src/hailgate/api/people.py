"""Who is one person: joins and their proofs, joining and parting by hand, and an own name for a contact."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Query, Router

from hailgate.accounts.audit import AuditAction, AuditRecord, audited
from hailgate.api.access import actor_of, parse_id, tenant_of
from hailgate.api.paging import Limit, Place, page_of
from hailgate.api.schemas.common import Page
from hailgate.api.schemas.people import ConsentIn, ConsentOut, ConsentsOut, ContactNameIn, JoinIn, JoinOut
from hailgate.core.errors import NotFound
from hailgate.messaging.people.byhand import dismiss_suggestion, join_by_hand, name_contact, take_suggestion, undo_join
from hailgate.messaging.people.consent_by_hand import choose_by_hand, find_consents
from hailgate.messaging.people.listing import find_join, find_joins, show_joins
from hailgate.messaging.store.sqlite_writer import write

router = Router(tags=["People"])

State = Annotated[
    Literal["proven", "joined", "undoing", "undone", "suggested", "dismissed"] | None,
    Query(description="Only those; `suggested` ones wait for somebody's word."),
]


@router.get("/joins", response=Page[JoinOut], operation_id="list_joins")
def list_joins(request: HttpRequest, state: State = None, limit: Limit = 50, cursor: Place = None) -> Page[JoinOut]:
    """Pairs of contacts that are, were or may be one person, with their proofs. Newest first."""
    tenant_id = tenant_of(request)
    page, older = page_of(find_joins(tenant_id, state), "id", limit, cursor, "joins", tenant_id)
    return Page[JoinOut](items=[JoinOut(**asdict(one)) for one in show_joins(tenant_id, page)], next=older)


@router.post("/joins", response=dict[str, bool], operation_id="join_contacts")
def join_contacts(request: HttpRequest, body: JoinIn) -> dict[str, bool]:
    """Two contacts are one person, on your word. `done` is false while something of theirs is being sent."""
    one, other = parse_id(body.one), parse_id(body.other)
    deed = _deed(request, AuditAction.PEOPLE_JOINED, f"contact:{one}")
    by = actor_of(request).name
    return {"done": bool(write(audited, deed, join_by_hand, tenant_of(request), one, other, by))}


@router.post("/joins/{join_id}/join", response=JoinOut, operation_id="take_suggestion")
def join(request: HttpRequest, join_id: str) -> JoinOut:
    """What was suggested is so. 409 `not_suggested` where that is not a question (any more)."""
    uid = parse_id(join_id)
    deed = _deed(request, AuditAction.PEOPLE_JOINED, f"join:{uid}")
    write(audited, deed, take_suggestion, tenant_of(request), uid, actor_of(request).name)
    return _shown(request, join_id)


@router.post("/joins/{join_id}/dismiss", response=JoinOut, operation_id="dismiss_suggestion")
def dismiss(request: HttpRequest, join_id: str) -> JoinOut:
    """What was suggested is not so, and is not asked again."""
    uid = parse_id(join_id)
    deed = _deed(request, AuditAction.PEOPLE_DISMISSED, f"join:{uid}")
    write(audited, deed, dismiss_suggestion, tenant_of(request), uid, actor_of(request).name)
    return _shown(request, join_id)


@router.post("/joins/{join_id}/undo", response=JoinOut, operation_id="undo_join")
def undo(request: HttpRequest, join_id: str) -> JoinOut:
    """Part them again: addresses go back, messages since go by their own. `undoing` while something is being sent."""
    uid = parse_id(join_id)
    deed = _deed(request, AuditAction.PEOPLE_PARTED, f"join:{uid}")
    write(audited, deed, undo_join, tenant_of(request), uid, actor_of(request).name)
    return _shown(request, join_id)


@router.post("/contacts/{contact_id}/name", response=dict[str, str], operation_id="name_contact")
def name(request: HttpRequest, contact_id: str, body: ContactNameIn) -> dict[str, str]:
    """What you call them; it goes before what they call themselves. Empty for theirs."""
    uid = parse_id(contact_id)
    deed = _deed(request, AuditAction.CONTACT_NAMED, f"contact:{uid}")
    write(audited, deed, name_contact, tenant_of(request), uid, body.name)
    return {"id": contact_id, "name": body.name}


@router.get("/contacts/{contact_id}/consent", response=ConsentsOut, operation_id="get_consent")
def consent(request: HttpRequest, contact_id: str) -> ConsentsOut:
    """What a person chose about messages that they did not ask for, marketing and assistants, since when and by what
    proof.
    """
    shown = find_consents(tenant_of(request), parse_id(contact_id))
    return ConsentsOut(items=[ConsentOut(**each._asdict() | {"at": _moment(each.at)}) for each in shown])


@router.post("/contacts/{contact_id}/consent", response=ConsentsOut, operation_id="set_consent")
def choose(request: HttpRequest, contact_id: str, body: ConsentIn) -> ConsentsOut:
    """Take down what a person told you otherwise. It holds for all their addresses until they choose anew."""
    uid = parse_id(contact_id)
    detail = f"{body.scope} {'wanted' if body.wanted else 'not wanted'}"
    deed = AuditRecord(actor_of(request), tenant_of(request), AuditAction.CONSENT_TAKEN, f"contact:{uid}", detail)
    write(audited, deed, choose_by_hand, tenant_of(request), uid, body.scope, body.wanted, body.proof)
    return consent(request, contact_id)


def _moment(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)


def _shown(request: HttpRequest, join_id: str) -> JoinOut:
    found = find_join(tenant_of(request), parse_id(join_id))
    if found is None:
        raise NotFound
    return JoinOut(**asdict(show_joins(tenant_of(request), [found])[0]))


def _deed(request: HttpRequest, action: AuditAction, subject: str) -> AuditRecord:
    return AuditRecord(actor_of(request), tenant_of(request), action, subject)
