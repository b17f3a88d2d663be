"""Templates as we know them: found for a send and checked against it, and listed for whoever wants to send one.

Only a message with a template looks anything up, and a batch of them once. A template that we cannot know is left to
the provider; what we know better than the caller is refused before it is accepted.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from django.db.models import Q

from hailgate.core.address import AddressKind
from hailgate.core.content.templates import TemplateCall
from hailgate.core.errors import InputError, NotFound
from hailgate.core.templates import (
    APPROVED,
    Definition,
    TemplateDefinition,
    Variable,
    check_template,
    fits_a_form,
    list_variables,
    parse_definition,
)
from hailgate.messaging import models
from hailgate.messaging.channels.admin import get_channel_row
from hailgate.messaging.store.sql import Cursor, Row, among, array, atomic_cursor, every_tenant, fetch, keyed
from hailgate.messaging.store.tables import TEMPLATE
from hailgate.providers import get_provider

# What somebody who wants no marketing still gets, in the provider's words.
WANTED_ANYWAY = frozenset({"UTILITY", "AUTHENTICATION"})

if TYPE_CHECKING:
    from django.db.models import QuerySet


class TemplateQuery(NamedTuple):
    """A call of a template on a channel whose templates are in this business; None where it has none."""

    business_id: int | None
    call: TemplateCall
    to: AddressKind = AddressKind.PHONE


class Sendable(NamedTuple):
    """A template that may be sent now, and what a form has to ask for it."""

    uid: UUID
    template: TemplateDefinition
    definition: Definition
    variables: tuple[Variable, ...]


def check_calls(batch: Sequence[TemplateQuery]) -> list[InputError | None]:
    """What is wrong with each call, in order; None where nothing is, or where the provider has to decide."""
    known = _find_known({(each.business_id, each.call.name) for each in batch if each.business_id is not None})
    return [_fault(each, known.get((each.business_id, each.call.name))) for each in batch]


def is_marketing(tenant_id: int, channel_id: int, call: TemplateCall) -> bool:
    """What is not known to be something else counts as marketing: it goes to somebody who wants none."""
    named = Q(name=call.name) | Q(provider_id=call.name)
    rows = models.Template.objects.filter(named, business__channels=channel_id, language=call.language.code)
    categories = set(keyed(rows, tenant_id).values_list("category", flat=True))
    return not categories or not categories <= WANTED_ANYWAY


def list_sendable(tenant_id: int, channel_id: int) -> list[Sendable]:
    """Approved ones that ask for no more than a form can hold, by name. ``core.templates`` fills and previews them."""
    rows = models.Template.objects.filter(
        tenant_id=tenant_id, business__channels=channel_id, status=APPROVED, gone_at=None
    )
    return [found for row in rows.order_by("name", "language") if (found := _sendable(row))]


def get_sendable(tenant_id: int, channel_id: int, template: UUID) -> Sendable:
    """Raises NotFound also for one that may not be sent any more."""
    rows = models.Template.objects.filter(business__channels=channel_id, uid=template, status=APPROVED, gone_at=None)
    row = keyed(rows, tenant_id).first()
    if row is None or (found := _sendable(row)) is None:
        raise NotFound("there is no template of this id that could be sent", field="template")
    return found


def find_templates(
    tenant_id: int, *, channel: str | None = None, gone: bool = False, **wanted: str | None
) -> "QuerySet[models.Template]":
    """Those that a channel, by its id or name, may send, or all; ``wanted`` are columns. Raises NotFound."""
    rows = models.Template.objects.filter(tenant_id=tenant_id, gone_at__isnull=not gone).select_related("business")
    if channel is not None:
        rows = rows.filter(business__channels=get_channel_row(tenant_id, channel))
    return rows.filter(**{name: value for name, value in wanted.items() if value is not None})


def as_template(row: models.Template) -> TemplateDefinition:
    return TemplateDefinition(
        row.provider_id, row.name, row.language, row.category, row.status, row.quality, row.named, row.components,
        row.reason,
    )  # fmt: skip


def _sendable(row: models.Template) -> Sendable | None:
    template = as_template(row)
    definition = parse_definition(template)
    if definition is None or not fits_a_form(definition):
        return None
    return Sendable(row.uid, template, definition, tuple(list_variables(definition)))


def _fault(wanted: TemplateQuery, known: Sequence[TemplateDefinition] | None) -> InputError | None:
    if known is None:
        return None
    try:
        check_template(wanted.call, known, wanted.to)
    except InputError as refused:
        return refused
    return None


_COLUMNS = (
    "library_id", "provider_id", "name", "language", "category", "status", "quality", "named", "components", "reason",
    "gone_at",
)  # fmt: skip


_Place = tuple[int | None, str]
"""A business, and the name by which a call knows a template of its."""


def _find_known(places: Iterable[_Place]) -> dict[_Place, list[TemplateDefinition]]:
    """All languages of each name, the gone ones left out. A business that was never listed is not known at all."""
    wanted = {(business_id, name) for business_id, name in places if business_id is not None}
    if not wanted:
        return {}
    with atomic_cursor(read_only=True) as cursor:
        by_name = TEMPLATE.find(cursor, _COLUMNS, wanted, by=("library_id", "name"))
        unnamed = wanted - {(row[0], row[2]) for row in by_name}
        providers = _find_listed(cursor, {business_id for business_id, _ in unnamed})
        ids = {(business_id, name) for business_id, name in unnamed if _is_id(providers.get(business_id), name)}
        by_id = TEMPLATE.find(cursor, _COLUMNS, ids, by=("library_id", "provider_id")) if ids else []
    # Of an id that is in no list the provider decides: of two alike in name and language, one alone is kept.
    found: dict[_Place, list[TemplateDefinition]] = {
        place: [] for place in wanted - ids if place not in unnamed or place[0] in providers
    }
    named = [((row[0], row[2]), row) for row in by_name] + [((row[0], row[1]), row) for row in by_id]
    for place, row in named:
        if (template := _definition(row)) is not None:
            found.setdefault(place, []).append(template)
    return found


def _find_listed(cursor: Cursor, business_ids: Collection[int]) -> dict[int | None, str]:
    """The provider of each business that was ever listed."""
    if not business_ids:
        return {}
    rows = fetch(
        cursor,
        f"SELECT id, provider FROM messaging_templatelibrary WHERE {among('id')} AND synced_at IS NOT NULL "
        f"{every_tenant('by key')}",
        [array(business_ids)],
    )
    return dict(rows)


def _is_id(provider: str | None, name: str) -> bool:
    form = get_provider(provider).template_id if provider is not None else None
    return form is not None and form.fullmatch(name) is not None


def _definition(row: Row) -> TemplateDefinition | None:
    """None where it is gone."""
    _, provider_id, name, language, category, status, quality, named, components, reason, gone_at = row
    if gone_at is not None:
        return None
    return TemplateDefinition(provider_id, name, language, category, status, quality, bool(named), components, reason)
