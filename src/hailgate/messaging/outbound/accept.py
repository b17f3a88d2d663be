"""Accepting messages: the one way out, in one transaction with their deliveries."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from django.db import OperationalError

from hailgate.accounts.seal import sealer
from hailgate.core.errors import IdempotencyMismatch, IdempotencyUndecided, InputError, ThreadElsewhere
from hailgate.core.status import Status
from hailgate.core.thread_owner import ThreadOwner
from hailgate.messaging.models import Direction, WorkKind
from hailgate.messaging.outbound.idempotency import CallerKey, claim_keys, find_keys, find_undecided, key_of_caller
from hailgate.messaging.outbound.media_refs import find_unsendable
from hailgate.messaging.outbound.new_message import NewMessage
from hailgate.messaging.people.addresses import read_called
from hailgate.messaging.people.conversations import Open, Party, open_conversations
from hailgate.messaging.store.commit_counters import count_after_commit
from hailgate.messaging.store.sql import Cursor, among, array, as_uuid, atomic_cursor, fetch, now, waited_for_lock
from hailgate.messaging.store.tables import CONVERSATION, MESSAGE
from hailgate.messaging.work import rows
from hailgate.telemetry.metrics import ACCEPTED


class Accepted(NamedTuple):
    uid: UUID
    accepted_at: float


def accept_messages(batch: Sequence[NewMessage]) -> list[Accepted | Exception]:
    """Store messages and their deliveries; one answer each, in order.

    A repeated idempotency key gets the first answer again; with another body it gets IdempotencyMismatch, and
    nothing is stored. A key on which another transaction sits too long gets IdempotencyUndecided. What would take a
    thread from another responder, and may not, gets ThreadElsewhere.
    """
    try:
        return _accept(batch)
    except ThreadsElsewhere as elsewhere:
        return _accept_but(batch, elsewhere.uids)
    except OperationalError as failed:
        undecided = find_undecided(batch) if waited_for_lock(failed) else set()
        if not undecided:
            raise
    accepted = iter(_accept([message for message in batch if key_of_caller(message) not in undecided]))
    return [IdempotencyUndecided() if key_of_caller(message) in undecided else next(accepted) for message in batch]


class ThreadsElsewhere(Exception):  # noqa: N818 -- says where they are; undoes the transaction that met them
    """Of these messages of a batch, each would take its thread from another responder."""

    def __init__(self, uids: Iterable[UUID]) -> None:
        super().__init__()
        self.uids = frozenset(uids)


def _accept_but(batch: Sequence[NewMessage], elsewhere: frozenset[UUID]) -> list[Accepted | Exception]:
    answers = iter(accept_messages([message for message in batch if message.uid not in elsewhere]))
    return [ThreadElsewhere() if message.uid in elsewhere else next(answers) for message in batch]


def _accept(batch: Sequence[NewMessage]) -> list[Accepted | Exception]:
    with atomic_cursor() as cursor:
        moment = now(cursor)
        unsendable = _unsendable(cursor, batch)
        sendable = [message for message in batch if message.uid not in unsendable] if unsendable else batch
        winners = claim_keys(cursor, sendable, moment)
        new = [message for message in sendable if winners.get(key_of_caller(message), message.uid) == message.uid]
        accept_new(cursor, new, moment)
        answers = iter(_answers(cursor, sendable, winners, moment))
        return [unsendable[message.uid] if message.uid in unsendable else next(answers) for message in batch]


def _unsendable(cursor: Cursor, batch: Sequence[NewMessage]) -> Mapping[UUID, InputError]:
    """Refused for their files. A repeat is answered as the first time was, whatever became of its file since."""
    faults = find_unsendable(cursor, batch)
    if faults:
        places = {m.uid: place for m in batch if m.uid in faults and (place := key_of_caller(m))}
        known = find_keys(cursor, dict.fromkeys(places.values()))
        faults = {uid: fault for uid, fault in faults.items() if places.get(uid) not in known}
    return faults


def find_accepted(batch: Sequence[NewMessage]) -> list[Accepted | None]:
    """Which of a batch are stored, asked after a COMMIT that was not answered."""
    with atomic_cursor(read_only=True) as cursor:
        found = _accepted_at(cursor, batch, [message.uid for message in batch])
    return [Accepted(m.uid, found[m.uid]) if m.uid in found else None for m in batch]


def find_repeated(batch: Sequence[NewMessage]) -> set[UUID]:
    """Those of a batch whose idempotency key is known: they are answered with what was accepted then."""
    places = {place: message for message in batch if (place := key_of_caller(message))}
    if not places:
        return set()
    with atomic_cursor(read_only=True) as cursor:
        known = find_keys(cursor, places)
    return {message.uid for place, message in places.items() if place in known}


def accept_new(cursor: Cursor, new: Sequence[NewMessage], moment: float) -> None:
    """What nobody has sent before, inside the caller's transaction; it comes last in its conversations."""
    latest = store_messages(cursor, new, moment)
    touched = [(key, id_, moment) for key, id_ in sorted(latest.items())]
    CONVERSATION.update(cursor, ("last_message_id", "last_message_at"), touched)


