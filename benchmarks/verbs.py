"""What each verb of the store costs, called straight in one process: microseconds for each message, by size of batch.

Runs inside the product's process. Every verb is timed several times and the middle counts; processor time is that of
this process, so on PostgreSQL the difference to the whole is the database and the way to it.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any, TypeVar

from benchmarks import webhooks

# Batches of a busy system: what gathers while the last commit runs.
DOOR_BATCH = 64
BATCH = 200
REPEATS = 9
PEOPLE = 1_000
PAGE = 50

Result = TypeVar("Result")


class Clock:
    """Wall and processor microseconds for each of ``count`` things, by name."""

    def __init__(self) -> None:
        self._wall: dict[str, list[float]] = defaultdict(list)
        self._cpu: dict[str, list[float]] = defaultdict(list)

    def time(self, name: str, count: int, verb: Callable[[], Result]) -> Result:
        wall, cpu = time.perf_counter(), time.process_time()
        result = verb()
        self._wall[name].append((time.perf_counter() - wall) / count * 1e6)
        self._cpu[name].append((time.process_time() - cpu) / count * 1e6)
        return result

    def told(self) -> dict[str, tuple[float, float]]:
        return {name: (median(self._wall[name]), median(self._cpu[name])) for name in self._wall}


def measure() -> dict[str, tuple[float, float]]:
    """``(wall, cpu)`` of each verb."""
    from hailgate.messaging.work.leases import register

    worker_id = register(3600.0, "/nonexistent")
    clock = Clock()
    for repeat in range(REPEATS + 2):
        if repeat == 2:  # plans are made, people are known
            clock = Clock()
        _in_and_answered(clock, worker_id)
        _claimed_and_sent(clock, worker_id)
        _read(clock)
    return clock.told()


def _in_and_answered(clock: Clock, worker_id: int) -> None:
    from hailgate.core.events import ProviderEvent
    from hailgate.core.slots import open_room
    from hailgate.messaging.channels.hooks import get_hook
    from hailgate.messaging.inbound.call_turns import Debounce
    from hailgate.messaging.inbound.ingest import StoredRequest, apply_webhooks, take_webhooks, understand_webhooks
    from hailgate.messaging.inbound.receive import store_webhooks
    from hailgate.messaging.inbound.turns import Finished, claim_turns, finish_turns
    from hailgate.messaging.models import Hook
    from hailgate.providers.contract import WebhookRequest

    hook = get_hook(Hook.objects.get().pk)
    received = _received(hook.tenant_id, hook.id)
    for start in range(0, BATCH, DOOR_BATCH):
        some = received[start : start + DOOR_BATCH]
        clock.time("store_webhooks", len(some), partial(store_webhooks, some))

    def parse(stored: StoredRequest) -> Sequence[ProviderEvent]:
        request = WebhookRequest(url="", method="POST", query="", headers=stored.headers, body=stored.body)
        return hook.receiver.parse(request)

    clock.time(
        "ingest",
        BATCH,
        lambda: apply_webhooks(
            worker_id, hook.id, understand_webhooks(take_webhooks(worker_id, hook.id), parse), Debounce(0, 0)
        ),
    )
    claimed = clock.time("claim_turns", BATCH, lambda: claim_turns(worker_id, open_room(BATCH)))
    finished = [Finished(turn, [_reply(turn)], hand_over=False) for turn in claimed.claims]
    clock.time("finish_turns", BATCH, lambda: finish_turns(worker_id, finished))


def _claimed_and_sent(clock: Clock, worker_id: int) -> None:
    """The replies are claimed with whatever lies in the queue before them; what is claimed is sent."""
    from hailgate.core.slots import open_room
    from hailgate.messaging.outbound.attempts import Outcome, record_attempts
    from hailgate.messaging.outbound.claim import claim_deliveries
    from hailgate.messaging.outbound.outcomes import record_outcomes

    claims = clock.time("claim_deliveries", BATCH, lambda: claim_deliveries(worker_id, open_room(BATCH))).claims
    clock.time("record_attempts", BATCH, lambda: record_attempts(worker_id, claims))
    outcomes = [Outcome(claim, attempted=True, provider_id=f"wamid.{claim.uid}", address=claim.to) for claim in claims]
    clock.time("record_outcomes", BATCH, lambda: record_outcomes(worker_id, 120.0, outcomes))


def _read(clock: Clock) -> None:
    from hailgate.messaging.models import Conversation, Message

    newest = Conversation.objects.order_by("-last_message_id").values_list("tenant_id", "id").first()
    assert newest is not None
    tenant_id, id_ = newest
    page = Message.objects.filter(tenant_id=tenant_id, conversation_id=id_).order_by("-id")
    clock.time("conversation page", 1, lambda: list(page.values()[:PAGE]))
    inbox = Conversation.objects.filter(tenant_id=tenant_id).order_by("-last_message_id")
    clock.time("list of conversations", 1, lambda: list(inbox.values()[:PAGE]))


def _received(tenant_id: int, hook_id: int) -> Sequence[Any]:
    from hailgate.messaging.inbound.receive import ReceivedWebhook
    from hailgate.messaging.store.ids import uuid7

    headers = '{"content-type":"application/json","x-hub-signature-256":"sha256=' + "0" * 64 + '"}'
    return [
        ReceivedWebhook(uuid7(), tenant_id, hook_id, headers, body) for body in webhooks.text_webhooks(BATCH, PEOPLE)
    ]


def _reply(turn: Any) -> Any:
    from hailgate.messaging.outbound.new_message import NewMessage
    from hailgate.messaging.store.ids import uuid7

    return NewMessage(
        uid=uuid7(),
        tenant_id=turn.tenant_id,
        channel_id=turn.channel_id,
        to=turn.to,
        kind="text",
        content='{"type":"text","text":{"body":"Hello! I am the scripted assistant."}}',
        sender=turn.answered_by,
        answered_by=turn.answered_by,
        life_s=86_400.0,
        cause=turn.id,
        conversation_id=turn.conversation_id,
    )
