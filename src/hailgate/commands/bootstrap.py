"""Opening the store for a command: Django, the key ring, and plain words for what goes wrong there."""

import getpass
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hailgate.core.errors import ConfigurationError, InputError, StoreUnavailable

if TYPE_CHECKING:
    from django.db import Error

    from hailgate.accounts.audit import Actor, AuditAction, AuditRecord
    from hailgate.accounts.models import Tenant
    from hailgate.env import Environment

# What both databases say of a table or column that a migration has yet to make.
MISSING_STATES = frozenset({"42P01", "42703"})
MISSING_WORDS = ("no such table", "no such column")


@contextmanager
def open_store() -> Iterator["Environment"]:
    """The composition root of every command that needs the database.

    Raises ConfigurationError where the settings or the schema will not do, StoreUnavailable where nothing answers.
    """
    prepare_models()
    from hailgate.accounts.seal import has_sealer

    if not has_sealer():  # else somebody has composed this process already, with a key ring of their own
        _use_key_ring()
    from django.db import Error, connections

    from hailgate.settings import ENV

    try:
        yield ENV
    except Error as failed:
        raise explain(failed) from None
    finally:
        if not connections["default"].in_atomic_block:
            connections.close_all()


def prepare_models() -> None:
    """For what knows tables but opens no store yet."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hailgate.settings")
    import django
    from django.apps import apps

    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # it names addresses, and we say what is wrong
    if not apps.ready:
        django.setup()


def pass_pooler() -> bool:
    """Reach the database directly: a pooler gives a lock of a session to whoever comes next. Whether there is one."""
    from hailgate.env import load_environment

    direct = load_environment().direct
    if direct:
        os.environ["HAILGATE_DATABASE_URL"] = direct
        os.environ.pop("HAILGATE_DATABASE_URL_FILE", None)
    return bool(direct)


def choose_tenant(name_or_id: str | None) -> "Tenant":
    """The named tenant, or the only one there is. Raises InputError."""
    from hailgate.accounts.keys import get_tenant
    from hailgate.accounts.models import Tenant

    if name_or_id:
        return get_tenant(name_or_id)
    tenants = list(Tenant.objects.all()[:2])
    if not tenants:
        raise InputError("there is no tenant yet: make one with `hailgate tenant add NAME`", field="tenant")
    if len(tenants) > 1:
        raise InputError("there are several tenants: say which with --tenant", field="tenant")
    return tenants[0]


def deed_of(tenant_id: int | None, action: "AuditAction", subject: str = "", detail: str = "") -> "AuditRecord":
    """For the audit log."""
    from hailgate.accounts.audit import AuditRecord

    return AuditRecord(at_the_machine(), tenant_id, action, subject, detail)


def at_the_machine() -> "Actor":
    """Whoever runs this command."""
    from hailgate.accounts.audit import Actor

    return Actor("command", "", _user())


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return ""


def explain(failed: "Error") -> ConfigurationError | StoreUnavailable:
    """What a person can do about it."""
    if getattr(failed.__cause__, "sqlstate", None) in MISSING_STATES or str(failed).startswith(MISSING_WORDS):
        return ConfigurationError(["The database lacks tables of this version: run `hailgate migrate`."])
    from hailgate.messaging.store.faults import explain_fault, find_connection_fault

    return StoreUnavailable(explain_fault(find_connection_fault() or failed))


def _use_key_ring() -> None:
    from hailgate.accounts.seal import Sealer, use_sealer
    from hailgate.messaging.broker.outbox import use_outbox
    from hailgate.settings import ENV

    use_sealer(Sealer(ENV.sealing_keys, content=ENV.seal_content))
    use_outbox(events=bool(ENV.rabbitmq and ENV.rabbitmq_exchange), dead_letters=bool(ENV.rabbitmq))
