"""Slots of tenants: what one process does at once, shared out so that no tenant holds what others need.

Nobody waits for one: whoever waits would hold a connection instead.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from hailgate.core.errors import Overloaded


class TenantSlots:
    """``at_once`` of them. A tenant may hold half of what the others leave: of 16 the first eight, a second four."""

    def __init__(self, at_once: int, what: str) -> None:
        self._at_once, self._what = at_once, what
        self._held: Counter[int] = Counter()

    @contextmanager
    def hold(self, tenant_id: int) -> Iterator[None]:
        """Raises Overloaded where the tenant's share is used up."""
        if 2 * self._held[tenant_id] >= self._at_once - self._held_by_others(tenant_id):
            raise Overloaded(f"Too many {self._what} at once; try again shortly.")
        self._held[tenant_id] += 1
        try:
            yield
        finally:
            self._held[tenant_id] -= 1
            self._held += Counter()  # forgets who holds none

    def _held_by_others(self, tenant_id: int) -> int:
        return self._held.total() - self._held[tenant_id]
