"""Templates kept in step with the businesses that own them: listed in turn, and changed as webhooks tell.

A list is the truth of the moment at which it was begun. What a webhook tells since then stands, and where the two may
have crossed, the business is listed once more. Nobody holds anything while the provider is asked: whoever takes a
business moves its due time, and a second list does no harm.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import uuid4

from django.db.models import F
from django.db.models.functions import Least

from hailgate.core.content import clean_text
from hailgate.core.errors import InputError, SendError
from hailgate.core.events import TemplateChange
from hailgate.core.templates import TemplateDefinition as Listed
from hailgate.messaging.models import Business, Channel, Template
from hailgate.messaging.store.notify import Wake, wake_after_commit
from hailgate.messaging.store.sql import (
    Cursor,
    among,
    array,
    atomic_cursor,
    every_tenant,
    fetch,
    fetch_one,
    fetch_value,
    keyed,
    locked,
    now,
)
from hailgate.messaging.store.tables import TEMPLATE
from hailgate.providers import get_provider

# Webhooks tell what changes; this finds what they did not.
REFRESH_S = 6 * 3600.0
# A list of many pages takes a minute; after this long its process has surely ended.
LISTING_S = 600.0
FIRST_RETRY_S = 15.0
# What is told within this time of a list may have been in it, or not.
CROSSING_S = 300.0
SETTLING_S = 10.0
DELETED = "DELETED"


class ClaimedAccount(NamedTuple):
    """A business to list, through one of its channels. ``began`` is the database's time."""

    id: int
    tenant_id: int
    channel_id: int
    began: float
    tries: int


class Synced(NamedTuple):
    """How many templates there are, and what was different from what we knew."""

    templates: int
    new: int
    changed: int
    gone: int


def get_business(channel: Channel) -> int:
    """Where the channel's templates are. Raises InputError where that is not known, with what to do."""
    if channel.business_id is not None:
        return channel.business_id
    spec = get_provider(channel.provider)
    if spec.templates_at is None:
        raise InputError("channel: its provider has no templates.", code="templates_unsupported", field="channel")
    raise InputError(
        f"{spec.templates_at}: is missing among the channel's settings, so that it is not known where its templates "
        "are; add it there.",
        code="templates_nowhere",
        field=spec.templates_at,
    )


def ask_for_list(channel: Channel) -> None:
    """List the channel's business as soon as a worker can. Raises InputError."""
    business_id = get_business(channel)
    with atomic_cursor() as cursor:
        Business.objects.filter(tenant_id=channel.tenant_id, id=business_id).update(due_at=0, tries=0)
        wake_after_commit(cursor, Wake.TEMPLATES)


# --- a list -----------------------------------------------------------------------------------------------------------


def claim_business() -> ClaimedAccount | None:
    """Take the business that has waited longest, if one is due."""
    with atomic_cursor(read_only=True) as cursor:
        due = f"SELECT 1 FROM messaging_templatelibrary WHERE due_at <= %s LIMIT 1 {every_tenant('sweep')}"
        if fetch_value(cursor, due, [now(cursor)]) is None:
            return None
    with atomic_cursor() as cursor:
        moment = now(cursor)
        found = fetch_one(
            cursor,
            f"SELECT id, tenant_id, tries FROM messaging_templatelibrary WHERE due_at <= %s "
            f"ORDER BY due_at, id LIMIT 1 {every_tenant('sweep')}{locked(skip=True)}",
            [moment],
        )
        if found is None:
            return None
        business_id, tenant_id, tries = found
        return _take(business_id, tenant_id, tries, moment)


def take_business(channel: Channel) -> ClaimedAccount:
    """For whoever lists it at once, due or not. Raises InputError."""
    business_id = get_business(channel)
    with atomic_cursor() as cursor:
        return ClaimedAccount(business_id, channel.tenant_id, channel.pk, now(cursor), 0)


