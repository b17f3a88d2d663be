"""Messages from the broker: each id is accepted once per tenant, in one transaction with what it says.

An id is remembered for thirty days, with what came under it. Whatever cannot be accepted is written to the outbox as
a dead letter in the same transaction, so that a delivery may be acknowledged once this has returned.
"""

import json
from collections.abc import Sequence
from enum import StrEnum
from hashlib import blake2b
from math import isfinite
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from hailgate.accounts.seal import sealer
from hailgate.core.errors import InputError, ThreadElsewhere
from hailgate.messaging.broker.election import check_queue
from hailgate.messaging.broker.outbox import BrokerDeadLetter, record_dead_letters
from hailgate.messaging.models import WorkKind, WorkState
from hailgate.messaging.outbound.accept import ThreadsElsewhere, accept_new
from hailgate.messaging.outbound.media_refs import find_unsendable
from hailgate.messaging.outbound.new_message import NewMessage
from hailgate.messaging.store.sql import Cursor, among, array, as_uuid, atomic_cursor, every_tenant, fetch, fetch_value
from hailgate.messaging.store.tables import CONSUMED, HELD

ID_LIFE_S: Final = 30 * 86_400.0
DIGEST_BYTES: Final = 20
# The largest number of 32 bits.
MOST_FLOAT: Final = 3.4e38
_BROKERS_OWN: Final = ("x-delivery-count", "x-death", "x-first-death", "x-last-death")


class Delivery(NamedTuple):
    """What the broker handed over. ``reference`` is its id, ``headers`` are those of its sender, as JSON."""

    reference: str
    body: bytes
    headers: str = "{}"


class ToAccept(NamedTuple):
    """``fingerprint`` is a digest of what was understood: the same under the same id is a repeat."""

    delivery: Delivery
    message: NewMessage
    fingerprint: str


class ToRefuse(NamedTuple):
    """``tenant_id`` is 0 where nobody knows whose it is."""

    delivery: Delivery
    tenant_id: int
    code: str
    detail: str


class ToHold(NamedTuple):
    """Nobody can say at present whose it is: it waits here, not in the queue, and behind others of ``tenant``."""

    delivery: Delivery
    tenant: str


Understood: TypeAlias = ToAccept | ToRefuse | ToHold


class Taken(StrEnum):
    ACCEPTED = "accepted"
    REPEATED = "repeated"
    REFUSED = "refused"
    HELD = "held"


class Held(NamedTuple):
    id: int
    delivery: Delivery


def take(worker_id: int, queue: str, batch: Sequence[Understood], let_go: Sequence[int] = ()) -> list[Taken]:
    """Store what each of a batch comes to, in order. ``let_go`` are held rows that are settled with it.

    Raises LeaseLost where the queue is another worker's: then nothing is stored.
    """
    try:
        return _take(worker_id, queue, batch, let_go)
    except ThreadsElsewhere as elsewhere:
        return take(worker_id, queue, [_without_thread(each, elsewhere.uids) for each in batch], let_go)


def _without_thread(understood: Understood, elsewhere: frozenset[UUID]) -> Understood:
    """What would take its thread from another responder, and does not say that it may."""
    if not isinstance(understood, ToAccept) or understood.message.uid not in elsewhere:
        return understood
    why = ThreadElsewhere()
    return ToRefuse(understood.delivery, understood.message.tenant_id, why.code, why.detail)


def _take(worker_id: int, queue: str, batch: Sequence[Understood], let_go: Sequence[int]) -> list[Taken]:
    with atomic_cursor() as cursor:
        moment = check_queue(cursor, worker_id, queue)
        judged = _judge(cursor, batch)
        accept_new(cursor, new := [each.message for each in judged if isinstance(each, ToAccept)], moment)
        _remember(cursor, [each for each in judged if isinstance(each, ToAccept)], new, moment)
        record_dead_letters(cursor, [_letter(each) for each in judged if isinstance(each, ToRefuse)], moment)
        _hold(cursor, [each for each in judged if isinstance(each, ToHold)], moment)
        _forget_held(cursor, let_go)
        return [_outcome(each) for each in judged]


def list_held_tenants() -> list[str]:
    with atomic_cursor(read_only=True) as cursor:
        return [tenant for (tenant,) in fetch(cursor, "SELECT DISTINCT tenant FROM messaging_heldenvelope")]


def list_held(tenant: str, limit: int) -> list[Held]:
    """The oldest that wait for this tenant."""
    with atomic_cursor(read_only=True) as cursor:
        found = fetch(
            cursor,
            "SELECT id, reference, body, headers FROM messaging_heldenvelope WHERE tenant = %s ORDER BY id LIMIT %s",
            [tenant, limit],
        )
    unseal = sealer().unseal_bytes
    return [Held(id_, Delivery(reference, unseal(bytes(body)), headers)) for id_, reference, body, headers in found]


