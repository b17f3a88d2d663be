"""Two transactions on one conversation, the second begun after each statement of the first that locks or writes.

Every pair of verbs that touch a queue or say whose it is, at every such place: whatever waits for whom, nothing is
forgotten, orphaned, sent twice or left for a deadlock to sort out. Two connections, so PostgreSQL alone. Which verb
takes which locks, and in which order, is in ``docs/explanation/locks.md``.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from django.db import connection

from hailgate.core.delivery import Action
from hailgate.core.errors import Conflict, InputError
from hailgate.core.slots import open_room
from hailgate.core.status import Status
from hailgate.messaging.inbound.turns import Finished, claim_turns, finish_turns
from hailgate.messaging.models import Attempt, Contact, Join, JoinState, Message, Work, Worker, WorkState
from hailgate.messaging.outbound.accept import accept_messages
from hailgate.messaging.outbound.attempts import record_attempts
from hailgate.messaging.outbound.cancel import cancel_message
from hailgate.messaging.outbound.claim import Claim, claim_deliveries
from hailgate.messaging.outbound.expire import bury_expired
from hailgate.messaging.outbound.failover import declare_dead, release_strays, sign_off
from hailgate.messaging.outbound.outcomes import record_outcomes
from hailgate.messaging.outbound.parked import settle_parked
from hailgate.messaging.outbound.revive import send_again
from hailgate.messaging.outbound.takeover import hand_over
from hailgate.messaging.people.byhand import join_by_hand, undo_join
from hailgate.messaging.people.joins import join_proven
from hailgate.messaging.work.sweep import promote_all, promote_lost_heads
from messaging.acting import (
    HOLD_S,
    LEASE_S,
    apply,
    attempt,
    claim,
    conversation_of,
    decided,
    execute,
    let_expire,
    new_message,
    new_worker,
    phone,
    send,
    sent,
    tell,
    told,
    work_of,
    wrote,
)

PATIENCE_S = 20.0
LOCKS_OR_WRITES = re.compile(
    r"\s*(?:INSERT|UPDATE|DELETE|WITH)\b|\bFOR (?:NO KEY UPDATE|UPDATE|KEY SHARE)\b", re.IGNORECASE
)
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND wait_event_type = 'Lock' AND wait_event IN ('transactionid', 'tuple')"
)
READY, LEASED, WAITS = WorkState.READY, WorkState.LEASED, WorkState.WAITING


@dataclass
class Talk:
    """One conversation: a message whose outcome is unknown, the head, a follower, one that has expired, one scheduled.

    The head is ready, leased or being sent, as its verb needs it.
    """

    channel: Any
    number: int
    worker: int = field(default_factory=new_worker)

    def __post_init__(self) -> None:
        self.parked = send(self.channel, self.number)
        mine = self._claimed(self.parked)
        attempt(self.worker, mine)
        tell(self.worker, decided(mine, Action.PARK))
        execute("UPDATE messaging_conversation SET held_until = NULL WHERE id = %s", [mine.conversation_id])
        self.head, self.follower = (send(self.channel, self.number) for _ in range(2))
        self.expired, self.scheduled = send(self.channel, self.number), send(self.channel, self.number)
        self._change(self.expired, "expires_at = 1")
        self._change(self.scheduled, "due_at = 1")

    def claimed(self) -> Claim:
        return self._claimed(self.head)

    def attempted(self) -> Claim:
        claimed = self.claimed()
        attempt(self.worker, claimed)
        return claimed

    def _claimed(self, message) -> Claim:
        (mine,) = [one for one in claim(self.worker) if one.message_id == message.id]
        release_strays(self.worker, frozenset({mine.id}))  # the head of another talk
        return mine

    def _change(self, message, column: str) -> None:
        execute(f"UPDATE messaging_work SET {column} WHERE message_id = %s", [message.id])


Verb = Callable[[], object]


def accepts(talk: Talk) -> Verb:
    return lambda: accept_messages([new_message(talk.channel, talk.number)])


def claims(talk: Talk) -> Verb:
    worker = new_worker()
    return lambda: claim_deliveries(worker, open_room(50))


def records_the_attempt(talk: Talk) -> Verb:
    mine = talk.claimed()
    return lambda: record_attempts(talk.worker, [mine])


def records_that_it_was_sent(talk: Talk) -> Verb:
    mine = talk.attempted()
    return lambda: record_outcomes(talk.worker, HOLD_S, [sent(mine)])


def records_a_retry(talk: Talk) -> Verb:
    mine = talk.attempted()
    return lambda: record_outcomes(talk.worker, HOLD_S, [decided(mine, Action.RETRY, 1.0)])


def records_that_it_is_unknown(talk: Talk) -> Verb:
    mine = talk.attempted()
    return lambda: record_outcomes(talk.worker, HOLD_S, [decided(mine, Action.PARK)])


def declares_its_worker_dead(talk: Talk) -> Verb:
    talk.claimed()
    let_expire(talk.worker)
    return lambda: declare_dead(talk.worker, LEASE_S, HOLD_S)


def signs_off(talk: Talk) -> Verb:
    talk.attempted()
    return lambda: sign_off(talk.worker, HOLD_S)


def gives_strays_back(talk: Talk) -> Verb:
    talk.claimed()
    return lambda: release_strays(talk.worker, frozenset())


def sends_the_unknown_again(talk: Talk) -> Verb:
    row = work_of(talk.parked).id
    return lambda: send_again(talk.channel.tenant_id, [row])


def settles_the_unknown(talk: Talk) -> Verb:
    execute("UPDATE messaging_message SET status = %s WHERE id = %s", [Status.SENT.value, talk.parked.id])
    return settle_parked


def hears_that_it_was_delivered(talk: Talk) -> Verb:
    event = told(talk.channel, Status.DELIVERED, f"wamid.{talk.parked.uid}", tracker=str(talk.parked.uid))
    return lambda: apply(talk.channel, event)


def cancels_the_follower(talk: Talk) -> Verb:
    return lambda: unless_refused(cancel_message, talk.channel.tenant_id, talk.follower.uid)


def promotes_what_is_due(talk: Talk) -> Verb:
    """Of a conversation whose head is under way it promotes nothing: there is one more, with none."""
    alone_ = send(talk.channel, talk.number + 1_000_000)
    execute("UPDATE messaging_work SET state = %s, due_at = 1 WHERE message_id = %s", [WAITS.value, alone_.id])
    return promote_all


def buries_what_expired(talk: Talk) -> Verb:
    return bury_expired


# --- turns, and whose the conversation is ---------------------------------------------------------------------------


def hears_from_the_person(talk: Talk) -> Verb:
    _let_answer(talk)
    event = wrote(talk.channel, phone(talk.number), message_id=f"wamid.in{talk.number}")
    return lambda: apply(talk.channel, event)


def claims_a_turn(talk: Talk) -> Verb:
    hears_from_the_person(talk)()
    worker = new_worker()
    return lambda: claim_turns(worker, open_room(50))


def finishes_a_turn(talk: Talk) -> Verb:
    hears_from_the_person(talk)()
    key = conversation_of(talk.head).id
    (turn,) = [one for one in claim_turns(talk.worker, open_room(50)).claims if one.conversation_id == key]
    held = Work.objects.filter(tenant_id=talk.channel.tenant_id, worker_id=talk.worker, key=key).values_list(
        "id", flat=True
    )
    release_strays(talk.worker, frozenset(held))  # the turn of another talk
    answer = new_message(talk.channel, talk.number, "an answer")
    return lambda: finish_turns(talk.worker, [Finished(turn, [answer], hand_over=False)])


def takes_over(talk: Talk) -> Verb:
    return lambda: hand_over(talk.channel.tenant_id, str(conversation_of(talk.head).uid), "person")


def gives_back(talk: Talk) -> Verb:
    return lambda: hand_over(talk.channel.tenant_id, str(conversation_of(talk.head).uid), "scripted")


def joins_the_person(talk: Talk) -> Verb:
    return _join(talk, talk.number + 2_000_000)


def parts_the_person(talk: Talk) -> Verb:
    joins = Join.objects.filter(tenant_id=talk.channel.tenant_id, state=JoinState.JOINED)
    if not joins.exists():
        _join(talk, talk.number + 3_000_000)()
    uid = joins.get().uid
    return lambda: unless_refused(undo_join, talk.channel.tenant_id, uid, "somebody")


def _let_answer(talk: Talk) -> None:
    id_ = conversation_of(talk.head).id
    execute("UPDATE messaging_conversation SET answered_by = 'scripted' WHERE id = %s", [id_])


def _join(talk: Talk, number: int) -> Verb:
    other = conversation_of(send(talk.channel, number)).contact_id
    ids = sorted({conversation_of(talk.head).contact_id, other})
    uids = [Contact.objects.get(tenant_id=talk.channel.tenant_id, id=id_).uid for id_ in ids]
    return lambda: unless_refused(join_by_hand, talk.channel.tenant_id, *uids, "somebody")


def unless_refused(verb: Callable[..., object], *given: object) -> None:
    """What is asked for twice, or comes too late, is refused."""
    with suppress(Conflict, InputError):
        verb(*given)


VERBS = (
    accepts, claims, records_the_attempt, records_that_it_was_sent, records_a_retry, records_that_it_is_unknown,
    declares_its_worker_dead, signs_off, gives_strays_back, sends_the_unknown_again, settles_the_unknown,
    hears_that_it_was_delivered, cancels_the_follower, promotes_what_is_due, buries_what_expired,
    hears_from_the_person, claims_a_turn, finishes_a_turn, takes_over, gives_back, joins_the_person, parts_the_person,
)  # fmt: skip
# Whoever has the head in hand, or the turn: of two of them, each gets a conversation of its own.
HOLDERS = frozenset({
    records_the_attempt, records_that_it_was_sent, records_a_retry, records_that_it_is_unknown,
    declares_its_worker_dead, signs_off, gives_strays_back,
})  # fmt: skip
TURN_HOLDERS = frozenset({hears_from_the_person, claims_a_turn, finishes_a_turn})


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_each_verb_alone_leaves_the_queue_whole(wide, verb):
    verb(Talk(wide, 1))()
    check(wide.tenant_id)


@pytest.mark.parametrize("first", VERBS, ids=lambda verb: verb.__name__)
@pytest.mark.parametrize("second", VERBS, ids=lambda verb: verb.__name__)
def test_two_verbs_at_once_leave_the_queue_whole(postgresql, wide, first, second):
    numbers = count(1)
    for place in count(1):
        talk = Talk(wide, next(numbers))
        apart = {first, second} <= HOLDERS or {first, second} <= TURN_HOLDERS
        verbs = prepared(first, talk, second, Talk(wide, next(numbers)) if apart else talk)
        paused = interleave(*verbs, place)
        check(wide.tenant_id)
        clear(wide.tenant_id)
        if not paused:
            break
    assert place > 1 or has_nothing_to_do(first, second)


def has_nothing_to_do(first: Callable[[Talk], Verb], beside: Callable[[Talk], Verb]) -> bool:
    """And so nothing to lock: the head is in hand, or the unknown one was proven before anybody sent it again."""
    return (first is claims and beside in HOLDERS) or (
        first is sends_the_unknown_again and beside is settles_the_unknown
    )


def prepared(
    first: Callable[[Talk], Verb], talk: Talk, second: Callable[[Talk], Verb], other: Talk
) -> tuple[Verb, Verb]:
    """Who is to be parted is joined before anything is being sent, for which a join would wait."""
    if second is parts_the_person:
        parts = second(other)
        return first(talk), parts
    return first(talk), second(other)


def interleave(first: Verb, second: Verb, place: int) -> bool:
    """Run ``second`` after that statement of ``first``. False where ``first`` has fewer."""
    pause = Pause(place)
    with ThreadPoolExecutor(2) as threads:
        running = threads.submit(pause.run, first)
        while not pause.reached.wait(0.01) and not running.done():
            pass
        beside = threads.submit(alone, second)
        wait_until_done_or_waiting(beside)
        pause.over.set()
        running.result(PATIENCE_S)
        beside.result(PATIENCE_S)
    return pause.reached.is_set()


class Pause:
    def __init__(self, place: int) -> None:
        self._left = place
        self.reached, self.over = threading.Event(), threading.Event()

    def run(self, verb: Verb) -> None:
        alone(lambda: self._watched(verb))

    def _watched(self, verb: Verb) -> None:
        with connection.execute_wrapper(self._watch):
            verb()

    def _watch(self, execute: Any, statement: Any, params: Any, many: bool, context: Any) -> Any:
        answer = execute(statement, params, many, context)
        self._left -= bool(LOCKS_OR_WRITES.search(str(statement)))
        if not self._left and not self.reached.is_set():
            self.reached.set()
            assert self.over.wait(PATIENCE_S)
        return answer


def alone(verb: Verb) -> None:
    """On a connection of its own, which is closed at the end. A busy machine may take its time over either."""
    try:
        execute("SET idle_in_transaction_session_timeout = 0")
        execute("SET lock_timeout = 0")
        verb()
    finally:
        connection.close()


def wait_until_done_or_waiting(beside: Future[None]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not beside.done() and time.monotonic() < deadline:
        if execute(WAITING)[0][0]:
            return


# --- what has to hold -------------------------------------------------------------------------------------------------


def check(tenant_id: int) -> None:
    join_proven()  # what gave way to others
    assert list(offences(tenant_id)) == []


def offences(tenant_id: int) -> Iterator[str]:
    rows = list(Work.objects.filter(tenant_id=tenant_id))
    alive = set(Worker.objects.filter(alive=True).values_list("id", flat=True))
    for row in rows:
        if row.state == LEASED and row.worker_id not in alive:
            yield f"{row.id} is leased to a worker that is dead"
        if row.state != LEASED and (row.worker_id or row.attempting):
            yield f"{row.id} is not leased and still somebody's"
    heads = [(row.kind, row.key) for row in rows if row.state in {READY, LEASED}]
    yield from (f"{key} has two heads" for key in set(heads) if heads.count(key) > 1)
    waiting = {row.message_id for row in rows if row.state in {READY, WAITS}}
    proven = Message.objects.filter(tenant_id=tenant_id, id__in=waiting, status=Status.SENT).count()
    if proven:
        yield f"{proven} were sent and wait to be sent"
    if forgotten := promote_lost_heads():
        yield f"{forgotten} heads were forgotten"
    attempting = {row.message_id for row in rows if row.attempting}
    for open_ in Attempt.objects.filter(tenant_id=tenant_id, finished_at=None).exclude(message_id__in=attempting):
        yield f"an attempt of {open_.message_id} is open, and nobody makes it"


def clear(tenant_id: int) -> None:
    for table in ("work", "attempt", "join"):
        execute(f"DELETE FROM messaging_{table} WHERE tenant_id = %s", [tenant_id])
    execute("UPDATE messaging_worker SET alive = FALSE")