def _take(business_id: int, tenant_id: int, tries: int, moment: float) -> ClaimedAccount | None:
    """None for one that no channel uses: it is looked at again later."""
    channels = Channel.objects.filter(tenant_id=tenant_id, business_id=business_id, active=True)
    channel_id = channels.order_by("id").values_list("id", flat=True).first()
    business = Business.objects.filter(tenant_id=tenant_id, id=business_id)
    if channel_id is None:
        business.update(due_at=moment + REFRESH_S)
        return None
    business.update(due_at=moment + LISTING_S, tries=F("tries") + 1)
    return ClaimedAccount(business_id, tenant_id, channel_id, moment, tries + 1)


def record_list(claimed: ClaimedAccount, listed: Sequence[Listed]) -> Synced:
    """Bring the business to what was listed; a list that was begun later has been recorded already and stands."""
    with atomic_cursor() as cursor:
        moment = now(cursor)
        listed_at = _lock(cursor, [claimed.id])[claimed.id]
        if listed_at > claimed.began:
            return Synced(len(listed), 0, 0, 0)
        ours = keyed(Template.objects.filter(business_id=claimed.id), claimed.tenant_id)
        rows = {(row.name, row.language): row for row in ours}
        there = {(each.name, each.language): _clean(each) for each in listed}
        crossed = any(row.changed_at.timestamp() >= claimed.began for row in rows.values())
        new = [_adopt(claimed, each, moment) for place, each in there.items() if place not in rows]
        changed = [row for place, row in rows.items() if place in there and _bring(row, there[place], claimed, moment)]
        gone = [row for place, row in rows.items() if place not in there and _let_go(row, claimed, moment)]
        Template.objects.bulk_create(new)
        _save(cursor, changed + gone)
        ours.filter(gone_at=None).update(synced_at=claimed.began)
        due_at = moment + (SETTLING_S if crossed else REFRESH_S)
        Business.objects.filter(tenant_id=claimed.tenant_id, id=claimed.id).update(
            synced_at=claimed.began, due_at=due_at, tries=0, code="", detail=""
        )
        return Synced(len(there), len(new), len(changed), len(gone))


def record_not_listed(claimed: ClaimedAccount, error: SendError) -> None:
    with atomic_cursor() as cursor:
        wait = error.retry_after or min(FIRST_RETRY_S * 2.0 ** min(claimed.tries, 20), REFRESH_S)
        Business.objects.filter(tenant_id=claimed.tenant_id, id=claimed.id).update(
            due_at=now(cursor) + min(max(wait, error.least_wait), REFRESH_S),
            code=error.code[:60],
            detail=error.detail[:300],
        )


_COLUMNS = (
    "provider_id", "category", "status", "quality", "named", "components", "reason", "status_at", "quality_at",
    "category_at", "changed_at", "gone_at",
)  # fmt: skip


def _save(cursor: Cursor, rows: Iterable[Template]) -> None:
    TEMPLATE.update(cursor, _COLUMNS, [(row.pk, *(_raw(getattr(row, name)) for name in _COLUMNS)) for row in rows])


def _raw(value: Any) -> Any:
    return value.timestamp() if isinstance(value, datetime) else value


def _lock(cursor: Cursor, business_ids: Iterable[int]) -> dict[int, float]:
    """When each was listed. Whoever writes templates holds their businesses, so that nobody waits in a circle."""
    found = fetch(
        cursor,
        f"SELECT id, coalesce(synced_at, 0) FROM messaging_templatelibrary WHERE {among('id')} "
        f"{every_tenant('by key')} ORDER BY id{locked()}",
        [array(business_ids)],
    )
    return dict(found)


def _clean(listed: Listed) -> Listed:
    """As the columns can hold it."""
    return listed._replace(
        provider_id=clean_text(listed.provider_id)[:60],
        name=clean_text(listed.name)[:512],
        language=clean_text(listed.language)[:60],
        category=clean_text(listed.category)[:60],
        status=clean_text(listed.status)[:60],
        quality=clean_text(listed.quality)[:60],
        components=clean_text(listed.components),
        reason=clean_text(listed.reason)[:300],
    )


