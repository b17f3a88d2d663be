"""Dead letters: messages that need a person's decision, why, and sending them again."""

from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Body, Query, Router

from hailgate.accounts.audit import AuditAction, AuditRecord, audited
from hailgate.api.access import actor_of, parse_id, tenant_of
from hailgate.api.paging import Limit, Place, page_of
from hailgate.api.presenters import show_address
from hailgate.api.schemas.common import Page
from hailgate.api.schemas.dead_letters import (
    CauseOut,
    Causes,
    DeadLetter,
    DismissOut,
    LetterFilter,
    ReviveAllOut,
    ReviveIn,
    ReviveOut,
    SettleIn,
    SettleOut,
)
from hailgate.core.uids import find_uid
from hailgate.delivery_codes import advise, explain, remedy_of
from hailgate.messaging.deadletters.dead_letters import (
    DeadLetterFilter,
    describe,
    find_letters,
    group_letters,
    our_code,
    revive_all,
    told_code,
)
from hailgate.messaging.deadletters.deeds import Again, dismiss_failures, settle_unknown
from hailgate.messaging.deadletters.edit import edit_and_send_again
from hailgate.messaging.people.roots import root_of
from hailgate.messaging.store.sqlite_writer import write

router = Router(tags=["Dead letters"])

Filter = Annotated[LetterFilter, Query()]


@router.get("/dead-letters", response=Page[DeadLetter], operation_id="list_dead_letters")
def list_dead_letters(
    request: HttpRequest, filters: Filter, limit: Limit = 50, cursor: Place = None
) -> Page[DeadLetter]:
    """Messages that are dead, with the reason and what to do, and those whose outcome is unknown. Newest first."""
    tenant_id = tenant_of(request)
    rows = find_letters(tenant_id, _wanted(filters)).select_related("conversation__merged_into", "channel")
    page, older = page_of(rows, "id", limit, cursor, "dead letters", tenant_id)
    return Page[DeadLetter](items=[_shown(one) for one in page], next=older)


@router.get("/dead-letters/causes", response=Causes, operation_id="list_causes")
def list_causes(request: HttpRequest, filters: Filter) -> Causes:
    """The same messages counted by what ended them, the most frequent first."""
    causes = group_letters(tenant_of(request), _wanted(filters))
    return Causes(items=[CauseOut(**asdict(cause)) for cause in causes])


@router.post("/dead-letters/revive", response=ReviveOut, operation_id="revive_dead_letters")
def revive(request: HttpRequest, body: ReviveIn) -> ReviveOut:
    """Send messages again, in their place. Later ones may have overtaken them; an unknown one may arrive twice."""
    tenant_id = tenant_of(request)
    wanted = {given: uid for given in body.ids if (uid := find_uid(given))}
    found = dict(find_letters(tenant_id).filter(uid__in=wanted.values()).values_list("id", "uid"))
    deed = _deed(
        request, AuditAction.MESSAGE_REVIVED, f"message:{next(iter(found.values()))}" if len(found) == 1 else ""
    )
    revived = {found[id_] for id_ in write(audited, deed, _again(request).send, tenant_id, list(found))}
    return ReviveOut(
        revived=[given for given in body.ids if wanted.get(given) in revived],
        not_found=[given for given in body.ids if wanted.get(given) not in revived],
    )


@router.post("/dead-letters/revive-all", response=ReviveAllOut, operation_id="revive_all_dead_letters")
def revive_matching(request: HttpRequest, body: LetterFilter) -> ReviveAllOut:
    """Send again all that match, at their channels' rates. Unknown ones only where `state` names them."""
    deed = _deed(request, AuditAction.MESSAGE_REVIVED, detail=describe(_wanted(body)))
    return ReviveAllOut(
        revived=revive_all(tenant_of(request), _wanted(body), partial(audited, deed, _again(request).send))
    )


@router.post("/dead-letters/dismiss", response=DismissOut, operation_id="dismiss_dead_letters")
def dismiss(request: HttpRequest, body: ReviveIn) -> DismissOut:
    """They are dealt with: they leave the list, and keep their end."""
    tenant_id = tenant_of(request)
    wanted = {given: uid for given in body.ids if (uid := find_uid(given))}
    deed = _deed(request, AuditAction.FAILURE_DISMISSED, f"message:{body.ids[0]}" if len(body.ids) == 1 else "")
    done = set(write(audited, deed, dismiss_failures, tenant_id, list(wanted.values()), actor_of(request).name))
    return DismissOut(
        dismissed=[given for given in body.ids if wanted.get(given) in done],
        not_found=[given for given in body.ids if wanted.get(given) not in done],
    )


@router.post("/dead-letters/{message_id}/settle", response=SettleOut, operation_id="settle_dead_letter")
def settle(request: HttpRequest, message_id: str, body: SettleIn) -> SettleOut:
    """Somebody has looked: a message of unknown outcome was sent, or was not. 409 `not_unknown` for any other."""
    uid = parse_id(message_id)
    deed = _deed(request, AuditAction.MESSAGE_SETTLED, f"message:{uid}", "sent" if body.sent else "not sent")
    write(audited, deed, partial(settle_unknown, sent=body.sent), tenant_of(request), uid)
    return SettleOut(id=message_id, sent=body.sent)


@router.post("/dead-letters/{message_id}/edit", response=ReviveOut, operation_id="edit_dead_letter")
def edit(request: HttpRequest, message_id: str, content: Body[dict[str, Any]]) -> ReviveOut:
    """Change what a dead message says, and send it again: `{"type": "text", "text": {"body": …}}`, of the same type.

    409 `not_editable` where it is not dead (any more), or its outcome is unknown.
    """
    uid = parse_id(message_id)
    deed = _deed(request, AuditAction.MESSAGE_EDITED, f"message:{uid}")
    write(audited, deed, edit_and_send_again, tenant_of(request), uid, content)
    return ReviveOut(revived=[message_id], not_found=[])


def _deed(request: HttpRequest, action: AuditAction, subject: str = "", detail: str = "") -> AuditRecord:
    return AuditRecord(actor_of(request), tenant_of(request), action, subject, detail)


def _wanted(filters: LetterFilter) -> DeadLetterFilter:
    return DeadLetterFilter(**filters.dict())


def _again(request: HttpRequest) -> Again:
    return Again(settings.MESSAGE_LIFE_S, actor_of(request).name)


def _shown(message: Any) -> DeadLetter:
    """A row of ``find_letters``."""
    provider = message.channel.provider
    code = our_code(provider, message.end_code)
    return DeadLetter(
        id=str(message.uid),
        state=message.state,
        code=message.end_code,
        provider_code=told_code(provider, message.end_code, message.provider_code) or None,
        reason=explain(code, provider),
        advice=advise(code, provider),
        remedy=remedy_of(code, provider, unknown=message.state == "unknown").value,
        detail=message.end_detail,
        attempts=message.tries,
        channel=str(message.channel.uid),
        conversation=str(root_of(message.conversation).uid),
        to=show_address(message.address_kind, message.address),
        accepted_at=message.accepted_at,
    )
