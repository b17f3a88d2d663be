"""Renaming and removing what was added. What was said through it stays readable for as long as messages are kept.

What is removed is switched off for good: its name is free again, its credentials are gone, nothing comes or goes.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from hailgate.accounts.keys import check_name
from hailgate.accounts.models import ApiKey, Membership, Tenant
from hailgate.accounts.seal import sealer
from hailgate.core.errors import Conflict
from hailgate.core.sessions import SessionWish
from hailgate.messaging.models import Channel, Hook, Session, Work, WorkKind

LONGEST_NAME: Final = 100
# What a channel is looked at for, whether or not there are messages.
ROUNDS: Final = (WorkKind.SESSION, WorkKind.POLL, WorkKind.CHECK)
# What a server can be asked for only with the channel's credentials, and leaves a phone linked where nobody asks.
_TO_CARRY_OUT: Final = {SessionWish.LOG_OUT.value: "logged out", SessionWish.DELETE.value: "deleted"}


def rename_channel(found: Channel, name: str) -> None:
    """Whoever sends by the old name is refused from now on. Raises InputError and Conflict."""
    name = check_name(name)
    with _unless_taken("channel", name):
        Channel.objects.filter(tenant_id=found.tenant_id, id=found.pk).update(name=name)


@transaction.atomic
def remove_channel(found: Channel) -> None:
    """Raises Conflict while messages of it wait, are on their way, or need a decision; also while its server is still
    to log its session out or delete it.

    The rounds that it has for as long as it is there end with it, and so does what is known of its session.
    """
    work = Work.objects.filter(tenant_id=found.tenant_id, channel_id=found.pk)
    if left := work.exclude(kind__in=ROUNDS).count():
        raise Conflict(
            f"{left} messages of {found.name} are queued or need a decision: cancel, settle or dismiss them first",
            field="channel",
        )
    _check_forgotten(found, work)
    work.delete()
    Session.objects.filter(tenant_id=found.tenant_id, channel=found).delete()
    Channel.objects.filter(tenant_id=found.tenant_id, id=found.pk).update(
        active=False, hook=None, name=_former(found.name), config=sealer().seal("{}")
    )


def remove_hook(found: Hook) -> None:
    """Raises Conflict while channels receive through it."""
    if names := list(_served(found)):
        raise Conflict(f"it receives for {', '.join(names)}: remove these channels first", field="hook")
    Hook.objects.filter(tenant_id=found.tenant_id, id=found.pk).update(active=False, config=sealer().seal("{}"))


def rename_tenant(found: Tenant, name: str) -> None:
    """Raises InputError and Conflict."""
    name = check_name(name)
    with _unless_taken("tenant", name):
        Tenant.objects.filter(id=found.pk).update(name=name)


def remove_tenant(found: Tenant) -> None:
    """Its keys are revoked and nobody works for it any more. Raises Conflict while it has channels or hooks."""
    for model, what in ((Channel, "channels"), (Hook, "hooks")):
        if model.objects.filter(tenant_id=found.pk, active=True).exists():
            raise Conflict(f"{found.name} still has {what}: remove them first", field="tenant")
    with transaction.atomic():
        ApiKey.objects.filter(tenant_id=found.pk, revoked_at=None).update(revoked_at=time.time())
        Membership.objects.filter(tenant_id=found.pk).delete()
        Tenant.objects.filter(id=found.pk).update(name=_former(found.name))


def _check_forgotten(found: Channel, work: QuerySet[Work]) -> None:
    """Its watch is there for as long as a wish is not carried out, whatever was last seen of the session.

    The session stays locked, so that nobody wishes for its end between this look and the channel's.
    """
    session = Session.objects.select_for_update().filter(tenant_id=found.tenant_id, channel=found).first()
    ending = _TO_CARRY_OUT.get(session.wish) if session else None
    if ending and work.filter(kind=WorkKind.SESSION).exists():
        raise Conflict(
            f"the session of {found.name} is still to be {ending} at its server: remove the channel once that is done, "
            f"or disconnect it without that first",
            field="channel",
        )


def _served(found: Hook) -> list[str]:
    return list(
        Channel.objects.filter(tenant_id=found.tenant_id, hook=found, active=True).values_list("name", flat=True)
    )


@contextmanager
def _unless_taken(what: str, name: str) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        raise Conflict(f"a {what} named {name!r} exists already", field="name") from None


def _former(name: str) -> str:
    removed = f" (removed {datetime.now(UTC):%Y-%m-%d %H:%M:%S})"
    return f"{name[: LONGEST_NAME - len(removed)]}{removed}"