def _adopt(claimed: ClaimedAccount, listed: Listed, moment: float) -> Template:
    return Template(
        uid=uuid4(),
        tenant_id=claimed.tenant_id,
        business_id=claimed.id,
        changed_at=moment,
        synced_at=claimed.began,
        gone_at=moment if listed.status == DELETED else None,
        **listed._asdict(),
    )


def _bring(row: Template, listed: Listed, claimed: ClaimedAccount, moment: float) -> bool:
    """Whether it was different. What a webhook told since the list was begun is not older than the list."""
    told_since = row.changed_at.timestamp() >= claimed.began
    news = listed._asdict()
    if told_since:
        for name in ("status", "quality", "category", "reason"):
            news[name] = getattr(row, name)
    gone = news["status"] == DELETED
    different = [name for name, value in news.items() if getattr(row, name) != value]
    if not different and gone == (row.gone_at is not None):
        return False
    for name in different:
        setattr(row, name, news[name])
    row.gone_at = (row.gone_at or moment) if gone else None
    row.changed_at = moment
    return True


def _let_go(row: Template, claimed: ClaimedAccount, moment: float) -> bool:
    if row.gone_at is not None or row.changed_at.timestamp() >= claimed.began:
        return False
    row.gone_at = row.changed_at = moment
    return True


# --- webhooks ---------------------------------------------------------------------------------------------------------


class TemplateNews(NamedTuple):
    tenant_id: int
    business_id: int
    event: TemplateChange


def record_template_changes(cursor: Cursor, told: Sequence[TemplateNews], moment: float) -> None:
    """In any order and as often as they are told: the provider's time decides what stands."""
    if not told:
        return
    listed_at = _lock(cursor, {each.business_id for each in told})
    doubtful = {
        (each.tenant_id, each.business_id)
        for each in told
        if not _record_change(cursor, each, listed_at[each.business_id], moment)
    }
    for tenant_id, business_id in sorted(doubtful):
        Business.objects.filter(tenant_id=tenant_id, id=business_id).update(due_at=Least("due_at", moment + SETTLING_S))
    if doubtful:
        wake_after_commit(cursor, Wake.TEMPLATES)


def _record_change(cursor: Cursor, told: TemplateNews, listed_at: float, moment: float) -> bool:
    """Whether the row now surely says what the provider has."""
    event, at = told.event, told.event.at or moment
    named = Template.objects.filter(business_id=told.business_id, name=event.name[:512], language=event.language[:60])
    row = keyed(named, told.tenant_id).first()
    if row is None:
        Template.objects.create(**_stub(told, at, moment))
        return False
    if event.provider_id != row.provider_id:  # the name was given anew, or this is of the one that had it before
        return event.status == DELETED
    certain = not event.outdated and at > listed_at + CROSSING_S
    for name in ("status", "quality", "category"):
        if (value := getattr(event, name)) and at >= listed_at - CROSSING_S:
            certain &= _change(row, name, value, at)
    if event.status and row.status == event.status:
        row.reason = event.reason
        row.gone_at = moment if event.status == DELETED else None
    if event.outdated:
        row.components = ""
    row.changed_at = moment
    _save(cursor, [row])
    return certain


def _change(row: Template, name: str, value: str, at: float) -> bool:
    """What is older than what stands has no effect; of the same second, it is not known which came first."""
    before = _raw(getattr(row, f"{name}_at")) or 0.0
    if before > at:
        return True
    setattr(row, name, value)
    setattr(row, f"{name}_at", at)
    return bool(before < at)


def _stub(told: TemplateNews, at: float, moment: float) -> dict[str, object]:
    """One that we have heard of, and not seen: whether a call fits it, the provider has to decide."""
    event = told.event
    facets = {name: value for name in ("status", "quality", "category") if (value := getattr(event, name))}
    return {
        "tenant_id": told.tenant_id,
        "business_id": told.business_id,
        "provider_id": event.provider_id[:60],
        "name": event.name[:512],
        "language": event.language[:60],
        "reason": event.reason[:300],
        "changed_at": moment,
        "gone_at": moment if event.status == DELETED else None,
        **facets,
        **{f"{name}_at": at for name in facets},
    }
