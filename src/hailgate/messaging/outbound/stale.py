"""Stale sends: the provider took a message an hour ago and has not told a single step of it since.

A phone that is off is no reason: WhatsApp itself tells at once that it took a message. A server that answers 200 and
sends nothing (R38 of the reliability plan) shows here, and one whose webhooks do not come.
"""

from collections.abc import Collection, Iterable
from typing import Final

from django.db.models import Max

from hailgate.core.status import Status
from hailgate.messaging.models import RESPONDER, TELEPHONE, Attempt, Direction, Message, Receipt
from hailgate.messaging.store.sql import keyed

STALE_AFTER_S: Final = 3_600.0
# Nobody is told of a reaction's way, nor of what was written elsewhere.
WITHOUT_STEPS: Final = frozenset({"reaction"})
WRITTEN_ELSEWHERE: Final = frozenset({TELEPHONE, RESPONDER})


def find_stale(tenant_id: int, messages: Iterable[Message], now: float) -> frozenset[int]:
    """The ids of those that are stale; the store is asked only where a message may be."""
    suspects = {each.pk for each in messages if _may_be_stale(each, now)}
    if not suspects:
        return frozenset()
    told = set(keyed(Receipt.objects.filter(message_id__in=suspects), tenant_id).values_list("message_id", flat=True))
    return frozenset(_sent_before(tenant_id, suspects - told, now - STALE_AFTER_S))


def _may_be_stale(message: Message, now: float) -> bool:
    return (
        message.direction == Direction.OUTBOUND
        and message.status == Status.SENT
        and not message.unknown
        and message.kind not in WITHOUT_STEPS
        and message.sender not in WRITTEN_ELSEWHERE
        and message.accepted_at.timestamp() < now - STALE_AFTER_S
    )


def _sent_before(tenant_id: int, ids: Collection[int], moment: float) -> list[int]:
    """Accepted long ago says little: a message may have waited for its turn. Its last attempt says when it was sent."""
    attempts = keyed(Attempt.objects.filter(message_id__in=ids), tenant_id)
    last = attempts.values("message_id").annotate(began=Max("started_at"))
    return [each["message_id"] for each in last if each["began"].timestamp() < moment]
