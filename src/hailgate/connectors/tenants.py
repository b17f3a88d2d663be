"""Whose a message from the broker is: told by our own store, or by an external tenant service."""

from typing import Protocol

from hailgate.accounts.keys import get_tenant
from hailgate.core.cache import Cache
from hailgate.core.errors import InputError, NotFound
from hailgate.messaging.store.ports import Db


class TenantPending(Exception):  # noqa: N818 -- it says how things stand
    """Nobody can say at present whether there is such a tenant: its messages wait, and those of others go on."""


class Tenants(Protocol):
    """Tenants by what a message calls them."""

    async def get(self, reference: str) -> int:
        """The tenant's id in our store. Raises InputError (`unknown_tenant`) and TenantPending.

        It waits for nothing but the store.
        """

    async def wait_for(self, reference: str) -> None:
        """Until it may be asked for again after a TenantPending."""


class StoredTenants:
    """Those of our own store, by name or id."""

    def __init__(self, db: Db) -> None:
        self._known: Cache[int] = Cache(lambda reference: db(_find_tenant, reference))

    async def get(self, reference: str) -> int:
        tenant_id = await self._known.get(reference, reference)
        if tenant_id is None:
            raise unknown_tenant()
        return tenant_id

    async def wait_for(self, reference: str) -> None:  # noqa: ARG002 -- the store knows at once
        return


def unknown_tenant() -> InputError:
    return InputError("tenant: there is no tenant of this name or id.", code="unknown_tenant", field="tenant")


def _find_tenant(reference: str) -> int | None:
    try:
        return get_tenant(reference).pk
    except NotFound:
        return None
