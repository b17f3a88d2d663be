"""What is to be published to the broker: events of messages, and dead letters, written with what they tell of.

One worker publishes them in the order of their ids and forgets each once the broker has confirmed it; a kill between
the two repeats it, under the same id. Without a broker nothing is written.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from hailgate.accounts.seal import sealer
from hailgate.core.address import Address, AddressKind
from hailgate.messaging.broker.election import check_queue
from hailgate.messaging.models import Direction
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.notify import Wake, wake_after_commit
from hailgate.messaging.store.sql import (
    Cursor,
    among,
    array,
    as_uuid,
    atomic_cursor,
    every_tenant,
    fetch,
    fetch_one,
    now,
)
from hailgate.messaging.store.tables import PUBLICATION

DEAD_LETTER: Final = "dead_letter"
# A publication that no queue took is offered again after this, and then later and later.
AGAIN_S: Final = 5.0
AGAIN_MOST_S: Final = 300.0

_COLUMNS = (
    "uid", "tenant_id", "message_id", "event", "at", "code", "detail", "attempts", "reference", "headers", "body",
    "due_at", "tries",
)  # fmt: skip


class EventOf(NamedTuple):
    """Something that happened to a message; ``event`` is its name, such as ``message.delivered``."""

    tenant_id: int
    message_id: int
    event: str
    at: float
    code: str = ""
    detail: str = ""


class BrokerDeadLetter(NamedTuple):
    """A message of the broker that was given up, as it came. ``tenant_id`` is 0 where nobody knows whose it is."""

    tenant_id: int
    reference: str
    body: bytes
    headers: str
    code: str
    detail: str
    attempts: int


class AboutMessage(NamedTuple):
    """``reference`` is the id under which the message came from the broker."""

    uid: UUID
    conversation: UUID
    direction: Direction
    address: Address
    kind: str
    content: str
    provider_id: str
    metadata: str
    reference: str
    tenant: str
    tenant_uid: UUID
    channel: str
    channel_uid: UUID


class NewPublication(NamedTuple):
    """``message`` is None for a dead letter, and for an event whose message is gone."""

    id: int
    uid: UUID
    tenant_id: int
    event: str
    at: float
    code: str
    detail: str
    attempts: int
    reference: str
    headers: str
    body: bytes
    tries: int
    message: AboutMessage | None


class _Wanted(NamedTuple):
    events: bool = False
    dead_letters: bool = False


_wanted = _Wanted()


def use_outbox(*, events: bool, dead_letters: bool) -> None:
    """Called once by each composition root: what this installation publishes."""
    global _wanted  # noqa: PLW0603 -- one installation has one broker, or none
    _wanted = _Wanted(events, dead_letters)


def record_events(cursor: Cursor, events: Iterable[EventOf]) -> None:
    """In the transaction of what happened."""
    if _wanted.events:
        rows = [(uuid7(), e.tenant_id, e.message_id, e.event, e.at, e.code, e.detail, 0, "", "{}", b"", 0.0, 0)
                for e in events]  # fmt: skip
        _record(cursor, rows)


def record_dead_letters(cursor: Cursor, letters: Sequence[BrokerDeadLetter], moment: float) -> None:
    seal = sealer().seal_bytes
    rows = [
        (uuid7(), d.tenant_id, None, DEAD_LETTER, moment, d.code, d.detail[:300], d.attempts, d.reference, d.headers,
         seal(d.body), 0.0, 0)
        for d in letters
    ]  # fmt: skip
    _record(cursor, rows)


class Failure(NamedTuple):
    """A message that was given up after so many attempts."""

    tenant_id: int
    message_id: int
    code: str
    detail: str
    attempts: int


def record_failures(cursor: Cursor, failures: Sequence[Failure], moment: float) -> None:
    """An event for each; those that came from the broker go back to it as dead letters, as they came."""
    record_events(cursor, (EventOf(f.tenant_id, f.message_id, "message.failed", moment, f.code, f.detail)
                           for f in failures))  # fmt: skip
    if _wanted.dead_letters and failures:
        record_dead_letters(cursor, _letters(cursor, failures), moment)


def _letters(cursor: Cursor, failures: Sequence[Failure]) -> list[BrokerDeadLetter]:
    found = fetch(
        cursor,
        f"SELECT message_id, tenant_id, reference, body, headers FROM messaging_consumedmessage "
        f"WHERE {among('message_id')} {every_tenant('by key')}",
        [array(failure.message_id for failure in failures)],
    )
    came = {message_id: rest for message_id, *rest in found}
    unseal = sealer().unseal_bytes
    return [
        BrokerDeadLetter(
            came[f.message_id][0], came[f.message_id][1], unseal(bytes(came[f.message_id][2])), came[f.message_id][3],
            f.code, f.detail, f.attempts,
        )
        for f in failures
        if f.message_id in came
    ]  # fmt: skip


def _record(cursor: Cursor, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        PUBLICATION.insert(cursor, _COLUMNS, rows)
        wake_after_commit(cursor, Wake.PUBLISH)


# --- publishing -------------------------------------------------------------------------------------------------------


def due_publications(limit: int) -> list[NewPublication]:
    """What is to be published now: those of which no attempt was made yet in the order of their ids."""
    with atomic_cursor(read_only=True) as cursor:
        rows = fetch(
            cursor,
            f"SELECT id, uid, tenant_id, event, at, code, detail, attempts, reference, headers, body, tries, "
            f"message_id FROM messaging_publication WHERE due_at <= %s {every_tenant('publishing')} "
            f"ORDER BY due_at, id LIMIT %s",
            [now(cursor), limit],
        )
        known = _about(cursor, {row[-1] for row in rows if row[-1] is not None})
    return [_publication(row, known) for row in rows]


def finish_publications(
    worker_id: int, lease: str, confirmed: Sequence[int], returned: Sequence[tuple[int, int]]
) -> bool:
    """``returned`` are ids and tries of those that no queue took: they wait. Whether any do. Raises LeaseLost."""
    with atomic_cursor() as cursor:
        moment = check_queue(cursor, worker_id, lease)
        if confirmed:
            statement = f"DELETE FROM messaging_publication WHERE {among('id')} {every_tenant('publishing')}"
            cursor.execute(statement, [array(confirmed)])
        later = [(id_, moment + _patience(tries), tries + 1) for id_, tries in sorted(returned)]
        PUBLICATION.update(cursor, ("due_at", "tries"), later)
        waits = f"SELECT 1 FROM messaging_publication WHERE due_at > 0 {every_tenant('publishing')} LIMIT 1"
        return fetch_one(cursor, waits) is not None


def count_publications() -> tuple[int, int]:
    """How many wait, and how many of them no queue took."""
    with atomic_cursor(read_only=True) as cursor:
        [(waiting, unrouted)] = fetch(
            cursor,
            f"SELECT count(*), coalesce(sum(CASE WHEN tries > 0 THEN 1 ELSE 0 END), 0) FROM messaging_publication "
            f"{every_tenant('metrics')}",
        )
    return int(waiting), int(unrouted)


def _publication(row: Sequence[Any], known: Mapping[int, AboutMessage]) -> NewPublication:
    id_, uid, *rest, body, tries, message_id = row
    unsealed = sealer().unseal_bytes(bytes(body))
    return NewPublication._make((id_, as_uuid(uid), *rest, unsealed, tries, known.get(message_id)))


def _patience(tries: int) -> float:
    return float(min(AGAIN_S * 2 ** min(tries, 10), AGAIN_MOST_S))


def _about(cursor: Cursor, ids: set[int]) -> dict[int, AboutMessage]:
    if not ids:
        return {}
    found = fetch(
        cursor,
        f"SELECT message.id, message.uid, conversation.uid, message.direction, message.address_kind, message.address, "
        f"message.kind, message.content, message.provider_id, message.metadata, consumed.reference, tenant.name, "
        f"tenant.uid, channel.name, channel.uid FROM messaging_message message "
        f"JOIN messaging_conversation conversation ON conversation.id = message.conversation_id "
        f"JOIN messaging_channel channel ON channel.id = message.channel_id "
        f"JOIN accounts_tenant tenant ON tenant.id = message.tenant_id "
        f"LEFT JOIN messaging_consumedmessage consumed ON consumed.message_id = message.id "
        f"WHERE {among('message.id')} {every_tenant('publishing')}",
        [array(ids)],
    )
    return {id_: _read(rest) for id_, *rest in found}


def _read(row: Sequence[Any]) -> AboutMessage:
    uid, conversation, direction, address_kind, address, kind, content, provider_id, metadata, reference, *names = row
    tenant, tenant_uid, channel, channel_uid = names
    unseal = sealer().unseal
    return AboutMessage(
        as_uuid(uid), as_uuid(conversation), Direction(direction), Address(AddressKind(address_kind), unseal(address)),
        kind, unseal(content), provider_id or "", metadata, reference or "", tenant, as_uuid(tenant_uid),
        channel, as_uuid(channel_uid),
    )  # fmt: skip
