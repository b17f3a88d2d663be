"""Searches: a message whose outcome is unknown is looked for at its provider, until the evidence ends it.

Found: it was sent. Absent by evidence: it is queued again in its place. Two that fit, or no evidence for long: it stays
unknown, for a person. Each look is a work row of its own, so that it outlives whoever looks.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from hailgate.accounts.seal import sealer
from hailgate.core.address import Address, AddressKind
from hailgate.core.errors import RecipientUnconfirmed, RecipientUnreachable
from hailgate.core.evidence import MOST_ASKED, Looks, Verdict, next_look
from hailgate.core.slots import Room
from hailgate.core.status import Status
from hailgate.messaging.channels.message_tokens import find_token
from hailgate.messaging.models import Direction, WorkKind, WorkState
from hailgate.messaging.people.roots import joined_ids, lock_key
from hailgate.messaging.store.sql import (
    Cursor,
    Row,
    among,
    array,
    as_uuid,
    atomic_cursor,
    every_tenant,
    fetch,
    fetch_one,
    locked,
    now,
)
from hailgate.messaging.store.tables import MESSAGE, RECEIPT, SEARCH
from hailgate.messaging.work import rows
from hailgate.messaging.work.claim import Batch, Leased, claim_due, lock_held
from hailgate.messaging.work.leases import find_alive

# The code of what waited in a backup that was restored: it may have been sent at any time since.
RESTORED: Final = "restored"
# No message is looked for longer than it may have waited to be sent.
KNOWN_S: Final = 7 * 86_400.0
FOUND: Final = "The provider lists it among what it sent."
ABSENT: Final = "The provider does not have it, on several looks: it is sent again."
NOWHERE: Final = "The provider does not have it, and says that the number is not on WhatsApp."
STILL_UNKNOWN: Final = {
    Verdict.AMBIGUOUS: "More than one message at the provider may be this one: only a person can tell.",
    Verdict.GIVEN_UP: "Nothing at the provider proves that it was sent, or that it was not.",
}


class SearchClaim(NamedTuple):
    """A message to look for once. ``delivery_lease`` is that of the attempt whose outcome is unknown.

    ``asked`` counts the looks so far, and since the last of them the times that nobody answered.
    """

    id: int
    lease: int
    tenant_id: int
    message_id: int
    channel_id: int
    crashes: int
    asked: int
    delivery_id: int
    delivery_lease: int
    delivery_code: str
    uid: UUID
    attempt_no: int
    to: Address
    content: str
    context_id: str
    attempted_at: float
    open_since: float
    known: frozenset[str]
    looks: Looks


def begin_searches(providers: Collection[str], limit: int = 500) -> int:
    """For what was parked since the last look round, on channels of providers that can be asked."""
    if not providers:
        return 0
    statement = (
        f"SELECT work.message_id, work.tenant_id, work.channel_id, work.lease, work.key FROM messaging_work work "
        f"JOIN messaging_channel channel ON channel.id = work.channel_id "
        f"WHERE work.state = {WorkState.PARKED.value} AND work.kind = {WorkKind.DELIVERY.value} "
        f"AND {among('channel.provider')} AND NOT EXISTS (SELECT 1 FROM messaging_search search "
        f"WHERE search.message_id = work.message_id AND search.lease = work.lease) {every_tenant('sweep')} LIMIT %s"
    )
    with atomic_cursor(read_only=True) as cursor:
        if not fetch(cursor, statement, [array(providers), 1]):
            return 0
    with atomic_cursor() as cursor:
        found = fetch(cursor, statement, [array(providers), limit])
        moment = now(cursor)
        rows.lock_conversations(cursor, [key for *_, key in found])
        columns = ("tenant_id", "message_id", "lease", "since", "looks", "empty", "empty_since")
        begun = [(tenant_id, message_id, lease, moment, 0, 0, 0.0) for message_id, tenant_id, _, lease, _ in found]
        anew = ", ".join(f"{name} = excluded.{name}" for name in columns[2:])
        SEARCH.insert(cursor, columns, begun, on_conflict=f"ON CONFLICT (message_id) DO UPDATE SET {anew}")
        due_at = next_look(Looks(moment), 0, moment)
        rows.enqueue(
            cursor,
            [
                rows.NewWork(tenant_id, WorkKind.LOOK, message_id, channel_id, due_at=due_at)
                for message_id, tenant_id, channel_id, *_ in found
            ],
            moment,
        )
        return len(found)


def claim_searches(worker_id: int, room: Room) -> Batch[SearchClaim]:
    return claim_due(WorkKind.LOOK, worker_id, room, _load)


def record_look(worker_id: int, claim: SearchClaim, verdict: Verdict, looks: Looks, found: str = "") -> bool:
    """What one look came to; ``found`` is the provider's id of the message.

    False where it is no longer this worker's, or the message no longer unknown.
    """
    with atomic_cursor() as cursor:
        moment = find_alive(cursor, worker_id)
        if moment is None:
            return False
        key = lock_key(cursor, claim.tenant_id, claim.uid)
        if not lock_held(cursor, worker_id, [claim]):
            return False
        if not _is_unknown(cursor, claim):
            rows.complete(cursor, [claim.id])
            return False
        token = find_token(cursor, claim.tenant_id, claim.channel_id, found) if found else None
        if verdict is Verdict.OPEN or (verdict is Verdict.SENT and _is_anothers(cursor, claim, key, found, token)):
            _look_again(cursor, claim, looks, moment)
            return True
        rows.complete(cursor, [claim.id])
        if verdict is Verdict.SENT:
            _name(cursor, claim, found, token)
        _END[verdict](cursor, claim, moment)
        rows.hold_conversations(cursor, [key])
        rows.promote(cursor, WorkKind.DELIVERY, [key], moment)
        return True


def postpone_look(worker_id: int, claim: SearchClaim, detail: str) -> None:
    """The provider could not be asked: no look was taken."""
    with atomic_cursor() as cursor:
        moment = find_alive(cursor, worker_id)
        if moment is not None and lock_held(cursor, worker_id, [claim]):
            asked = min(claim.asked + 1, MOST_ASKED)
            due_at = next_look(claim.looks, asked, moment)
            rows.postpone(cursor, [rows.Postponed(claim.id, due_at, asked, "", detail[:300])])


def _look_again(cursor: Cursor, claim: SearchClaim, looks: Looks, moment: float) -> None:
    seen = (claim.message_id, looks.count, looks.empty, looks.empty_since)
    SEARCH.update(cursor, ("looks", "empty", "empty_since"), [seen], key=("message_id",))
    due_at = next_look(looks, looks.count, moment)
    rows.postpone(cursor, [rows.Postponed(claim.id, due_at, looks.count, "", "")])


def _is_unknown(cursor: Cursor, claim: SearchClaim) -> bool:
    """Still parked for the attempt that was looked for; locks it."""
    found = fetch_one(
        cursor,
        f"SELECT id FROM messaging_work WHERE id = %s AND lease = %s AND state = {WorkState.PARKED.value} "
        f"{every_tenant('by key')}{locked()}",
        [claim.delivery_id, claim.delivery_lease],
    )
    return found is not None


def _is_anothers(cursor: Cursor, claim: SearchClaim, key: int, found: str, token: str | None) -> bool:
    """Whether another message to the same person got this id since the claim; the lock of ``key`` is held."""
    another = fetch_one(
        cursor,
        f"SELECT id FROM messaging_message WHERE channel_id = %s AND (provider_id = %s OR message_token = %s) "
        f"AND {among('conversation_id')} AND id <> %s {every_tenant('by key')}",
        [claim.channel_id, found[:255], token, array(joined_ids(cursor, key)), claim.message_id],
    )
    return another is not None


def _name(cursor: Cursor, claim: SearchClaim, found: str, token: str | None) -> None:
    MESSAGE.update(cursor, ("provider_id", "message_token"), [(claim.message_id, found[:255], token)])


def _end_sent(cursor: Cursor, claim: SearchClaim, moment: float) -> None:
    sent = (claim.message_id, False, Status.SENT.value)
    MESSAGE.update(cursor, ("unknown", "status"), [sent], rising=("status",))
    _note(cursor, claim, Status.SENT.word, moment, FOUND)
    rows.complete(cursor, [claim.delivery_id])


def _end_absent(cursor: Cursor, claim: SearchClaim, moment: float) -> None:
    if claim.delivery_code == RecipientUnconfirmed.code:
        _bury(cursor, claim, moment)
        return
    if claim.delivery_code == RESTORED:  # a list that shows something newer than its last attempt proves nothing here
        _stay(cursor, claim, Verdict.GIVEN_UP)
        return
    MESSAGE.update(cursor, ("unknown",), [(claim.message_id, False)])
    cursor.execute(
        f"UPDATE messaging_work SET state = {WorkState.WAITING.value}, tries = 0, hold_until = NULL, code = '', "
        f"detail = '', due_at = 0 WHERE id = %s {every_tenant('by key')}",
        [claim.delivery_id],
    )
    _note(cursor, claim, "absent", moment, ABSENT)


def _bury(cursor: Cursor, claim: SearchClaim, moment: float) -> None:
    code = RecipientUnreachable.code
    rows.stop(cursor, [rows.Stopped(claim.delivery_id, WorkState.DEAD, claim.attempt_no, code, NOWHERE)])
    failed = (claim.message_id, False, code, NOWHERE, Status.FAILED.value)
    MESSAGE.update(cursor, ("unknown", "code", "detail", "status"), [failed], rising=("status",))
    _note(cursor, claim, Status.FAILED.word, moment, NOWHERE)


def _end_ambiguous(cursor: Cursor, claim: SearchClaim, _moment: float) -> None:
    _stay(cursor, claim, Verdict.AMBIGUOUS)


def _end_given_up(cursor: Cursor, claim: SearchClaim, _moment: float) -> None:
    _stay(cursor, claim, Verdict.GIVEN_UP)


def _stay(cursor: Cursor, claim: SearchClaim, verdict: Verdict) -> None:
    cursor.execute(
        f"UPDATE messaging_work SET detail = %s WHERE id = %s {every_tenant('by key')}",
        [STILL_UNKNOWN[verdict], claim.delivery_id],
    )


_END: Final = {
    Verdict.SENT: _end_sent,
    Verdict.ABSENT: _end_absent,
    Verdict.AMBIGUOUS: _end_ambiguous,
    Verdict.GIVEN_UP: _end_given_up,
}


def _note(cursor: Cursor, claim: SearchClaim, event: str, moment: float, detail: str) -> None:
    columns = ("tenant_id", "message_id", "event", "at", "code", "detail")
    RECEIPT.insert(cursor, columns, [(claim.tenant_id, claim.message_id, event, moment, "", detail)])


# --- what a look needs ------------------------------------------------------------------------------------------------


def _load(cursor: Cursor, leased: Sequence[Leased], _moment: float) -> list[SearchClaim]:
    """A message that is not unknown any more is not looked for."""
    found = fetch(
        cursor,
        f"SELECT message.id, work.key, work.id, work.lease, work.code, message.uid, work.knocks, "
        f"message.address_kind, message.address, message.content, message.context_id, "
        f"coalesce((SELECT max(started_at) FROM messaging_attempt WHERE message_id = message.id), accepted_at), "
        f"(SELECT open_since FROM messaging_session WHERE channel_id = message.channel_id), "
        f"search.since, search.looks, search.empty, search.empty_since "
        f"FROM messaging_message message "
        f"JOIN messaging_work work ON work.message_id = message.id AND work.kind = {WorkKind.DELIVERY.value} "
        f"AND work.state = {WorkState.PARKED.value} "
        f"JOIN messaging_search search ON search.message_id = message.id AND search.lease = work.lease "
        f"WHERE {among('message.id')} {every_tenant('by key')}",
        [array(row.key for row in leased)],
    )
    known = _known(cursor, [row[1] for row in found])
    facts = {row[0]: row for row in found}
    rows.complete(cursor, [row.id for row in leased if row.key not in facts])
    return [_claim(row, facts[row.key], known) for row in leased if row.key in facts]


def _known(cursor: Cursor, keys: Sequence[int]) -> dict[int, frozenset[str]]:
    """The provider's ids of what else we sent each person lately: none of them can be the one looked for.

    A key is a conversation; those that were joined to it are the same person's.
    """
    found = fetch(
        cursor,
        f"SELECT coalesce(conversation.merged_into_id, conversation.id), message.provider_id "
        f"FROM messaging_conversation conversation "
        f"JOIN messaging_message message ON message.conversation_id = conversation.id "
        f"WHERE ({among('conversation.id')} OR {among('conversation.merged_into_id')}) "
        f"AND message.direction = {Direction.OUTBOUND.value} AND message.provider_id IS NOT NULL "
        f"AND message.accepted_at >= %s {every_tenant('by key')}",
        [array(keys), array(keys), now(cursor) - KNOWN_S],
    )
    known: dict[int, set[str]] = defaultdict(set)
    for key, provider_id in found:
        known[key].add(provider_id)
    return {key: frozenset(ids) for key, ids in known.items()}


def _claim(row: Leased, facts: Row, known: dict[int, frozenset[str]]) -> SearchClaim:
    unseal = sealer().unseal
    (
        message_id, key, delivery_id, delivery_lease, code, uid, attempt_no, kind, address, content,
        context_id, attempted_at, open_since, since, count, empty, empty_since,
    ) = facts  # fmt: skip
    return SearchClaim(
        row.id, row.lease, row.tenant_id, message_id, row.channel_id, row.crashes, row.spent,
        delivery_id, delivery_lease, code, as_uuid(uid), attempt_no, Address(AddressKind(kind), unseal(address)),
        unseal(content), context_id, float(attempted_at), float(open_since or 0.0), known.get(key, frozenset()),
        Looks(float(since), count, empty, float(empty_since)),
    )  # fmt: skip
