"""Parting conversations after an undone join: what was said since goes to whose address it was said at."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from hailgate.accounts.seal import sealer
from hailgate.core.address import Address, AddressKind
from hailgate.messaging.models import PERSON, Direction, WorkKind, WorkState
from hailgate.messaging.people.addresses import address_digest
from hailgate.messaging.people.rekey import wake_up
from hailgate.messaging.people.tree import Placed, Talk, lock_talks, place_talks
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.sql import Cursor, among, array, every_tenant, fetch, fetch_one, locked
from hailgate.messaging.store.tables import CONVERSATION, MESSAGE, WORK
from hailgate.messaging.work import rows

People = Sequence[tuple[int, ...]]


def part_talks(cursor: Cursor, talks: Sequence[Talk], people: People, upto: int, moment: float) -> None:
    """The caller holds the locks of all of them and of their channels; nothing of them is being sent."""
    before = {talk.channel_id: talk for talk in talks if talk.merged_into_id is None}
    placed = place_talks(cursor, talks, people)
    moves = _moves(cursor, talks, people, upto)
    if homeless := _homeless(moves, placed, people):
        _make_talks(cursor, homeless, before, moment)
        placed = place_talks(cursor, lock_talks(cursor, [id_ for person in people for id_ in person]), people)
    _move_messages(cursor, moves, placed, people)
    asked = _drop_turns(cursor, talks)
    for one in placed:
        _recount(cursor, one, before[one.root.channel_id], moment)
    _move_deliveries(cursor, placed, moment)
    _ask_anew(cursor, placed, asked, moment)


class _Move(NamedTuple):
    """A message that belongs to a contact of another person than its conversation does."""

    id: int
    channel_id: int
    home_id: int


def _moves(cursor: Cursor, talks: Sequence[Talk], people: People, upto: int) -> list[_Move]:
    found = fetch(
        cursor,
        f"SELECT id, tenant_id, conversation_id, address_kind, address FROM messaging_message "
        f"WHERE {among('conversation_id')} AND id > %s {every_tenant('by key')} ORDER BY id",
        [array(talk.id for talk in talks), upto],
    )
    unseal = sealer().unseal
    digests = {id_: address_digest(Address(AddressKind(kind), unseal(value))) for id_, _, _, kind, value in found}
    holders = _Holders(cursor, {tenant_id for _, tenant_id, *_ in found}, set(digests.values()))
    side = _sides(people)
    homes = {talk.id: talk for talk in talks}
    moves = []
    for id_, _, conversation_id, *_ in found:
        talk = homes[conversation_id]
        home = holders.of(digests[id_], id_)
        if home in side and side[home] != side[talk.home_id]:
            moves.append(_Move(id_, talk.channel_id, home))
    return moves


class _Holders:
    """Who had an address when a message came."""

    def __init__(self, cursor: Cursor, tenants: Collection[int], digests: Collection[str]) -> None:
        given = [array(tenants), array(digests)]
        where = f"WHERE {among('tenant_id')} AND {among('digest')}"
        present = f"SELECT digest, coalesce(home_id, contact_id) FROM messaging_contactaddress {where}"
        former = f"SELECT digest, contact_id, upto FROM messaging_formeraddress {where} ORDER BY upto"
        self._present: dict[str, int] = dict(fetch(cursor, present, given)) if digests else {}
        self._former: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for digest, contact_id, upto in fetch(cursor, former, given) if digests else []:
            self._former[digest].append((upto, contact_id))

    def of(self, digest: str, message_id: int) -> int:
        """0 where nobody has it."""
        former = (contact for upto, contact in self._former[digest] if message_id <= upto)
        return next(former, self._present.get(digest, 0))


def _sides(people: People) -> dict[int, int]:
    return {id_: person[0] for person in people for id_ in person}


def _homeless(moves: Sequence[_Move], placed: Sequence[Placed], people: People) -> set[tuple[int, int]]:
    """Channel and root contact of those who have no conversation there yet."""
    side = _sides(people)
    there = {(one.root.channel_id, side[one.root.home_id]) for one in placed}
    return {(move.channel_id, side[move.home_id]) for move in moves} - there


def _make_talks(cursor: Cursor, homeless: Iterable[tuple[int, int]], before: dict[int, Talk], moment: float) -> None:
    columns = (
        "tenant_id", "uid", "channel_id", "contact_id", "answered_by", "version", "last_message_id",
        "last_inbound_id", "answered_id", "pair_tat", "thread_owner", "thread_owner_role", "thread_owner_at",
        "created_at",
    )  # fmt: skip
    made = [
        (
            talk.tenant_id, uuid7(), channel, contact, talk.answered_by, 1, 0, 0, 0, 0.0, talk.thread_owner,
            talk.thread_owner_role, talk.thread_owner_at, moment,
        )
        for channel, contact in homeless
        for talk in (before[channel],)
    ]  # fmt: skip
    CONVERSATION.insert_new(cursor, columns, made, unique=("channel_id", "contact_id"))


def _move_messages(cursor: Cursor, moves: Sequence[_Move], placed: Sequence[Placed], people: People) -> None:
    side = _sides(people)
    roots = {(one.root.channel_id, side[one.root.home_id]): one.root.id for one in placed}
    MESSAGE.update(
        cursor,
        ("conversation_id",),
        [(move.id, roots[move.channel_id, side[move.home_id]]) for move in moves],
    )


def _drop_turns(cursor: Cursor, talks: Sequence[Talk]) -> bool:
    """Whether an answer was asked for; those that are being composed are dropped at their review."""
    found = fetch(
        cursor,
        f"SELECT id, state FROM messaging_work WHERE kind = {WorkKind.TURN.value} AND {among('key')} "
        f"{every_tenant('by key')} ORDER BY id{locked()}",
        [array(talk.id for talk in talks)],
    )
    rows.complete(cursor, [id_ for id_, state in found if state in {WorkState.WAITING, WorkState.READY}])
    return bool(found)


def _recount(cursor: Cursor, placed: Placed, before: Talk, moment: float) -> None:
    """From its own messages; what was seen and answered of the whole was seen and answered of the part."""
    columns = (
        "last_message_id", "last_message_at", "last_inbound_id", "last_inbound_at", "seen_id", "answered_id",
        "pair_tat", "pair_refusals", "version", "parted_at",
    )  # fmt: skip
    answered = max(before.answered_id, placed.root.answered_id, placed.root.own_answered_id)
    version = max(talk.version for talk in placed.all) + 1
    facts = (before.seen_id, answered, before.pair_tat, before.pair_refusals, version, moment)
    CONVERSATION.update(cursor, columns, [(placed.root.id, *_last_of(cursor, placed), *facts)])
    emptied = ("version", "last_message_id", "last_inbound_id", "seen_id")
    CONVERSATION.update(cursor, emptied, [(talk.id, version, 0, 0, 0) for talk in placed.others])


def _last_of(cursor: Cursor, placed: Placed) -> tuple[int, float | None, int, float | None]:
    """Id and time of its last message, and of the last that the person wrote."""
    ids = array(talk.id for talk in placed.all)
    last = fetch_one(
        cursor,
        f"SELECT id, accepted_at FROM messaging_message WHERE {among('conversation_id')} {every_tenant('by key')} "
        f"ORDER BY id DESC LIMIT 1",
        [ids],
    )
    heard = fetch_one(
        cursor,
        f"SELECT max(id), max(provider_at) FROM messaging_message WHERE {among('conversation_id')} "
        f"AND direction = {Direction.INBOUND.value} {every_tenant('by key')}",
        [ids],
    )
    last_id, last_at = last or (0, None)
    heard_id, heard_at = heard or (None, None)
    return last_id, last_at, heard_id or 0, heard_at


def _move_deliveries(cursor: Cursor, placed: Sequence[Placed], moment: float) -> None:
    """Each stands under the root of its message's conversation."""
    roots = {talk.id: one.root.id for one in placed for talk in one.all}
    found = fetch(
        cursor,
        f"SELECT work.id, work.key, message.conversation_id FROM messaging_work work "
        f"JOIN messaging_message message ON message.id = work.message_id "
        f"WHERE work.kind = {WorkKind.DELIVERY.value} AND {among('work.key')} {every_tenant('by key')} "
        f"ORDER BY work.id{locked(of='work')}",
        [array(roots)],
    )
    moved = [(id_, roots[home]) for id_, key, home in found if home in roots and roots[home] != key]
    WORK.update(cursor, ("key",), moved)
    wake_up(cursor, roots, moment)


def _ask_anew(cursor: Cursor, placed: Sequence[Placed], asked: bool, moment: float) -> None:
    if not asked:
        return
    found = fetch(
        cursor,
        f"SELECT tenant_id, id, channel_id FROM messaging_conversation WHERE {among('id')} AND answered_by <> %s "
        f"AND last_inbound_id > answered_id {every_tenant('by key')} ORDER BY id",
        [array(one.root.id for one in placed), PERSON],
    )
    rows.enqueue(cursor, [rows.NewWork(tenant, WorkKind.TURN, key, channel) for tenant, key, channel in found], moment)
