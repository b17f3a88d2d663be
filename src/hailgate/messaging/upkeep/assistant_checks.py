"""What an operator must know of assistants: that one cannot answer, or that its budget of the day is nearly spent."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from hailgate.assistant.settings import AssistantSettings
from hailgate.core.alarms import Alarm, Cause
from hailgate.messaging.assistants.budgets import BudgetLimit
from hailgate.messaging.assistants.registry import StandingAssistant, list_standing
from hailgate.messaging.assistants.spending import DAY_S, WHOLE
from hailgate.messaging.store.sql import Cursor, among, array, as_uuid, every_tenant, fetch, fetch_value

# Of a tenant: the latest answers that are looked at, and how old they may be.
LATEST: Final = 50
RECENT_S: Final = 86_400.0
# These heal by nobody's waiting; others are trouble where so many came one after another.
NEEDS_OWNER: Final = frozenset({"model_unauthorized", "model_refused", "vendor_unsupported", "address_refused"})
IN_A_ROW: Final = 5
# Of a budget of the day.
NEARLY: Final = 0.8


class LatestAnswer(NamedTuple):
    """``note`` is the code of a failure."""

    tenant_id: int
    assistant: str
    outcome: str
    note: str


def look_at_assistants(cursor: Cursor, moment: float) -> Iterable[Cause]:
    standing = [each for each in list_standing(cursor) if not each.settings.is_scripted]
    if not standing:
        return []
    answers = _latest(cursor, {each.tenant_id for each in standing}, moment)
    spent = _spent(cursor, [each.id for each in standing], moment)
    return [
        Cause(alarm, f"assistant:{as_uuid(each.uid)}", each.tenant_id)
        for each in standing
        for alarm in _alarms(each, answers, spent.get(each.id, (0, 0)))
    ]


def look_at_budgets(cursor: Cursor, moment: float) -> Iterable[Cause]:
    """Of all tenants; one of each contact counts where any contact has nearly spent theirs."""
    found = fetch(
        cursor,
        f"SELECT tenant_id, subject, period, unit, most, currency FROM messaging_budget WHERE subject <> 'turn' "
        f"{every_tenant('alarms')} ORDER BY id",
    )
    budgets = [(tenant_id, BudgetLimit._make(rest)) for tenant_id, *rest in found]
    return [
        Cause(Alarm.BUDGET_NEARLY_SPENT, f"budget:{limit.code}:{tenant_id}", tenant_id)
        for tenant_id, limit in budgets
        if _is_spent(cursor, tenant_id, limit, moment)
    ]


def _is_spent(cursor: Cursor, tenant_id: int, limit: BudgetLimit, moment: float) -> bool:
    whose = "contact_id = 0" if limit.subject == "tenant" else "contact_id <> 0"
    most = fetch_value(
        cursor,
        f"SELECT max({limit.column}) FROM messaging_assistantspending WHERE tenant_id = %s AND assistant_id IS NULL "
        f"AND day = %s AND {whose} AND (currency = %s OR %s = '')",
        [tenant_id, limit.number_of(moment), limit.currency, limit.currency],
    )
    return most is not None and most >= NEARLY * limit.most


def _alarms(assistant: StandingAssistant, answers: Sequence[LatestAnswer], spent: tuple[int, int]) -> Iterable[Alarm]:
    place = (assistant.tenant_id, assistant.name)
    if is_failing([each for each in answers if (each.tenant_id, each.assistant) == place]):
        yield Alarm.ASSISTANT_FAILING
    if is_nearly_spent(assistant.settings, *spent):
        yield Alarm.ASSISTANT_BUDGET


def is_failing(newest_first: Sequence[LatestAnswer]) -> bool:
    """By the answers of one assistant: the last tells of what an owner must mend, or several in a row failed."""
    failed = [each.outcome == "failed" for each in newest_first[:IN_A_ROW]]
    if failed and failed[0] and newest_first[0].note in NEEDS_OWNER:
        return True
    return len(failed) == IN_A_ROW and all(failed)


def is_nearly_spent(settings: AssistantSettings, messages: int, tokens: int) -> bool:
    limits = ((messages, settings.messages_per_day), (tokens, settings.tokens_per_day))
    return any(limit and spent >= NEARLY * limit for spent, limit in limits)


def _latest(cursor: Cursor, tenant_ids: Iterable[int], moment: float) -> list[LatestAnswer]:
    """Newest first."""
    found = [
        row
        for tenant_id in sorted(tenant_ids)
        for row in fetch(
            cursor,
            f"SELECT tenant_id, assistant, outcome, note, created_at FROM messaging_turnanswer WHERE tenant_id = %s "
            f"ORDER BY id DESC LIMIT {LATEST}",
            [tenant_id],
        )
    ]
    return [LatestAnswer(*row[:4]) for row in found if row[4] > moment - RECENT_S]


def _spent(cursor: Cursor, assistant_ids: Sequence[int], moment: float) -> Mapping[int, tuple[int, int]]:
    """Messages and tokens of today (UTC)."""
    found = fetch(
        cursor,
        f"SELECT assistant_id, messages, tokens FROM messaging_assistantspending WHERE {among('assistant_id')} "
        f"AND day = %s AND contact_id = {WHOLE} {every_tenant('alarms')}",
        [array(assistant_ids), int(moment) // DAY_S],
    )
    return {id_: (messages, tokens) for id_, messages, tokens in found}
