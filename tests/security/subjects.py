"""What each id in a path stands for among the rows of a clinic, and all of the clinic that nobody else may see."""

import hashlib
from itertools import pairwise
from typing import Any

from django.apps import apps
from django.db import models

import given
from api.conftest import Told
from hailgate.accounts.keys import add_key
from hailgate.accounts.operators import add_operator
from hailgate.core.alarms import Alarm, Cause
from hailgate.messaging.assistants.patterns import set_pattern
from hailgate.messaging.assistants.registry import add_assistant
from hailgate.messaging.models import Channel, Contact, Join, JoinState, WebhookEvent
from messaging import acting
from security.routes import ADMIN, HOLE, Route


def find_subjects(told: Told) -> dict[str, Any]:
    """Ids by what stands before them in a path of Django's, or by their name in one of the API's."""
    tenant = told.conversation.tenant_id
    channel = Channel.objects.get(tenant_id=tenant, id=told.conversation.channel_id)
    contact = Contact.objects.get(tenant_id=tenant, id=told.conversation.contact_id)
    join = _add_join(contact)
    return {
        "message_id": told.dead.uid,
        "conversation_id": told.conversation.uid,
        "contact_id": contact.uid,
        "join_id": join.uid,
        "channel_id": channel.uid,
        "media_id": told.media.uid,
        "template_id": told.template.uid,
        "conversations": told.conversation.uid,
        "templates": told.template.uid,
        "media": told.media.uid,
        "messages": told.queued.uid,
        "dead-letters": told.dead.uid,
        "events": _add_event(channel).uid,
        "channels": channel.uid,
        "alarms": _add_alarm(tenant).uid,
        "people": join.uid,
        "team": add_operator(tenant, "colleague@example.org", name="Colleague").uid,
        "keys": add_key(tenant, "of the clinic").key.split("_")[1],
        "of": add_assistant(tenant, "desk", {"vendor": "scripted"}).name,
        "patterns": set_pattern(tenant, "greeting", "en", "Hello {{name}}!").place,
        "name": "greeting",
        "language": "en",
        "new": "cloud",
        "sign-in": "a-token-that-nobody-made",
        "token": "a-token-that-nobody-made",
        "rest": "deeper",
        "assets": "reader.js",
    }


def _add_join(contact: Contact) -> Join:
    """A question for the clinic's operators: are these two one person?"""
    return Join.objects.create(
        tenant_id=contact.tenant_id, state=JoinState.SUGGESTED, proof="spelling", left=contact, right=contact,
        left_digest="1", right_digest="2", told_at=1.0,
    )  # fmt: skip


def _add_event(channel: Channel) -> WebhookEvent:
    from hailgate.messaging.store.ids import uuid7

    return WebhookEvent.objects.create(
        tenant_id=channel.tenant_id, uid=uuid7(), hook_id=channel.hook_id, received_at=acting.NOON, headers="{}",
        body=given.text_webhook("canary-webhook"), state=1,
    )  # fmt: skip


def _add_alarm(tenant: int) -> Any:
    from hailgate.accounts.alarms import raise_alarm
    from hailgate.accounts.models import RaisedAlarm

    raise_alarm(Cause(Alarm.CHANNEL_PAUSED, "channel:front desk", tenant))
    return RaisedAlarm.objects.get(tenant_id=tenant)


def fill(route: Route, subjects: dict[str, Any]) -> str:
    """The route's path with the ids of these subjects. Raises KeyError for a hole that nobody has named."""
    if route.area == ADMIN:
        return route.filled(_admin_ids(route))
    parts = route.path.split("/")
    named = {name: subjects[name] for name in route.holes if name in subjects}
    for before, part in pairwise(parts):
        if HOLE.fullmatch(part) and before in subjects:
            named[HOLE.sub(r"\1\2", part)] = subjects[before]
    return route.filled(named)


def _admin_ids(route: Route) -> dict[str, Any]:
    """A row of the table that the path names; any number where there is none, and for shortcuts to anything."""
    parts = route.path.split("/")
    if "object_id" not in route.holes or parts[2] == "r":
        return {"content_type_id": 1, "object_id": 1}
    [(row,)] = acting.execute(f"SELECT min(id) FROM {apps.get_model(parts[2], parts[3])._meta.db_table}")
    return {"object_id": row or 1}


def owned() -> list[type[models.Model]]:
    """Every table whose rows belong to a tenant."""
    return [model for model in apps.get_models() if any(field.attname == "tenant_id" for field in model._meta.fields)]


def look(tenant: int) -> dict[str, str]:
    """Each table of the tenant's, as one digest of all that stands in it; and those who work for it."""
    members = "SELECT operator_id FROM accounts_membership WHERE tenant_id = %s"
    team = acting.execute(f"SELECT * FROM accounts_operator WHERE id IN ({members})", [tenant])
    seen = {"operators": digest(team)}
    for model in owned():
        table = model._meta.db_table
        rows = acting.execute(f"SELECT * FROM {table} WHERE tenant_id = %s", [tenant])
        seen[table] = digest(rows)
    return seen


def digest(rows: list[Any]) -> str:
    return hashlib.sha256(repr(sorted(map(repr, rows))).encode()).hexdigest()


def list_canaries(tenant: int) -> set[str]:
    """Whatever tells of the tenant's rows: their ids, whom they are of, and what was written."""
    found = {"Are you open?", "Until six.", "canary-webhook", "front desk", "order_update", given.APP_SECRET}
    found |= {given.VERIFY_TOKEN, given.CHANNEL_SETTINGS["access_token"], "15550000001", "photo.png"}
    for model in owned():
        if any(field.name == "uid" for field in model._meta.fields):
            rows = acting.execute(f"SELECT uid FROM {model._meta.db_table} WHERE tenant_id = %s", [tenant])
            found |= {_spelt(uid) for (uid,) in rows}
    return found


def _spelt(uid: Any) -> str:
    from uuid import UUID

    return str(uid if isinstance(uid, UUID) else UUID(str(uid)))
