"""Dead letters as a work list: what was given up or may have been sent, why, what to do, and sending it again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Case, CharField, Count, Exists, F, Max, Min, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from hailgate.accounts.fields import earliest
from hailgate.core.status import Status
from hailgate.delivery_codes import advise, explain, is_known, remedy_of
from hailgate.messaging.models import Attempt, Direction, Dismissal, Message, Work, WorkKind, WorkState
from hailgate.messaging.outbound.cancel import CODE as CANCELLED
from hailgate.messaging.store.sqlite_writer import write
from hailgate.providers import get_provider

# Revived in one transaction: many enough to be quick, few enough that nobody waits for their locks.
REVIVED_AT_ONCE: Final = 500
STATES: Final[Mapping[str, WorkState]] = {"dead": WorkState.DEAD, "unknown": WorkState.PARKED}
# Failed after its provider took it: nothing of it is there to be revived.
AFTERWARDS: Final = "failed"
ALL_STATES: Final = (*STATES, AFTERWARDS)


class DeadLetterFilter(NamedTuple):
    """Which letters: those that match all that is given. Times are those of acceptance, the end not included."""

    state: str | None = None
    channel: str | None = None
    code: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class FailureCause:
    """Letters that ended in the same way, with the provider's own code where it gave one."""

    state: str
    code: str
    provider_code: str
    reason: str
    advice: str
    remedy: str
    count: int
    oldest_at: datetime
    newest_at: datetime


def find_letters(tenant_id: int, wanted: DeadLetterFilter = DeadLetterFilter()) -> QuerySet[Any]:  # noqa: B008 -- immutable
    """Messages that failed, before or after their provider took them, or may have been sent.

    Each with ``state``, ``end_code`` and ``end_detail``, how many ``tries`` it had, the ``provider_code`` of its last
    attempt, and its ``work_id`` where something of it is still there to be revived. Not those that were dealt with.
    """
    stopped = Work.objects.filter(tenant_id=tenant_id, kind=WorkKind.DELIVERY, state__in=STATES.values())
    dealt = Dismissal.objects.filter(tenant_id=tenant_id, message_id=OuterRef("pk"))
    ended = Message.objects.filter(
        Q(status=Status.FAILED) | Q(id__in=stopped.values("message_id")),
        tenant_id=tenant_id,
        direction=Direction.OUTBOUND,
    )
    found = ended.exclude(code=CANCELLED).filter(~Exists(dealt)).annotate(**_ends(tenant_id))
    return _narrowed(found.filter(Q(work_state=None) | Q(work_state__in=STATES.values())), wanted)


def _ends(tenant_id: int) -> dict[str, Any]:
    """How each ended: by its work row where there is one, else by its last attempt and what a status said."""
    work = Work.objects.filter(tenant_id=tenant_id, kind=WorkKind.DELIVERY, message_id=OuterRef("pk"))
    last = Attempt.objects.filter(tenant_id=tenant_id, message_id=OuterRef("pk")).order_by("-number")
    return {
        "work_id": Subquery(work.values("id")[:1]),
        "work_state": Subquery(work.values("state")[:1]),
        "state": Case(
            When(work_state=WorkState.PARKED, then=Value("unknown")),
            When(work_state=WorkState.DEAD, then=Value("dead")),
            default=Value("failed"),
            output_field=CharField(),
        ),
        "end_code": Coalesce(Subquery(work.values("code")[:1]), F("code")),
        "end_detail": Coalesce(Subquery(work.values("detail")[:1]), F("detail")),
        "tries": Coalesce(Subquery(work.values("attempts")[:1]), Subquery(last.values("number")[:1]), Value(0)),
        "provider_code": Subquery(last.values("provider_code")[:1]),
    }


def _narrowed(found: QuerySet[Any], wanted: DeadLetterFilter) -> QuerySet[Any]:
    if wanted.state:
        found = found.filter(state=wanted.state)
    if wanted.channel:
        found = found.filter(_is_channel(wanted.channel))
    if wanted.code:
        found = found.filter(end_code=wanted.code)
    if wanted.since:
        found = found.filter(accepted_at__gte=earliest(wanted.since))
    if wanted.until:
        found = found.filter(accepted_at__lt=earliest(wanted.until))
    return found


def group_letters(tenant_id: int, wanted: DeadLetterFilter = DeadLetterFilter()) -> list[FailureCause]:  # noqa: B008 -- immutable
    """The most frequent cause first."""
    grouped = (
        find_letters(tenant_id, wanted)
        .order_by()
        .values_list("state", "end_code", "provider_code", "channel__provider")
        .annotate(count=Count("id"), oldest=Min("accepted_at"), newest=Max("accepted_at"))
    )
    causes = [
        _cause(state, code, provider, told_code(provider, code, own), (count, oldest, newest))
        for state, code, own, provider, count, oldest, newest in grouped
    ]
    return sorted(causes, key=lambda cause: (-cause.count, cause.state, cause.code, cause.provider_code))


def _cause(state: str, code: str, provider: str, told: str, counted: tuple[int, datetime, datetime]) -> FailureCause:
    ours = our_code(provider, code)
    remedy = remedy_of(ours, provider, unknown=state == "unknown")
    return FailureCause(state, code, told, explain(ours, provider), advise(ours, provider), remedy, *counted)


def our_code(provider: str, code: str) -> str:
    """What we call an end that a status told with the provider's code."""
    known = get_provider(provider).our_code
    return (known(code) if known and code.isdecimal() else None) or code


def told_code(provider: str, code: str, own: str | None) -> str:
    """The provider's own code: of its answer, or of its status."""
    return own or (code if our_code(provider, code) != code else "")


Revive = Callable[[int, list[int]], list[int]]


def revive_all(tenant_id: int, wanted: DeadLetterFilter, revive: Revive) -> int:
    """Send again all that match at this moment, oldest first; they queue at their channels' rates like any other.

    Only the dead, unless ``wanted`` names others: the unknown may arrive twice, and what failed after its provider took
    it is sent as new messages.
    """
    letters = find_letters(tenant_id, wanted if wanted.state else wanted._replace(state="dead"))
    revived = after = 0
    while ids := list(letters.filter(id__gt=after).order_by("id").values_list("id", flat=True)[:REVIVED_AT_ONCE]):
        revived += len(write(revive, tenant_id, ids))
        after = ids[-1]
    return revived


def describe(wanted: DeadLetterFilter) -> str:
    """For the audit log. A channel's name is its owner's words: that one was named is enough."""
    said: dict[str, object] = {
        "state": wanted.state,
        "code": wanted.code if is_known(wanted.code or "") else wanted.code and "…",
    }
    said |= {"channel": wanted.channel and "…", "since": wanted.since, "until": wanted.until}
    return " ".join(f"{name}={value}" for name, value in said.items() if value) or "all that are dead"


def _is_channel(id_or_name: str) -> Q:
    try:
        return Q(channel__uid=UUID(id_or_name))
    except ValueError:
        return Q(channel__name=id_or_name)