def count_waiting(limit: int) -> int:
    """How many deliveries wait to be sent, counted no further than ``limit``."""
    undone = f"({WorkState.WAITING.value}, {WorkState.READY.value}, {WorkState.LEASED.value})"
    with atomic_cursor(read_only=True) as cursor:
        counted = fetch_value(
            cursor,
            f"SELECT count(*) FROM (SELECT 1 FROM messaging_work WHERE kind = {WorkKind.DELIVERY.value} "
            f"AND state IN {undone} {every_tenant('backpressure')} LIMIT %s) AS waiting",
            [limit],
        )
    return int(counted)


# --- what a batch comes to --------------------------------------------------------------------------------------------


def _judge(cursor: Cursor, batch: Sequence[Understood]) -> list[Understood | None]:
    """In the place of what was accepted before: None, or a refusal where another body came under its id."""
    known = _known(cursor, [each for each in batch if isinstance(each, ToAccept)])
    unsendable = find_unsendable(cursor, [each.message for each in batch if isinstance(each, ToAccept)])
    judged: list[Understood | None] = []
    for each in batch:
        if not isinstance(each, ToAccept):
            judged.append(each)
            continue
        place = (each.message.tenant_id, _digest(each.delivery.reference))
        before = known.get(place)
        if before is not None:
            judged.append(None if before == each.fingerprint else _reused(each))
        elif fault := unsendable.get(each.message.uid):
            judged.append(_refused(each, fault))
        else:
            known[place] = each.fingerprint
            judged.append(each)
    return judged


def _known(cursor: Cursor, batch: Sequence[ToAccept]) -> dict[tuple[int, str], str]:
    places = {(each.message.tenant_id, _digest(each.delivery.reference)) for each in batch}
    found = CONSUMED.find(cursor, ("tenant_id", "key", "fingerprint"), places, by=("tenant_id", "key"))
    return {(tenant_id, key): fingerprint for tenant_id, key, fingerprint in found}


def _reused(each: ToAccept) -> ToRefuse:
    detail = "id: another message came under this id before; give each its own."
    return ToRefuse(each.delivery, each.message.tenant_id, "id_reused", detail)


def _refused(each: ToAccept, fault: InputError) -> ToRefuse:
    return ToRefuse(each.delivery, each.message.tenant_id, fault.code, fault.detail)


def _outcome(each: Understood | None) -> Taken:
    if each is None:
        return Taken.REPEATED
    words = {ToAccept: Taken.ACCEPTED, ToRefuse: Taken.REFUSED, ToHold: Taken.HELD}
    return words[type(each)]


def _digest(reference: str) -> str:
    return blake2b(reference.encode(), digest_size=DIGEST_BYTES).hexdigest()


# --- one table after the other ----------------------------------------------------------------------------------------


def _remember(cursor: Cursor, accepted: Sequence[ToAccept], new: Sequence[NewMessage], moment: float) -> None:
    if not accepted:
        return
    ids = _ids(cursor, new)
    columns = ("tenant_id", "key", "fingerprint", "message_id", "reference", "headers", "body", "created_at")
    seal = sealer().seal_bytes
    rows = [
        (
            message.tenant_id, _digest(delivery.reference), fingerprint, ids[message.uid], delivery.reference,
            delivery.headers, seal(delivery.body), moment,
        )
        for delivery, message, fingerprint in accepted
    ]  # fmt: skip
    CONSUMED.insert(cursor, columns, rows)


def _ids(cursor: Cursor, new: Sequence[NewMessage]) -> dict[object, int]:
    found = fetch(
        cursor,
        f"SELECT uid, id FROM messaging_message WHERE {among('tenant_id')} AND {among('uid')}",
        [array({message.tenant_id for message in new}), array(message.uid for message in new)],
    )
    return {as_uuid(uid): id_ for uid, id_ in found}


def _letter(refused: ToRefuse) -> BrokerDeadLetter:
    return BrokerDeadLetter(refused.tenant_id, *refused.delivery, refused.code, refused.detail, 0)


def _hold(cursor: Cursor, held: Sequence[ToHold], moment: float) -> None:
    columns = ("tenant", "reference", "body", "headers", "received_at")
    seal = sealer().seal_bytes
    rows = [(tenant, d.reference, seal(d.body), d.headers, moment) for d, tenant in held]
    HELD.insert(cursor, columns, rows)


def _forget_held(cursor: Cursor, ids: Sequence[int]) -> None:
    if ids:
        cursor.execute(f"DELETE FROM messaging_heldenvelope WHERE {among('id')}", [array(ids)])


def as_headers(given: object) -> str:
    """A sender's headers as JSON: plain values alone. What the broker itself noted is not the sender's."""
    kept = {
        str(name).replace("\0", ""): value.replace("\0", "") if isinstance(value, str) else value
        for name, value in (given.items() if isinstance(given, dict) else ())
        if _may_be_told(value) and not str(name).startswith(_BROKERS_OWN)
    }
    return json.dumps(kept)


def _may_be_told(value: object) -> bool:
    """Whether a dead letter can bear it as a header: of floats AMQP's client writes the short ones alone."""
    if isinstance(value, float):
        return not isfinite(value) or abs(value) <= MOST_FLOAT
    return isinstance(value, str | int)
