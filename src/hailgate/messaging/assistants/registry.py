"""Assistants of a tenant: made, changed by a new version, put live, taken back, found for a turn."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from django.db import IntegrityError

from hailgate.accounts.seal import sealer
from hailgate.assistant import BUILT_IN
from hailgate.assistant.scripted import check_said
from hailgate.assistant.settings import AssistantSettings, ModelChoice, check_settings, parse_settings
from hailgate.core.errors import Conflict, InputError, NotFound
from hailgate.messaging.assistants.patterns import list_patterns
from hailgate.messaging.assistants.prices import check_priced, find_money_currency
from hailgate.messaging.models import PERSON, Assistant, AssistantVersion
from hailgate.messaging.store.sql import Cursor, among, array, atomic_cursor, every_tenant, fetch, now

if TYPE_CHECKING:
    from django.db.models import QuerySet

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,29}")
RESERVED: Final = frozenset({PERSON, "api", "operator"})


class LiveAssistant(NamedTuple):
    """The version that answers now. ``settings`` hold the keys: never shown, never logged."""

    id: int
    version_id: int
    name: str
    active: bool
    settings: AssistantSettings


class StandingAssistant(NamedTuple):
    """One that is switched on and has a live version."""

    tenant_id: int
    id: int
    uid: object
    name: str
    settings: AssistantSettings


def add_assistant(tenant_id: int, name: str, given: Mapping[str, object]) -> Assistant:
    """With its first version, live at once. Raises InputError and Conflict."""
    if not _NAME.fullmatch(name) or name in RESERVED:
        raise InputError("name: needs 1 to 30 small letters, digits, - or _, and is not a word of ours.", field="name")
    settings = parse_settings(given)
    _check_rules(tenant_id, settings)
    try:
        with atomic_cursor() as cursor:
            moment = now(cursor)
            made = Assistant.objects.create(tenant_id=tenant_id, name=name, created_at=moment)
            first = _add_version(made, settings, 1, moment)
            Assistant.objects.filter(tenant_id=tenant_id, pk=made.pk).update(live=first)
            made.live = first
    except IntegrityError:
        raise Conflict(f"An assistant is called {name!r} already.", field="name") from None
    return made


def draft_version(tenant_id: int, name: str, changes: Mapping[str, object]) -> AssistantVersion:
    """The latest version with these settings changed; what answers stays until it is published. Raises InputError."""
    with atomic_cursor() as cursor:
        found = get_assistant(tenant_id, name)
        locked = Assistant.objects.select_for_update().get(tenant_id=tenant_id, pk=found.pk)
        latest = _versions(locked).latest("number")
        kept = {
            name: value
            for name, value in msgspec.to_builtins(read_settings(latest)).items()
            if name not in changes or changes[name] != ""
        }
        settings = parse_settings({**kept, **{name: value for name, value in changes.items() if value != ""}})
        _check_rules(tenant_id, settings)
        return _add_version(locked, settings, latest.number + 1, now(cursor))


def publish_version(tenant_id: int, name: str, number: int | None = None) -> AssistantVersion:
    """Let a version answer from the next turn on: the latest where none is named; an older one takes changes back.

    Raises Conflict where a budget is in money and a model of it has no price.
    """
    found = get_assistant(tenant_id, name)
    chosen = _get_version(found, number) if number is not None else _versions(found).latest("number")
    settings = read_settings(chosen)
    check_settings(settings)
    _check_rules(tenant_id, settings)
    if not settings.is_scripted and (currency := find_money_currency(tenant_id)):
        check_priced(tenant_id, currency, [(name, choice) for choice in settings.choices])
    Assistant.objects.filter(tenant_id=tenant_id, pk=found.pk).update(live=chosen)
    return chosen


def switch_assistant(tenant_id: int, name: str, *, active: bool) -> bool:
    """Off: people answer in its place, from the next turn on. False where it stood so already."""
    found = get_assistant(tenant_id, name)
    rows = Assistant.objects.filter(tenant_id=tenant_id, pk=found.pk).exclude(active=active)
    return bool(rows.update(active=active))


def get_assistant(tenant_id: int, name: str) -> Assistant:
    """Raises NotFound."""
    found = Assistant.objects.filter(tenant_id=tenant_id, name=name).select_related("live").first()
    if found is None:
        listed = ", ".join(list_names(tenant_id)) or "none"
        raise NotFound(f"No assistant is called {name[:30]!r}; there are: {listed}.")
    return found


def get_version(tenant_id: int, name: str, number: int | None = None) -> AssistantVersion:
    """The live version, or the one with this number. Raises NotFound."""
    found = get_assistant(tenant_id, name)
    if number is not None:
        return _get_version(found, number)
    if found.live is None:
        raise NotFound(f"{name!r} has no live version; name one of its drafts.")
    return found.live


def list_versions(tenant_id: int, name: str) -> list[AssistantVersion]:
    """The newest first, each with its assistant. Raises NotFound."""
    return list(_versions(get_assistant(tenant_id, name)).select_related("assistant").order_by("-number"))


def list_names(tenant_id: int) -> list[str]:
    return list(Assistant.objects.filter(tenant_id=tenant_id).order_by("name").values_list("name", flat=True))


def list_answering(tenant_id: int) -> list[str]:
    """Who may answer a channel: the tenant's own assistants, and the built-in one."""
    return [*list_names(tenant_id), *BUILT_IN]


