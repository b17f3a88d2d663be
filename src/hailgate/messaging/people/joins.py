"""Joining two contacts that a proof says are one person, and undoing it: each a step of its own, safe to repeat."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from django.db import OperationalError

from hailgate.accounts.seal import sealer
from hailgate.core.consent_scopes import MARKETING
from hailgate.messaging.assistants.summaries import forget_summaries
from hailgate.messaging.models import PERSON, Direction, JoinState, WorkKind
from hailgate.messaging.people.part import part_talks
from hailgate.messaging.people.rekey import give_root_key, hold_back, is_sending, wake_up
from hailgate.messaging.people.tree import Placed, Talk, lock_tree, place_contacts, place_talks, split
from hailgate.messaging.store.notify import wake_after_commit
from hailgate.messaging.store.sql import (
    Cursor,
    among,
    array,
    atomic_cursor,
    every_tenant,
    fetch,
    fetch_one,
    fetch_value,
    locked,
    now,
    on_postgresql,
    waited_for_lock,
)
from hailgate.messaging.store.tables import CONTACT, CONVERSATION, JOIN
from hailgate.messaging.work import rows

AT_ONCE = 50
# Well below the second after which PostgreSQL looks for deadlocks.
PATIENCE_MS = 300


def join_proven(limit: int = AT_ONCE) -> int:
    """Take each step that is due; how many were. One whose conversation is being sent from waits for the next time."""
    with atomic_cursor(read_only=True) as cursor:
        due = fetch(
            cursor,
            f"SELECT id FROM messaging_join WHERE state IN ({JoinState.PROVEN.value}, {JoinState.UNDOING.value}) "
            f"{every_tenant('sweep')} ORDER BY id LIMIT %s",
            [limit],
        )
    return sum(take_step(id_) for (id_,) in due)


def take_step(join_id: int) -> bool:
    """Join, or undo, in one transaction; False where it has to wait, or nothing is left to do.

    Others lock conversations before contacts. It gives way to them before anybody calls that a deadlock.
    """
    try:
        with atomic_cursor() as cursor:
            return _take_step(cursor, join_id)
    except OperationalError as failed:
        if not waited_for_lock(failed):
            raise
        return False


def _take_step(cursor: Cursor, join_id: int) -> bool:
    if on_postgresql():
        cursor.execute(f"SET LOCAL lock_timeout = {PATIENCE_MS}")
    found = fetch_one(
        cursor,
        f"SELECT {', '.join(_Step._fields)} FROM messaging_join WHERE id = %s "
        f"AND state IN ({JoinState.PROVEN.value}, {JoinState.UNDOING.value}) {every_tenant('by key')}"
        f"{locked(skip=True)}",
        [join_id],
    )
    return found is not None and _step(cursor, _Step._make(found), now(cursor))


class _Step(NamedTuple):
    id: int
    state: int
    left_id: int
    right_id: int
    upto: int


def _step(cursor: Cursor, step: _Step, moment: float) -> bool:
    tree = lock_tree(cursor, (step.left_id, step.right_id))
    before = split(cursor, tree.contacts)
    if step.state == JoinState.PROVEN and len(before) == 1:
        JOIN.update(cursor, ("state", "joined_at"), [(step.id, JoinState.CONFIRMED.value, moment)])
        return True
    keys = [talk.id for talk in tree.talks]
    if is_sending(cursor, keys):
        hold_back(cursor, keys, moment)
        return False
    forget_summaries(cursor, keys)
    if step.state == JoinState.PROVEN:
        _join(cursor, step, tree.talks, tree.contacts, moment)
    else:
        _undo(cursor, step, tree.talks, tree.contacts, moment)
    for kind in (WorkKind.DELIVERY, WorkKind.TURN):
        wake_after_commit(cursor, rows.WAKES[kind])
    return True


# --- joining ----------------------------------------------------------------------------------------------------------


def _join(cursor: Cursor, step: _Step, talks: Sequence[Talk], contacts: Sequence[int], moment: float) -> None:
    upto = fetch_value(cursor, f"SELECT max(id) FROM messaging_message {every_tenant('a place in time')}") or 0
    before = sealer().seal_content(msgspec.json.encode(_before(cursor, contacts)).decode())
    columns = ("state", "joined_at", "upto", "before")
    JOIN.update(cursor, columns, [(step.id, JoinState.JOINED.value, moment, upto, before)])
    people = split(cursor, contacts)
    _answer_questions(cursor, contacts)
    _share_names(cursor, contacts)
    place_contacts(cursor, people)
    for placed in place_talks(cursor, talks, people):
        if any(talk.merged_into_id is None for talk in placed.others):
            root = _gather(placed, _find_answered(cursor, placed))
            _write(cursor, root, placed)
            give_root_key(cursor, placed, root.answered_by, moment)
    wake_up(cursor, [talk.id for talk in talks], moment)


def _answer_questions(cursor: Cursor, contacts: Sequence[int]) -> None:
    """What was asked about these is known now."""
    cursor.execute(
        f"UPDATE messaging_join SET state = {JoinState.CONFIRMED.value} WHERE {among('left_id')} "
        f"AND {among('right_id')} AND state = {JoinState.SUGGESTED.value} {every_tenant('by key')}",
        [array(contacts), array(contacts)],
    )


def _before(cursor: Cursor, contacts: Sequence[int]) -> dict[str, Any]:
    """Names, addresses and consents as they stand now: for whoever asks what a join changed."""
    names = fetch(
        cursor,
        f"SELECT uid, name, own_name FROM messaging_contact WHERE {among('id')} {every_tenant('by key')} ORDER BY id",
        [array(contacts)],
    )
    addresses = fetch(
        cursor,
        f"SELECT contact_id, kind, value, stopped.at FROM messaging_contactaddress address "
        f"LEFT JOIN messaging_suppression stopped ON stopped.tenant_id = address.tenant_id "
        f"AND stopped.digest = address.digest AND stopped.scope = '{MARKETING}' "
        f"WHERE {among('contact_id')} {every_tenant('by key')} ORDER BY address.id",
        [array(contacts)],
    )
    unseal = sealer().unseal
    return {
        "contacts": [[str(uid), unseal(name), unseal(own)] for uid, name, own in names],
        "addresses": [[contact, kind, unseal(value), stopped] for contact, kind, value, stopped in addresses],
    }


def _share_names(cursor: Cursor, contacts: Sequence[int]) -> None:
    """The root takes the name that was told last, and an operator's where it has none. The others keep theirs."""
    found = fetch(
        cursor,
        f"SELECT id, name, named_at, own_name FROM messaging_contact WHERE {among('id')} {every_tenant('by key')} "
        f"ORDER BY id",
        [array(contacts)],
    )
    _, name, named_at, _ = max(found, key=lambda row: (row[1] != "", row[2] or 0.0, -row[0]))
    own = next((own for *_, own in found if own), "")
    CONTACT.update(cursor, ("name", "named_at", "own_name"), [(contacts[0], name, named_at, own)])