def store_messages(cursor: Cursor, new: Sequence[NewMessage], moment: float) -> dict[int, int]:
    """Conversation, message and delivery rows, inside the caller's transaction.

    Returns the id of the last message of each conversation, for the caller to note there. The caller holds the locks
    of the conversations that are named by id.
    """
    if not new:
        return {}
    new, places = _conversations(cursor, new, moment)
    ids = MESSAGE.insert_numbered(cursor, _COLUMNS, [_row(*each, moment) for each in zip(new, places, strict=True)])
    rows.enqueue(cursor, [_delivery(*each, moment) for each in zip(new, places, ids, strict=True)], moment)
    count_after_commit(ACCEPTED, ((message.tenant_id, message.channel_id) for message in new))
    return dict(zip(places, ids, strict=True))


def _conversations(cursor: Cursor, new: Sequence[NewMessage], moment: float) -> tuple[list[NewMessage], list[int]]:
    """Where each belongs, and the messages as they go out: to whom the provider last called by another name.

    Raises ThreadsElsewhere.
    """
    elsewhere = [message for message in new if message.conversation_id is None]
    parties = [Party(m.tenant_id, m.channel_id, (m.to,), m.answered_by) for m in elsewhere]
    opened = open_conversations(cursor, parties, moment) if parties else []
    if any(one.thread_owner for one in opened):
        _take_threads(cursor, [*zip(elsewhere, opened, strict=True)], moment)
    named = ((one.instead_id, one.contact_id) for one in opened if one.instead_id is not None)
    called = read_called(cursor, named) if any(one.instead_id for one in opened) else {}
    places, going = [], []
    each = iter(opened)
    for message in new:
        if message.conversation_id is not None:
            places.append(message.conversation_id)
            going.append(message)
        else:
            one = next(each)
            places.append(one.id)
            going.append(message._replace(to=called.get(one.instead_id or 0, message.to)) if called else message)
    return going, places


def _take_threads(cursor: Cursor, met: Sequence[tuple[NewMessage, Open]], moment: float) -> None:
    """Whatever is no template takes its thread, where it may; then the thread is ours as of now."""
    taking = [(message, one) for message, one in met if message.kind != "template"]
    owned = [(message, one) for message, one in taking if one.owner(moment) is ThreadOwner.OTHER]
    if refused := [message.uid for message, _ in owned if not message.takes_thread]:
        raise ThreadsElsewhere(refused)
    ours = {one.id for _, one in taking if one.thread_owner}
    columns = ("thread_owner", "thread_owner_role", "thread_owner_at")
    CONVERSATION.update(cursor, columns, [(id_, ThreadOwner.US.value, "", moment) for id_ in sorted(ours)])


_COLUMNS = (
    "uid", "tenant_id", "conversation_id", "channel_id", "direction", "sender", "kind", "content", "address_kind",
    "address", "author_kind", "author", "context_id", "status", "unknown", "code", "detail", "cause", "ordinal",
    "metadata", "accepted_at", "send_at", "expires_at", "again_of_id",
)  # fmt: skip


_OUTBOUND: Final = Direction.OUTBOUND.value
_QUEUED: Final = Status.QUEUED.value


def _row(message: NewMessage, conversation_id: int, moment: float) -> tuple[object, ...]:
    seal = sealer().seal_content
    return (
        message.uid, message.tenant_id, conversation_id, message.channel_id, _OUTBOUND, message.sender,
        message.kind, seal(message.content), message.to.kind.value, seal(message.to.value), "", "",
        message.context_id, _QUEUED, False, "", "", message.cause, message.ordinal,
        message.metadata, moment, message.send_at, _expires_at(message, moment), message.again_of,
    )  # fmt: skip


def _delivery(message: NewMessage, conversation_id: int, id_: int, moment: float) -> rows.NewWork:
    return rows.NewWork(
        tenant_id=message.tenant_id,
        kind=WorkKind.DELIVERY,
        key=conversation_id,
        channel_id=message.channel_id,
        message_id=id_,
        priority=message.priority,
        due_at=message.send_at if message.send_at and message.send_at > moment else 0.0,
        expires_at=_expires_at(message, moment),
    )


def _expires_at(message: NewMessage, moment: float) -> float:
    return message.expires_at or max(moment, message.send_at or 0.0) + message.life_s


def _answers(
    cursor: Cursor, batch: Sequence[NewMessage], winners: dict[CallerKey | None, UUID], moment: float
) -> list[Accepted | Exception]:
    losers = [message for message in batch if winners.get(key_of_caller(message), message.uid) != message.uid]
    if not losers:
        return [Accepted(message.uid, moment) for message in batch]
    places = {place: message for message in losers if (place := key_of_caller(message))}
    stored = find_keys(cursor, places)
    times = _accepted_at(cursor, losers, [uid for uid, _ in stored.values()])
    answers: list[Accepted | Exception] = []
    for message in batch:
        place = key_of_caller(message)
        if place is None or place not in stored or not message.idempotency:
            answers.append(Accepted(message.uid, moment))
            continue
        uid, fingerprint = stored[place]
        same = fingerprint == message.idempotency.fingerprint
        answers.append(Accepted(uid, times.get(uid, moment)) if same else IdempotencyMismatch())
    return answers


def _accepted_at(cursor: Cursor, batch: Sequence[NewMessage], uids: Sequence[UUID]) -> dict[UUID, float]:
    found = fetch(
        cursor,
        f"SELECT uid, accepted_at FROM messaging_message WHERE {among('tenant_id')} AND {among('uid')}",
        [array({message.tenant_id for message in batch}), array(uids)],
    )
    return {as_uuid(uid): accepted_at for uid, accepted_at in found}