def choose_answering(tenant_id: int, channel_answered_by: str) -> str:
    """To whom a conversation is given back: the channel's own assistant, else the tenant's first."""
    known = list_answering(tenant_id)
    return channel_answered_by if channel_answered_by in known else known[0]


def list_assistants(tenant_id: int) -> list[Assistant]:
    return list(Assistant.objects.filter(tenant_id=tenant_id).select_related("live").order_by("name"))


def list_standing(cursor: Cursor) -> list[StandingAssistant]:
    """Of the whole installation."""
    found = fetch(
        cursor,
        "SELECT assistant.tenant_id, assistant.id, assistant.uid, name, version.id, settings "
        "FROM messaging_assistant assistant JOIN messaging_assistantversion version ON version.id = assistant.live_id "
        f"WHERE active {every_tenant('what all of them need')} ORDER BY assistant.id",
    )
    return [StandingAssistant._make((*columns, _settings_of(id_, settings))) for *columns, id_, settings in found]


def list_priced_choices(tenant_id: int) -> list[tuple[str, ModelChoice]]:
    """The models that live versions ask, each with the name of who asks it."""
    live = [each for each in list_assistants(tenant_id) if each.live is not None]
    settings = [(each.name, read_settings(each.live)) for each in live if each.live is not None]
    return [(name, choice) for name, each in settings if not each.is_scripted for choice in each.choices]


def any_model_live() -> bool:
    """Whether any assistant of the installation asks a model: then a process is kept ready for it."""
    with atomic_cursor(read_only=True) as cursor:
        return any(not each.settings.is_scripted for each in list_standing(cursor))


def read_settings(version: AssistantVersion) -> AssistantSettings:
    return _settings_of(version.pk, version.settings)


def find_live(cursor: Cursor, wanted: Iterable[tuple[int, str]]) -> dict[tuple[int, str], LiveAssistant]:
    """Of tenants and names, those that have a live version."""
    pairs = set(wanted)
    if not pairs:
        return {}
    found = fetch(
        cursor,
        "SELECT assistant.tenant_id, name, assistant.id, version.id, active, settings "
        "FROM messaging_assistant assistant JOIN messaging_assistantversion version ON version.id = assistant.live_id "
        f"WHERE {among('assistant.tenant_id')} {every_tenant('by tenant and name')}",
        [array({tenant_id for tenant_id, _ in pairs})],
    )
    return {
        (tenant_id, name): LiveAssistant(id_, version_id, name, bool(active), _settings_of(version_id, settings))
        for tenant_id, name, id_, version_id, active, settings in found
        if (tenant_id, name) in pairs
    }


def _check_rules(tenant_id: int, settings: AssistantSettings) -> None:
    if settings.says_patterns:
        check_said(settings.script, settings.language, list_patterns(tenant_id))


def _versions(assistant: Assistant) -> "QuerySet[AssistantVersion]":
    return AssistantVersion.objects.filter(tenant_id=assistant.tenant_id, assistant=assistant)


def _get_version(assistant: Assistant, number: int) -> AssistantVersion:
    found = _versions(assistant).filter(number=number).first()
    if found is None:
        raise NotFound(f"{assistant.name!r} has no version {number}.")
    return found


def _add_version(assistant: Assistant, settings: AssistantSettings, number: int, moment: float) -> AssistantVersion:
    return AssistantVersion.objects.create(
        tenant_id=assistant.tenant_id,
        assistant=assistant,
        number=number,
        settings=sealer().seal(msgspec.json.encode(settings).decode()),
        created_at=moment,
    )


@lru_cache(maxsize=512)
def _settings_of(_version_id: int, sealed: str) -> AssistantSettings:
    """A version never changes, so it is unsealed once."""
    return msgspec.json.decode(sealer().unseal(sealed), type=AssistantSettings)