def _gather(placed: Placed, answered_id: int) -> Talk:
    """What the root is once all of these are one; those that were joined before have nothing of their own to add."""
    talks = [talk for talk in placed.all if talk.merged_into_id is None]
    last = max(talks, key=lambda talk: talk.last_message_id)
    heard = [talk.last_inbound_at for talk in talks if talk.last_inbound_at is not None]
    unread = [talk.seen_id for talk in talks if talk.last_inbound_id > talk.seen_id]
    people = [talk for talk in talks if talk.answered_by == PERSON]
    told = max(talks, key=lambda talk: talk.thread_owner_at)
    person = max(people, key=lambda talk: (talk.operator_id is not None, -talk.id), default=None)
    return placed.root._replace(
        answered_by=PERSON if person else min(talks, key=lambda talk: talk.id).answered_by,
        operator_id=person.operator_id if person else None,
        version=max(talk.version for talk in placed.all) + 1,
        last_message_id=last.last_message_id,
        last_message_at=last.last_message_at,
        last_inbound_id=max(talk.last_inbound_id for talk in talks),
        last_inbound_at=max(heard, default=None),
        seen_id=min(unread) if unread else max(talk.seen_id for talk in talks),
        answered_id=answered_id,
        own_answered_id=max(placed.root.own_answered_id, placed.root.answered_id),
        pair_tat=max(talk.pair_tat for talk in talks),
        pair_refusals=max(talk.pair_refusals for talk in talks),
        window_unsure=any(talk.window_unsure for talk in talks),
        thread_owner=told.thread_owner,
        thread_owner_role=told.thread_owner_role,
        thread_owner_at=told.thread_owner_at,
        free_until=max(talk.free_until for talk in talks),
    )


