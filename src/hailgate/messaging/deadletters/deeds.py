"""What a person does about a failed message: send it again, settle what is unknown, or dismiss it."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import UUID

from hailgate.accounts.seal import sealer
from hailgate.core.address import Address, AddressKind
from hailgate.core.errors import Conflict, NotFound
from hailgate.core.status import Status
from hailgate.messaging.deadletters.dead_letters import AFTERWARDS, DeadLetterFilter, find_letters
from hailgate.messaging.models import PERSON, Message, Work, WorkKind, WorkState
from hailgate.messaging.outbound.accept import accept_messages
from hailgate.messaging.outbound.new_message import NewMessage
from hailgate.messaging.outbound.revive import send_again
from hailgate.messaging.people.roots import lock_key
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.sql import Cursor, among, array, atomic_cursor, keyed, now
from hailgate.messaging.store.sqlite_writer import write
from hailgate.messaging.store.tables import DISMISSAL, MESSAGE, RECEIPT
from hailgate.messaging.work import rows

# What a person's look has settled.
SETTLED_SENT = "Somebody has looked: it had arrived."
SETTLED_NOT_SENT = "Somebody has looked: it had not arrived."
NOT_SENT = "not_sent"
# Each has a transaction of its own inside that of all.
SETTLED_AT_ONCE = 100


class Again(NamedTuple):
    """Sends failed messages again: ``life_s`` is how long the new ones live, ``by`` is who asked."""

    life_s: float
    by: str

    def send(self, tenant_id: int, message_ids: Iterable[int]) -> list[int]:
        """In their place where nothing had been taken, else as new messages that name them. Those that were."""
        found = list(find_letters(tenant_id).filter(id__in=list(message_ids)).order_by("id"))
        revived = set(send_again(tenant_id, [one.work_id for one in found if one.work_id]))
        anew = self._send_anew(tenant_id, [one for one in found if one.state == AFTERWARDS])
        return [one.pk for one in found if one.work_id in revived or one.pk in anew]

    def _send_anew(self, tenant_id: int, failed: Sequence[Message]) -> set[int]:
        if not failed:
            return set()
        with atomic_cursor() as cursor:
            fresh = dismiss(cursor, tenant_id, [one.pk for one in failed], "again", self.by)
            chosen = [one for one in failed if one.pk in fresh]
            batch = [self._copy(one) for one in chosen]
            answers = accept_messages(batch)
            sent = [
                (one, new.uid) for one, new, answer in zip(chosen, batch, answers, strict=True)
                if not isinstance(answer, Exception)
            ]  # fmt: skip
            note(cursor, tenant_id, [(one.pk, "sent_again", f"Sent again as {uid}.") for one, uid in sent])
            anew = {one.pk for one, _ in sent}
            _bring_back(cursor, tenant_id, [one.pk for one in chosen if one.pk not in anew])
            return anew

    def _copy(self, failed: Message) -> NewMessage:
        unseal = sealer().unseal
        return NewMessage(
            uid=uuid7(),
            tenant_id=failed.tenant_id,
            channel_id=failed.channel_id,
            to=Address(AddressKind(failed.address_kind), unseal(failed.address)),
            kind=failed.kind,
            content=unseal(failed.content),
            sender=failed.sender,
            answered_by=PERSON,
            life_s=self.life_s,
            context_id=failed.context_id,
            metadata=failed.metadata,
            again_of=failed.pk,
        )


def dismiss_failures(tenant_id: int, uids: Sequence[UUID], by: str) -> list[UUID]:
    """They are dealt with, and leave the list; those that were on it."""
    with atomic_cursor() as cursor:
        found = dict(find_letters(tenant_id).filter(uid__in=uids).values_list("id", "uid"))
        return [found[id_] for id_ in sorted(dismiss(cursor, tenant_id, list(found), "dismissed", by))]


def settle_unknown(tenant_id: int, uid: UUID, *, sent: bool) -> None:
    """Somebody has looked: it was sent, or it was not and may be sent again. Raises NotFound, Conflict."""
    with atomic_cursor() as cursor:
        key = lock_key(cursor, tenant_id, uid)
        message = keyed(Message.objects.filter(uid=uid), tenant_id).first()
        if message is None:
            raise NotFound
        work = keyed(Work.objects.filter(message_id=message.pk, kind=WorkKind.DELIVERY), tenant_id).first()
        if work is None or work.state != WorkState.PARKED:
            raise Conflict("Only a message whose outcome is unknown can be settled.", code="not_unknown")
        if sent:
            rows.complete(cursor, [work.pk])
            MESSAGE.update(cursor, ("unknown",), [(message.pk, False)])
            MESSAGE.update(cursor, ("status",), [(message.pk, Status.SENT.value)], rising=("status",))
        else:
            stopped = rows.Stopped(work.pk, WorkState.DEAD, work.attempts, NOT_SENT, SETTLED_NOT_SENT)
            rows.stop(cursor, [stopped])
            failed = (message.pk, False, NOT_SENT, SETTLED_NOT_SENT, Status.FAILED.value)
            MESSAGE.update(cursor, ("unknown", "code", "detail", "status"), [failed], rising=("status",))
        note(cursor, tenant_id, [(message.pk, "settled", SETTLED_SENT if sent else SETTLED_NOT_SENT)])
        moment = now(cursor)
        rows.hold_conversations(cursor, [key])
        rows.promote(cursor, WorkKind.DELIVERY, [key], moment)


def settle_all(tenant_id: int, wanted: DeadLetterFilter, settle: Callable[[int, list[UUID]], list[UUID]]) -> int:
    """Settle all that match at this moment, oldest first, some at once; how many were."""
    letters = find_letters(tenant_id, wanted)
    settled = after = 0
    while found := list(letters.filter(id__gt=after).order_by("id").values_list("id", "uid")[:SETTLED_AT_ONCE]):
        settled += len(write(settle, tenant_id, [uid for _, uid in found]))
        after = found[-1][0]
    return settled


def settle_each(tenant_id: int, uids: Sequence[UUID], *, sent: bool) -> list[UUID]:
    """Those that were unknown until now."""
    settled = []
    for uid in uids:
        with suppress(Conflict):
            settle_unknown(tenant_id, uid, sent=sent)
            settled.append(uid)
    return settled


def dismiss(cursor: Cursor, tenant_id: int, message_ids: Sequence[int], reason: str, by: str) -> set[int]:
    """Those that nobody had dealt with before."""
    moment = now(cursor)
    columns = ("message_id", "tenant_id", "reason", "by", "at")
    told = [(id_, tenant_id, reason, by[:100], moment) for id_ in message_ids]
    return {id_ for (id_,) in DISMISSAL.insert_new(cursor, columns, told, unique=("message_id",))}


def _bring_back(cursor: Cursor, tenant_id: int, message_ids: Sequence[int]) -> None:
    """What was refused once more, such as where another responder owns the thread by now, stays on the list."""
    if message_ids:
        cursor.execute(
            f"DELETE FROM messaging_dismissal WHERE tenant_id = %s AND {among('message_id')}",
            [tenant_id, array(message_ids)],
        )


def note(cursor: Cursor, tenant_id: int, notes: Sequence[tuple[int, str, str]]) -> None:
    """In the timelines of messages: ``(message, event, sentence)``."""
    moment = now(cursor)
    columns = ("tenant_id", "message_id", "event", "at", "code", "detail")
    told: list[tuple[Any, ...]] = [(tenant_id, id_, event, moment, "", detail) for id_, event, detail in notes]
    RECEIPT.insert(cursor, columns, told)
