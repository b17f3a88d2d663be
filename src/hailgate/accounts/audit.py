"""Who did what: written in the transaction of what was done, or neither is."""

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from django.db import transaction
from django.db.models import QuerySet

from hailgate.accounts.models import ApiKey, AuditEntry, Membership, Operator
from hailgate.accounts.operators import CurrentOperator

Result = TypeVar("Result")


class AuditAction(StrEnum):
    MESSAGE_REVIVED = "message.revived"
    MESSAGE_EDITED = "message.edited"
    MESSAGE_CANCELLED = "message.cancelled"
    LETTERS_EXPORTED = "dead_letters.exported"
    CHANNEL_MADE = "channel.made"
    CHANNEL_CHANGED = "channel.changed"
    CHANNEL_REMOVED = "channel.removed"
    CHANNEL_PAUSED = "channel.paused"
    CHANNEL_RESUMED = "channel.resumed"
    SESSION_WISHED = "session.wished"
    SESSION_CODE_SHOWN = "session.code_shown"
    SESSION_NUMBER_CONFIRMED = "session.number_confirmed"
    HOOK_MADE = "hook.made"
    HOOK_REMOVED = "hook.removed"
    HOOK_REVEALED = "hook.revealed"
    HOOK_RENEWED = "hook.renewed"
    ASSISTANT_MADE = "assistant.made"
    ASSISTANT_DRAFTED = "assistant.drafted"
    ASSISTANT_PUBLISHED = "assistant.published"
    ASSISTANT_SWITCHED = "assistant.switched"
    ASSISTANTS_STOPPED = "assistants.stopped"
    ASSISTANTS_RESUMED = "assistants.resumed"
    BUDGET_SET = "budget.set"
    BUDGET_REMOVED = "budget.removed"
    PRICES_IMPORTED = "prices.imported"
    FLOOD_RULE_SET = "flood_rule.set"
    FLOOD_RULE_REMOVED = "flood_rule.removed"
    PATTERN_SET = "pattern.set"
    PATTERN_REMOVED = "pattern.removed"
    TEMPLATES_LISTED = "templates.listed"
    CONVERSATION_OPENED = "conversation.opened"
    CONVERSATION_TAKEN_OVER = "conversation.taken_over"
    CONVERSATION_GIVEN_BACK = "conversation.given_back"
    MESSAGE_SETTLED = "message.settled"
    FAILURE_DISMISSED = "message.dismissed"
    PEOPLE_JOINED = "people.joined"
    PEOPLE_PARTED = "people.parted"
    PEOPLE_DISMISSED = "people.dismissed"
    CONTACT_NAMED = "contact.named"
    CONSENT_TAKEN = "consent.taken"
    KEY_MADE = "key.made"
    KEY_LIMITED = "key.limited"
    KEY_REVOKED = "key.revoked"
    TENANT_MADE = "tenant.made"
    TENANT_RENAMED = "tenant.renamed"
    TENANT_REMOVED = "tenant.removed"
    TENANT_LIMITED = "tenant.limited"
    OPERATOR_ADDED = "operator.added"
    OPERATOR_CHANGED = "operator.changed"
    OPERATOR_LINKED = "operator.link_made"
    OPERATOR_SHUT_OUT = "operator.shut_out"
    OPERATOR_LET_IN = "operator.let_in"
    SIGNED_IN = "operator.signed_in"
    SIGN_IN_FAILED = "operator.sign_in_failed"
    LINK_USED = "operator.link_used"
    PASSWORD_CHANGED = "operator.password_changed"  # noqa: S105 -- the name of a deed
    SEALED_AGAIN = "secrets.sealed_again"
    ALARM_CLEARED = "alarm.cleared"


class Actor(NamedTuple):
    """An operator, an API key, or whoever ran a command on the machine."""

    kind: str
    id: str
    name: str


class AuditRecord(NamedTuple):
    """What is about to be done. ``subject`` is a kind and an id; ``detail`` nothing of a message, no secret."""

    actor: Actor
    tenant_id: int | None
    action: AuditAction
    subject: str = ""
    detail: str = ""


def operator_of(viewer: CurrentOperator) -> Actor:
    return Actor("operator", viewer.uid, viewer.name)


def key_of(key_id: int) -> Actor:
    """Its name as it is now."""
    found = ApiKey.objects.filter(pk=key_id).values_list("uid", "name").first()
    return Actor("key", found[0].hex if found else "", found[1] if found else "")


def audited(deed: AuditRecord | Callable[[Result], AuditRecord], act: Callable[..., Result], *arguments: Any) -> Result:
    """``act``, on record. What came to nothing (False, zero, an empty list) is not.

    ``deed`` may be a function of the result, where only that has the subject's id.
    """
    with transaction.atomic():
        result = act(*arguments)
        if done := _count(result):
            record_deed(deed(result) if callable(deed) else deed, done)
    return result


def audited_of_operator(
    actor: Actor, action: AuditAction, operator: Operator, act: Callable[..., Result], *arguments: Any, detail: str = ""
) -> Result:
    """``act``, on record with every tenant that the operator works for: it concerns them all."""
    with transaction.atomic():
        result = act(*arguments)
        tenants: list[int | None] = list(
            Membership.objects.filter(operator=operator).values_list("tenant_id", flat=True)
        )
        for tenant_id in tenants or [None]:
            record_deed(AuditRecord(actor, tenant_id, action, f"operator:{operator.uid}", detail))
    return result


def record_deed(deed: AuditRecord, count: int = 1) -> None:
    actor = deed.actor
    AuditEntry.objects.create(
        tenant_id=deed.tenant_id,
        at=time.time(),
        actor_kind=actor.kind,
        actor=actor.id[:40],
        name=actor.name[:100],
        action=deed.action.value,
        subject=deed.subject[:100],
        count=count,
        detail=deed.detail[:200],
    )


def find_entries(tenant_id: int | None) -> QuerySet[AuditEntry]:
    """Of a tenant; None: those that concern none."""
    if tenant_id is None:
        return AuditEntry.objects.filter(tenant=None)
    return AuditEntry.objects.filter(tenant_id=tenant_id)


def _count(result: object) -> int:
    if result is None:
        return 1
    return int(result) if isinstance(result, int) else len(result) if isinstance(result, list) else 1


def record_sign_in(operator: Operator, action: AuditAction) -> None:
    """For each tenant that the operator works for: its owners see who came in, or tried to."""
    actor = Actor("operator", operator.uid.hex, str(operator))
    for tenant_id in Membership.objects.filter(operator=operator).values_list("tenant_id", flat=True):
        record_deed(AuditRecord(actor, tenant_id, action, f"operator:{operator.uid}"), 1)
