"""Dead letters: messages that need a person's decision, why, and sending them again."""

from dataclasses import asdict
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Body, Query, Router

from hailgate.accounts.audit import Action, Deed, audited
from hailgate.advice import advise
from hailgate.api.access import actor_of, parse_id, tenant_of
from hailgate.api.paging import Limit, Place, page_of
from hailgate.api.schemas import CauseOut, Causes, DeadLetter, LetterFilter, Page, ReviveAllOut, ReviveIn, ReviveOut
from hailgate.api.showing import show_address
from hailgate.messaging.editing import edit_and_send_again
from hailgate.messaging.letters import Wanted, describe, explain, find_letters, group_letters, revive_all
from hailgate.messaging.models import WorkState
from hailgate.messaging.outcomes import send_again
from hailgate.messaging.writing import write

router = Router(tags=["Dead letters"])

Filter = Annotated[LetterFilter, Query()]


@router.get("/dead-letters", response=Page[DeadLetter], operation_id="list_dead_letters")
def list_dead_letters(
    request: HttpRequest, filters: Filter, limit: Limit = 50, cursor: Place = None
) -> Page[DeadLetter]:
    """Messages that are dead, with the reason and what to do, and those whose outcome is unknown. Newest first."""
    tenant_id = tenant_of(request)
    rows = find_letters(tenant_id, _wanted(filters)).select_related("message__conversation", "message__channel")
    page, older = page_of(rows, "id", limit, cursor, "dead letters", tenant_id)
    return Page[DeadLetter](items=[_shown(work) for work in page], next=older)


@router.get("/dead-letters/causes", response=Causes, operation_id="list_causes")
def list_causes(request: HttpRequest, filters: Filter) -> Causes:
    """The same messages counted by what ended them, the most frequent first."""
    causes = group_letters(tenant_of(request), _wanted(filters))
    return Causes(items=[CauseOut(**asdict(cause)) for cause in causes])


@router.post("/dead-letters/revive", response=ReviveOut, operation_id="revive_dead_letters")
def revive(request: HttpRequest, body: ReviveIn) -> ReviveOut:
    """Send messages again, in their place. Later ones may have overtaken them; an unknown one may arrive twice."""
    tenant_id = tenant_of(request)
    wanted = {given: uid for given in body.ids if (uid := _uid(given))}
    stopped = find_letters(tenant_id).filter(message__uid__in=wanted.values())
    found = dict(stopped.values_list("id", "message__uid"))
    deed = _deed(request, Action.MESSAGE_REVIVED, f"message:{next(iter(found.values()))}" if len(found) == 1 else "")
    revived = {found[id_] for id_ in write(audited, deed, send_again, tenant_id, list(found))}
    return ReviveOut(
        revived=[given for given in body.ids if wanted.get(given) in revived],
        not_found=[given for given in body.ids if wanted.get(given) not in revived],
    )


@router.post("/dead-letters/revive-all", response=ReviveAllOut, operation_id="revive_all_dead_letters")
def revive_matching(request: HttpRequest, body: LetterFilter) -> ReviveAllOut:
    """Send again all that match, at their channels' rates. Unknown ones only where `state` names them."""
    deed = _deed(request, Action.MESSAGE_REVIVED, detail=describe(_wanted(body)))
    return ReviveAllOut(revived=revive_all(tenant_of(request), _wanted(body), partial(audited, deed, send_again)))


@router.post("/dead-letters/{message_id}/edit", response=ReviveOut, operation_id="edit_dead_letter")
def edit(request: HttpRequest, message_id: str, content: Body[dict[str, Any]]) -> ReviveOut:
    """Change what a dead message says, and send it again: `{"type": "text", "text": {"body": …}}`, of the same type.

    409 `not_editable` where it is not dead (any more), or its outcome is unknown.
    """
    uid = parse_id(message_id)
    deed = _deed(request, Action.MESSAGE_EDITED, f"message:{uid}")
    write(audited, deed, edit_and_send_again, tenant_of(request), uid, content)
    return ReviveOut(revived=[message_id], not_found=[])


def _deed(request: HttpRequest, action: Action, subject: str = "", detail: str = "") -> Deed:
    return Deed(actor_of(request), tenant_of(request), action, subject, detail)


def _wanted(filters: LetterFilter) -> Wanted:
    return Wanted(**filters.dict())


def _shown(work: Any) -> DeadLetter:
    """A row of ``find_letters``."""
    message = work.message
    return DeadLetter(
        id=str(message.uid),
        state="dead" if work.state == WorkState.DEAD else "unknown",
        code=work.code,
        provider_code=work.provider_code or None,
        reason=explain(work.code),
        advice=advise(work.code),
        detail=work.detail,
        attempts=work.attempts,
        channel=str(message.channel.uid),
        conversation=str(message.conversation.uid),
        to=show_address(message.address_kind, message.address),
        accepted_at=message.accepted_at,
    )


def _uid(given: str) -> UUID | None:
    try:
        return UUID(given)
    except ValueError:
        return None
