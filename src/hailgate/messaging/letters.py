"""Dead letters as a work list: what was given up or may have been sent, why, what to do, and sending it again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Count, Max, Min, OuterRef, Q, QuerySet, Subquery

from hailgate.advice import advise
from hailgate.messaging.models import Attempt, Work, WorkKind, WorkState
from hailgate.messaging.outcomes import send_again
from hailgate.messaging.writing import write
from hailgate.problems import delivery_codes

# Revived in one transaction: many enough to be quick, few enough that nobody waits for their locks.
REVIVED_AT_ONCE: Final = 500
STATES: Final[Mapping[str, WorkState]] = {"dead": WorkState.DEAD, "unknown": WorkState.PARKED}
WORDS: Final = {state: word for word, state in STATES.items()}


class Wanted(NamedTuple):
    """Which letters: those that match all that is given. Times are those of acceptance, the end not included."""

    state: str | None = None
    channel: str | None = None
    code: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """Letters that ended in the same way, with the provider's own code where it gave one."""

    state: str
    code: str
    provider_code: str
    reason: str
    advice: str
    count: int
    oldest_at: datetime
    newest_at: datetime


def find_letters(tenant_id: int, wanted: Wanted = Wanted()) -> QuerySet[Any]:  # noqa: B008 -- immutable
    """Work rows with a ``provider_code``, that of the last attempt."""
    states = [STATES[wanted.state]] if wanted.state else list(STATES.values())
    found = Work.objects.filter(tenant_id=tenant_id, kind=WorkKind.DELIVERY, state__in=states)
    if wanted.channel:
        found = found.filter(_is_channel(wanted.channel))
    if wanted.code:
        found = found.filter(code=wanted.code)
    if wanted.since:
        found = found.filter(message__accepted_at__gte=wanted.since)
    if wanted.until:
        found = found.filter(message__accepted_at__lt=wanted.until)
    last = Attempt.objects.filter(tenant_id=tenant_id, message_id=OuterRef("message_id")).order_by("-number")
    return found.annotate(provider_code=Subquery(last.values("provider_code")[:1]))


def group_letters(tenant_id: int, wanted: Wanted = Wanted()) -> list[Cause]:  # noqa: B008 -- immutable
    """The most frequent cause first."""
    grouped = (
        find_letters(tenant_id, wanted)
        .order_by()
        .values_list("state", "code", "provider_code")
        .annotate(count=Count("id"), oldest=Min("message__accepted_at"), newest=Max("message__accepted_at"))
    )
    causes = [
        Cause(WORDS[WorkState(state)], code, own or "", explain(code), advise(code), count, oldest, newest)
        for state, code, own, count, oldest, newest in grouped
    ]
    return sorted(causes, key=lambda cause: (-cause.count, cause.state, cause.code, cause.provider_code))


Revive = Callable[[int, list[int]], list[int]]


def revive_all(tenant_id: int, wanted: Wanted, revive: Revive = send_again) -> int:
    """Send again all that match at this moment, oldest first; they queue at their channels' rates like any other.

    Only the dead, unless ``wanted`` names the unknown: these may arrive twice.
    """
    letters = find_letters(tenant_id, wanted if wanted.state else wanted._replace(state="dead"))
    revived = after = 0
    while ids := list(letters.filter(id__gt=after).order_by("id").values_list("id", flat=True)[:REVIVED_AT_ONCE]):
        revived += len(write(revive, tenant_id, ids))
        after = ids[-1]
    return revived


def describe(wanted: Wanted) -> str:
    """For the audit log. A channel's name is its owner's words: that one was named is enough."""
    said: dict[str, object] = {
        "state": wanted.state,
        "code": wanted.code if wanted.code in _sentences() else wanted.code and "…",
    }
    said |= {"channel": wanted.channel and "…", "since": wanted.since, "until": wanted.until}
    return " ".join(f"{name}={value}" for name, value in said.items() if value) or "all that are dead"


def explain(code: str) -> str:
    """Our sentence for a code; nothing where the code is the provider's or a plug-in's."""
    return _sentences().get(code, "")


@cache
def _sentences() -> Mapping[str, str]:
    return {known.code: known.sentence for known in delivery_codes()}


def _is_channel(id_or_name: str) -> Q:
    try:
        return Q(channel__uid=UUID(id_or_name))
    except ValueError:
        return Q(channel__name=id_or_name)