def _find_answered(cursor: Cursor, placed: Placed) -> int:
    """Just before the first message that waits for an answer: what another of them has answered is not asked again."""
    waiting = [_find_first_unanswered(cursor, talk, placed) for talk in placed.all if _is_unanswered(talk)]
    return min(waiting) - 1 if waiting else max(talk.answered_id for talk in placed.all)


def _find_first_unanswered(cursor: Cursor, talk: Talk, placed: Placed) -> int:
    """Its own, or one of those that were joined to it before and kept their messages."""
    own = [each.id for each in placed.all if talk.id in {each.id, each.merged_into_id}]
    first = fetch_value(
        cursor,
        f"SELECT min(id) FROM messaging_message WHERE {among('conversation_id')} AND id > %s "
        f"AND direction = {Direction.INBOUND.value} {every_tenant('by key')}",
        [array(own), talk.answered_id],
    )
    return int(first or talk.last_inbound_id)


def _is_unanswered(talk: Talk) -> bool:
    return talk.answered_by != PERSON and talk.last_inbound_id > talk.answered_id


_GATHERED = (
    "answered_by", "operator_id", "version", "last_message_id", "last_message_at", "last_inbound_id", "last_inbound_at",
    "seen_id", "answered_id", "own_answered_id", "pair_tat", "pair_refusals", "window_unsure", "thread_owner",
    "thread_owner_role", "thread_owner_at", "free_until",
)  # fmt: skip


def _write(cursor: Cursor, root: Talk, placed: Placed) -> None:
    CONVERSATION.update(cursor, _GATHERED, [(root.id, *(getattr(root, name) for name in _GATHERED))])
    # What each has answered by itself stays with it: where they part again, nobody is answered twice.
    emptied = ("version", "last_message_id", "last_inbound_id", "seen_id")
    CONVERSATION.update(cursor, emptied, [(talk.id, talk.version + 1, 0, 0, 0) for talk in placed.others])


# --- undoing ----------------------------------------------------------------------------------------------------------


def _undo(cursor: Cursor, step: _Step, talks: Sequence[Talk], contacts: Sequence[int], moment: float) -> None:
    JOIN.update(cursor, ("state", "undone_at"), [(step.id, JoinState.UNDONE.value, moment)])
    people = split(cursor, contacts)
    _part_proofs(cursor, people, contacts)
    place_contacts(cursor, people)
    part_talks(cursor, talks, people, step.upto, moment)


def _part_proofs(cursor: Cursor, people: Sequence[tuple[int, ...]], contacts: Sequence[int]) -> None:
    """What confirmed that these two are one is parted with them."""
    sides = {id_: person[0] for person in people for id_ in person}
    found = fetch(
        cursor,
        f"SELECT id, left_id, right_id FROM messaging_join WHERE {among('left_id')} "
        f"AND state IN ({JoinState.CONFIRMED.value}, {JoinState.PROVEN.value}) {every_tenant('by key')}",
        [array(contacts)],
    )
    parted = [id_ for id_, left, right in found if right in sides and sides[left] != sides[right]]
    JOIN.update(cursor, ("state",), [(id_, JoinState.UNDONE.value) for id_ in parted])
