"""Slots of tenants: each leaves some to those who hold none."""

from contextlib import ExitStack

import pytest

from hailgate.core.errors import Overloaded
from hailgate.edge.http.tenant_slots import TenantSlots


def fill(slots: TenantSlots, stack: ExitStack, tenant: int) -> int:
    """How many slots a tenant gets that takes all it can."""
    for held in range(100):
        try:
            stack.enter_context(slots.hold(tenant))
        except Overloaded:
            return held
    raise AssertionError("no end of slots")


@pytest.mark.parametrize(
    ("at_once", "shares"), [(1, [1, 0]), (2, [1, 1, 0]), (8, [4, 2, 1, 1, 0]), (16, [8, 4, 2, 1, 1, 0])]
)
def test_each_takes_half_of_what_the_others_left(at_once: int, shares: list[int]) -> None:
    slots = TenantSlots(at_once, "files are being stored")
    with ExitStack() as stack:
        assert [fill(slots, stack, tenant) for tenant in range(len(shares))] == shares
    with ExitStack() as stack:  # all were given back, also after an error
        assert fill(slots, stack, 7) == shares[0]
