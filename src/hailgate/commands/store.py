"""Opening the store for a command: Django, the key ring, and plain words for what goes wrong there."""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hailgate.core.errors import ConfigurationError, InputError, StoreUnavailable

if TYPE_CHECKING:
    from django.db import Error

    from hailgate.accounts.audit import Action, Actor, Deed
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
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hailgate.settings")
    import django
    from django.apps import apps

    if not apps.ready:  # else somebody has composed this process already, with a key ring of their own
        django.setup()
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


def deed_of(tenant_id: int | None, action: "Action", subject: str = "", detail: str = "") -> "Deed":
    """For the audit log."""
    from hailgate.accounts.audit import Deed

    return Deed(at_the_machine(), tenant_id, action, subject, detail)


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
    """What a person can do about it. The driver's own words may hold the address and stay out."""
    if getattr(failed.__cause__, "sqlstate", None) in MISSING_STATES or str(failed).startswith(MISSING_WORDS):
        return ConfigurationError(["The database lacks tables of this version: run `hailgate migrate`."])
    return StoreUnavailable(
        f"The database does not answer ({type(failed).__name__}): is it running, and is HAILGATE_DATABASE_URL right?"
    )


def _use_key_ring() -> None:
    from hailgate.accounts.seal import Sealer, use_sealer
    from hailgate.settings import ENV

    use_sealer(Sealer(ENV.sealing_keys, content=ENV.seal_content))
