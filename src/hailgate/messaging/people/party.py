"""A party: somebody that a channel talks with, as one event or one caller names them."""

from collections.abc import Iterable
from typing import NamedTuple

from hailgate.core.address import Address
from hailgate.messaging.store.sql import Cursor, among, array, every_tenant, fetch


class Party(NamedTuple):
    """A person or a group, under all addresses that are told of them together, best first.

    ``told`` where the provider says so: then these are one person's. ``at`` is its time, 0 where it told none;
    ``portfolio`` says which of its businesses a scoped id belongs to.
    """

    tenant_id: int
    channel_id: int
    addresses: tuple[Address, ...]
    answered_by: str
    name: str = ""
    told: bool = False
    at: float = 0.0
    portfolio: str = ""

    def known_at(self, moment: float) -> float:
        """The provider's time, never later than now, though its clock be ahead of ours; 0 where it told none."""
        return min(self.at, moment)


def portfolio_of(channel_id: int, business_id: int | None) -> str:
    """Which of a provider's businesses gives user ids on a channel, as far as that is known."""
    return f"channel:{channel_id}" if business_id is None else f"business:{business_id}"


def find_portfolios(cursor: Cursor, channel_ids: Iterable[int]) -> dict[int, str]:
    found = fetch(
        cursor,
        f"SELECT id, library_id FROM messaging_channel WHERE {among('id')} {every_tenant('by key')}",
        [array(set(channel_ids))],
    )
    return {id_: portfolio_of(id_, business_id) for id_, business_id in found}
