"""Patterns of a tenant: texts with variables, named, one for each language; sent as plain text on every provider."""

from collections.abc import Iterable
from typing import Final

from hailgate.core.errors import Conflict, NotFound
from hailgate.core.patterns import (
    PatternCall,
    StandingPattern,
    check_pattern,
    check_place,
    choose_pattern,
    fill_pattern,
)
from hailgate.messaging.models import MessagePattern
from hailgate.messaging.store.sql import Cursor, among, array, atomic_cursor, every_tenant, fetch, now

MOST: Final = 500


def set_pattern(tenant_id: int, name: str, language: str, text: str) -> StandingPattern:
    """Takes the place of one of the same name and language. Raises InputError and Conflict."""
    language = language.replace("-", "_")
    check_pattern(name, language, text)
    with atomic_cursor() as cursor:
        others = MessagePattern.objects.filter(tenant_id=tenant_id).exclude(name=name, language=language)
        if others.count() >= MOST:
            raise Conflict(f"There are {MOST} patterns already: remove one first.", field="name")
        MessagePattern.objects.bulk_create(
            [MessagePattern(tenant_id=tenant_id, name=name, language=language, text=text, changed_at=now(cursor))],
            update_conflicts=True,
            unique_fields=["tenant", "name", "language"],
            update_fields=["text", "changed_at"],
        )
    return StandingPattern(name, language, text)


def remove_pattern(tenant_id: int, name: str, language: str) -> bool:
    """Raises InputError where none can be, and NotFound where none is."""
    language = language.replace("-", "_")
    check_place(name, language)
    removed, _ = MessagePattern.objects.filter(tenant_id=tenant_id, name=name, language=language).delete()
    if not removed:
        raise NotFound("There is no pattern of this name in this language.")
    return True


def list_patterns(tenant_id: int) -> list[StandingPattern]:
    found = MessagePattern.objects.filter(tenant_id=tenant_id).order_by("name", "language")
    return [StandingPattern(each.name, each.language, each.text) for each in found]


def find_patterns(cursor: Cursor, tenant_ids: Iterable[int]) -> dict[int, tuple[StandingPattern, ...]]:
    found = fetch(
        cursor,
        f"SELECT tenant_id, name, language, text FROM messaging_messagepattern WHERE {among('tenant_id')} "
        f"ORDER BY tenant_id, name, language {every_tenant('by tenant')}",
        [array(set(tenant_ids))],
    )
    patterns: dict[int, tuple[StandingPattern, ...]] = {}
    for tenant_id, *pattern in found:
        patterns[tenant_id] = (*patterns.get(tenant_id, ()), StandingPattern(*pattern))
    return patterns


def fill_call(tenant_id: int, call: PatternCall) -> str:
    """What a person reads. Raises InputError."""
    chosen = choose_pattern(list_patterns(tenant_id), call.name, call.language)
    return fill_pattern(chosen.text, call.values, "pattern.values")
