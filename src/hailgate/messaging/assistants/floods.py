"""Floods of a tenant: how many messages of a contact, a group or all together its assistants answer."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from hailgate.core.errors import InputError, NotFound
from hailgate.core.floods import FloodState, FloodVerdict, judge, pour
from hailgate.core.limits import Limit
from hailgate.messaging.models import Flood, FloodRule
from hailgate.messaging.store.sql import (
    Cursor,
    among,
    array,
    atomic_cursor,
    every_tenant,
    fetch,
    fetch_one,
    locked,
    now,
)
from hailgate.messaging.store.tables import FLOOD

SUBJECTS: Final = ("contact", "group", "tenant")
WHOLE: Final = 0
MOST: Final = 100_000
LONGEST_S: Final = 86_400.0
_COLUMNS: Final = ("tenant_id", "contact_id", "tat", "count")


class RuleOfFlood(NamedTuple):
    """At most ``most`` messages at once, and as many again within ``within_s`` seconds."""

    subject: str
    most: int
    within_s: float

    @property
    def limit(self) -> Limit:
        return Limit(self.within_s / self.most, self.most)


class FloodFigures(NamedTuple):
    """``flooding`` contacts wrote more than a rule allows within the last hour; ``unanswered`` messages ever."""

    flooding: int
    unanswered: int


def set_flood_rule(tenant_id: int, subject: str, most: int, within_s: float) -> RuleOfFlood:
    """Takes the place of one for the same. Raises InputError."""
    if subject not in SUBJECTS:
        raise InputError(f"subject: must be one of {', '.join(SUBJECTS)}.", field="subject")
    if not 1 <= most <= MOST:
        raise InputError(f"most: must be a whole number from 1 to {MOST}.", field="most")
    if not 1 <= within_s <= LONGEST_S or within_s / most < 1e-3:
        raise InputError(f"seconds: must be from 1 to {LONGEST_S:.0f}, a thousandth for each message.", field="seconds")
    FloodRule.objects.bulk_create(
        [FloodRule(tenant_id=tenant_id, subject=subject, most=most, within_s=within_s)],
        update_conflicts=True,
        unique_fields=["tenant", "subject"],
        update_fields=["most", "within_s"],
    )
    return RuleOfFlood(subject, most, within_s)


def remove_flood_rule(tenant_id: int, subject: str) -> bool:
    """Raises NotFound."""
    removed, _ = FloodRule.objects.filter(tenant_id=tenant_id, subject=subject).delete()
    if not removed:
        raise NotFound("There is no such rule.")
    return True


def list_flood_rules(tenant_id: int) -> list[RuleOfFlood]:
    found = FloodRule.objects.filter(tenant_id=tenant_id).order_by("subject")
    return [RuleOfFlood(each.subject, each.most, each.within_s) for each in found]


def find_flood_rules(cursor: Cursor, tenant_ids: Iterable[int]) -> dict[int, tuple[RuleOfFlood, ...]]:
    found = fetch(
        cursor,
        f"SELECT tenant_id, subject, most, within_s FROM messaging_floodrule WHERE {among('tenant_id')} "
        f"{every_tenant('those asked for')}",
        [array(set(tenant_ids))],
    )
    rules: dict[int, tuple[RuleOfFlood, ...]] = {}
    for tenant_id, *rule in found:
        rules[tenant_id] = (*rules.get(tenant_id, ()), RuleOfFlood._make(rule))
    return rules


def count_floods(tenant_id: int) -> FloodFigures:
    with atomic_cursor(read_only=True) as cursor:
        since = now(cursor) - 3600
    rows = Flood.objects.filter(tenant_id=tenant_id).exclude(contact_id=WHOLE)
    counts = rows.values_list("count", flat=True)
    return FloodFigures(rows.filter(last_at__gte=since).count(), sum(counts))


def take_in(
    tenant_id: int, contact_id: int, rules: Iterable[RuleOfFlood], count: int, *, group: bool
) -> tuple[FloodVerdict, str]:
    """What becomes of ``count`` messages of a contact, and whose rule says so. The tenant's row is locked first."""
    limits = {rule.subject: rule.limit for rule in rules}
    subject = "group" if group else "contact"
    with atomic_cursor() as cursor:
        moment = now(cursor)
        whole = _lock(cursor, tenant_id, WHOLE) if "tenant" in limits else FloodState()
        own = _lock(cursor, tenant_id, contact_id)
        own_is_full, own = pour(limits.get(subject), own, count, moment)
        whole_is_full, whole = (False, whole) if own_is_full else pour(limits.get("tenant"), whole, count, moment)
        flooded = own_is_full or whole_is_full
        verdict, own = judge(own, moment, flooded=flooded)
        if "tenant" in limits:
            _keep(cursor, tenant_id, WHOLE, whole, count if whole_is_full else 0, moment)
        _keep(cursor, tenant_id, contact_id, own, count if flooded else 0, moment)
    return verdict, subject if own_is_full else "tenant" if whole_is_full else ""


def _lock(cursor: Cursor, tenant_id: int, contact_id: int) -> FloodState:
    FLOOD.insert(cursor, _COLUMNS, [(tenant_id, contact_id, 0.0, 0)], on_conflict="ON CONFLICT DO NOTHING")
    found = fetch_one(
        cursor,
        f"SELECT tat, told_at FROM messaging_flood WHERE tenant_id = %s AND contact_id = %s{locked()}",
        [tenant_id, contact_id],
    )
    return FloodState._make(found) if found else FloodState()


def _keep(cursor: Cursor, tenant_id: int, contact_id: int, state: FloodState, more: int, moment: float) -> None:  # noqa: PLR0917 -- one row
    last_at = moment if more else None
    cursor.execute(
        "UPDATE messaging_flood SET tat = %s, told_at = %s, count = count + %s, last_at = COALESCE(%s, last_at) "
        "WHERE tenant_id = %s AND contact_id = %s",
        [state.tat, state.told_at, more, last_at, tenant_id, contact_id],
    )
