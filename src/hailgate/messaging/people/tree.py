"""The tree of a person: all contacts that joins make one, and where their addresses and conversations stand.

Everything follows from the joins that stand: the root is the oldest contact, the root of a channel's conversations is
its own one, else the oldest. So the same joins give the same person in whatever order they were made and undone.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from hailgate.messaging.models import JoinState
from hailgate.messaging.people.consents import settle_consents
from hailgate.messaging.store.sql import Cursor, among, array, every_tenant, fetch, locked
from hailgate.messaging.store.tables import ADDRESS, CONTACT, CONVERSATION


class Talk(NamedTuple):
    """A conversation of a tree, locked. ``home_id`` is the contact that it was made for."""

    id: int
    tenant_id: int
    channel_id: int
    contact_id: int
    home_id: int
    merged_into_id: int | None
    answered_by: str
    version: int
    last_message_id: int
    last_message_at: float | None
    last_inbound_id: int
    last_inbound_at: float | None
    answered_id: int
    own_answered_id: int
    seen_id: int
    operator_id: int | None
    window_unsure: bool
    pair_tat: float
    pair_refusals: int
    thread_owner: int
    thread_owner_role: str
    thread_owner_at: float
    free_until: float


class Tree(NamedTuple):
    """The contacts of a tree, all locked, with their conversations and the channels of these."""

    contacts: tuple[int, ...]
    talks: tuple[Talk, ...]


def lock_tree(cursor: Cursor, contact_ids: Iterable[int]) -> Tree:
    """Contacts, channels, conversations, each in id order; while the channels are locked nothing of them is claimed."""
    members = _lock_members(cursor, set(contact_ids))
    channels = fetch(
        cursor,
        f"SELECT DISTINCT channel_id FROM messaging_conversation WHERE {among('contact_id')} {every_tenant('by key')}",
        [array(members)],
    )
    cursor.execute(
        f"SELECT id FROM messaging_channel WHERE {among('id')} {every_tenant('by key')} ORDER BY id{locked()}",
        [array(id_ for (id_,) in channels)],
    )
    return Tree(tuple(sorted(members)), lock_talks(cursor, members))


def _lock_members(cursor: Cursor, contact_ids: set[int]) -> set[int]:
    """With all that are one person with these; read again until nobody joined them meanwhile."""
    members = contact_ids
    while True:
        found = fetch(
            cursor,
            f"SELECT id, merged_into_id FROM messaging_contact WHERE {among('id')} {every_tenant('by key')} "
            f"ORDER BY id{locked()}",
            [array(members)],
        )
        roots = {root or id_ for id_, root in found}
        below = fetch(
            cursor,
            f"SELECT id FROM messaging_contact WHERE {among('merged_into_id')} {every_tenant('by key')}",
            [array(roots)],
        )
        whole = members | roots | {id_ for (id_,) in below}
        if whole == members:
            return members
        members = whole


def lock_talks(cursor: Cursor, members: Collection[int]) -> tuple[Talk, ...]:
    columns = ", ".join(name if name != "home_id" else "coalesce(home_id, contact_id)" for name in Talk._fields)
    rows = fetch(
        cursor,
        f"SELECT {columns} FROM messaging_conversation WHERE {among('contact_id')} {every_tenant('by key')} "
        f"ORDER BY id{locked()}",
        [array(members)],
    )
    return tuple(map(Talk._make, rows))


def split(cursor: Cursor, contacts: Collection[int]) -> list[tuple[int, ...]]:
    """The contacts parted into people, by the joins that stand among them; each in order, the root first."""
    edges = fetch(
        cursor,
        f"SELECT left_id, right_id FROM messaging_join WHERE {among('left_id')} "
        f"AND state = {JoinState.JOINED.value} {every_tenant('by key')}",
        [array(contacts)],
    )
    parts = {id_: {id_} for id_ in contacts}
    for left, right in edges:
        if left in parts and right in parts:
            whole = parts[left] | parts[right]
            parts |= dict.fromkeys(whole, whole)
    return sorted({tuple(sorted(part)) for part in parts.values()})


def place_contacts(cursor: Cursor, people: Sequence[tuple[int, ...]]) -> None:
    """Contacts name their root, addresses stand with the root of the contact where they are at home."""
    roots = {id_: person[0] for person in people for id_ in person}
    CONTACT.update(
        cursor, ("merged_into_id",), [(id_, root if root != id_ else None) for id_, root in sorted(roots.items())]
    )
    addresses = fetch(
        cursor,
        f"SELECT id, contact_id, coalesce(home_id, contact_id) FROM messaging_contactaddress "
        f"WHERE {among('contact_id')} {every_tenant('by key')} ORDER BY id{locked()}",
        [array(roots)],
    )
    moved = [
        (id_, roots[home], home if roots[home] != home else None)
        for id_, contact, home in addresses
        if contact != roots[home]
    ]
    ADDRESS.update(cursor, ("contact_id", "home_id"), moved)
    settle_consents(cursor, {person[0] for person in people})


class Placed(NamedTuple):
    """The conversations of one person on one channel, the root first."""

    root: Talk
    others: tuple[Talk, ...]

    @property
    def all(self) -> tuple[Talk, ...]:
        return (self.root, *self.others)


def place_talks(cursor: Cursor, talks: Sequence[Talk], people: Sequence[tuple[int, ...]]) -> list[Placed]:
    """Each channel's root belongs to the root contact, the others to who they were made for."""
    roots = {id_: person[0] for person in people for id_ in person}
    together: dict[tuple[int, int], list[Talk]] = defaultdict(list)
    for talk in talks:
        together[talk.channel_id, roots[talk.home_id]].append(talk)
    placed = []
    aside, above = [], []
    for (_, contact), some in sorted(together.items()):
        root = min(some, key=lambda talk: (talk.home_id != contact, talk.id))
        others = tuple(talk for talk in some if talk.id != root.id)
        placed.append(Placed(root, others))
        aside += [(talk.id, talk.home_id, None, root.id) for talk in others]
        above.append((root.id, contact, root.home_id if root.home_id != contact else None, None))
    # First out of the way, then into the place: no contact has two conversations on a channel in between.
    CONVERSATION.update(cursor, ("contact_id", "home_id", "merged_into_id"), sorted(aside))
    CONVERSATION.update(cursor, ("contact_id", "home_id", "merged_into_id"), sorted(above))
    return placed
