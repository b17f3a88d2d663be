"""What is promised, checked at every commit, at every byte and at the end.

A copy of the rows is kept from what the store's triggers tell, so that a check costs no query; what the provider took
and what clients were told is kept beside it. A broken promise is a sentence.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from hailgate.core.status import Status
from hailgate.messaging.models import PERSON, EventState, WorkKind
from hailgate.messaging.outbound.cancel import CODE as CANCELLED

from .rows import DEAD, HEADS, LEASED, MOVES, PARKED, POISON, READY, SKEW, WAITING, Message, Work
from .store import Change


class Promises:
    def __init__(self, moment: Callable[[], float], *, finds_sent: bool) -> None:
        """``finds_sent``: what the provider did not take is found out, and sent again by itself."""
        self._moment, self._finds_sent = moment, finds_sent
        self.broken: list[str] = []
        self.works: dict[int, Work] = {}
        self.messages: dict[int, Message] = {}
        self.pending_events: set[int] = set()
        self._by_key: dict[tuple[int, int], dict[int, Work]] = defaultdict(dict)
        self._by_uid: dict[str, Message] = {}
        self._events: dict[str, int] = {}
        self._alive: set[int] = set()
        self._attempts: dict[tuple[int, int], tuple[int, int]] = {}
        self._first_keys: dict[int, int] = {}
        self._held: dict[int, float | None] = {}
        self._answered_by: dict[int, str] = {}
        self._threads: dict[int, set[int]] = defaultdict(set)
        self._singles: set[tuple[object, ...]] = set()
        self._taken: Counter[int] = Counter()
        self._second_knocks: Counter[int] = Counter()
        self._posted: set[str] = set()
        self._reported: dict[int, list[Status]] = defaultdict(list)
        self._wait_until: dict[int, float] = {}
        self._scheduled: set[int] = set()
        self.handed_over: set[int] = set()
        self.by_hand: set[int] = set()
        self.cancelled: set[int] = set()
        self.settled: set[int] = set()
        self._cancelled_now: set[int] = set()
        self._paused: set[int] = set()
        self._revived: set[int] = set()
        self._taken_back: set[int] = set()
        self.open = 0

    def holds(self, promise: bool, sentence: str, *facts: object) -> None:
        if not promise:
            self.broken.append(" ".join([sentence, *map(str, facts)]))

    # --- at every commit ----------------------------------------------------------------------------------------------

    def committed(self, changes: Sequence[Change]) -> None:
        if not changes:
            return
        touched = set()
        told = (Message._make(values) for table, _, *values in changes if table == "message")
        self._cancelled_now = {each.id for each in told if each.status == Status.FAILED and each.code == CANCELLED}
        for table, verb, *values in changes:
            if table == "work":
                work = Work._make(values)
                self._moved(work, gone=verb == "delete")
                touched.add((work.kind, work.key))
            else:
                self._SEEN[table](self, verb, values)
        for place in sorted(touched):
            self._check_key(place)

    def _moved(self, work: Work, *, gone: bool) -> None:
        before = self.works.get(work.id)
        was, is_ = before.state if before else None, None if gone else work.state
        taken_back = self._is_taken_back(work, was, gone=gone)
        if taken_back:
            self._taken_back.add(work.message_id or 0)
        if was != is_ or is_ == LEASED:
            stays = was == LEASED == is_ and before is not None and before[6:8] == work[6:8]
            asked_anew = (
                work.kind == WorkKind.TURN and was in {WAITING, READY} and gone
            )  # under the key of a joined thread
            settled = (was, is_) == (PARKED, DEAD) and work.message_id in self.settled
            self.holds(
                stays or asked_anew or taken_back or settled or (was, is_) in MOVES,
                "a work row made a move that no verb makes:", was, is_, work,
            )  # fmt: skip
        if was == READY and is_ == LEASED and before:
            self.holds(work.lease > before.lease, "a lease was given out twice:", work)
            self.holds(work.worker_id in self._alive, "a row was leased to a worker that is not alive:", work)
            paused = work.kind == WorkKind.DELIVERY and work.channel_id in self._paused
            self.holds(not paused, "a row of a paused channel was leased:", work)
        if was == READY and gone and work.kind == WorkKind.DELIVERY and not taken_back:
            self.holds(self._is_proven(work), "a row was dropped that is neither sent nor told to be:", work)
        if was in {WAITING, READY} and is_ == DEAD:
            expired = work.expires_at is not None and work.expires_at <= self._moment() + SKEW
            self.holds(expired, "a row was buried before its time:", work)
        if is_ == WAITING and was in {PARKED, DEAD}:
            # Somebody who said that it had not arrived may have looked while it was still on its way.
            self._check_revived(work, may_have_been_taken=was == PARKED or work.message_id in self.settled)
        if is_ == WAITING and work.due_at and work.kind == WorkKind.DELIVERY:
            self._scheduled.add(work.id)
        self._keep(work, gone=gone)

    def _is_taken_back(self, work: Work, was: int | None, *, gone: bool) -> bool:
        """Cancelled, or an assistant's answer when a person took over; a claimed one, too, until it is attempted."""
        message = self.messages.get(work.message_id or 0)
        if not gone or message is None:
            return False
        of_assistant = message.cause is not None
        if message.id in self._cancelled_now and (of_assistant or message.id in self.cancelled):
            return was in {WAITING, READY, LEASED}
        return was in {WAITING, READY} and of_assistant

    def _check_revived(self, work: Work, *, may_have_been_taken: bool) -> None:
        message = self.messages[work.message_id or 0]
        absent = self._finds_sent and self._taken[message.id] <= self._second_knocks[message.id]
        self.holds(work.id in self.by_hand or absent, "a row was revived that nobody touched:", work)
        self.holds(not self._is_proven(work), "a message was sent again that was proven sent:", message)
        self._revived.add(message.id)
        self._second_knocks[message.id] += may_have_been_taken and work.id in self.by_hand
        # What was said of the sends before does not count for this one, which a person asked for.
        self._reported[message.id].clear()
        self._wait_until.pop(message.id, None)

    def _is_proven(self, work: Work) -> bool:
        return self.messages[work.message_id or 0].status not in {Status.QUEUED, Status.FAILED}

    def _keep(self, work: Work, *, gone: bool) -> None:
        before = self.works.get(work.id)
        self._first_keys.setdefault(work.id, work.key)
        if before is not None:
            self.open -= before.is_open
            del self._by_key[before.kind, before.key][work.id]  # a join gives it another key
        if gone:
            self.works.pop(work.id, None)
        else:
            self.works[work.id] = self._by_key[work.kind, work.key][work.id] = work
            self.open += work.is_open

    def _check_key(self, place: tuple[int, int]) -> None:
        rows = self._by_key[place].values()
        heads = [work for work in rows if work.state in HEADS]
        self.holds(len(heads) <= 1, "a key has two heads:", *heads)
        waiting = [work for work in rows if work.state == WAITING and not work.due_at]
        for head in heads:
            ahead = [
                work
                for work in waiting
                if work.id < head.id and self._together(work, head) and not self._may_be_overtaken(work)
            ]
            self.holds(not ahead, "a row overtook another of its key:", head, *ahead)
        held = place[0] == WorkKind.DELIVERY and self._held.get(place[1]) is not None
        due = any(work.state == WAITING and 0 < work.due_at <= self._moment() + SKEW for work in rows)
        self.holds(bool(heads) or held or due or not waiting, "a key was left without a head:", *waiting)

    def _together(self, one: Work, other: Work) -> bool:
        """Of one conversation from the first: of those that were joined later the one that is due last goes first."""
        return self._first_keys[one.id] == self._first_keys[other.id]

    def _may_be_overtaken(self, work: Work) -> bool:
        return work.id in self._scheduled or work.message_id in self._revived

    def _message_seen(self, verb: str, values: Sequence[object]) -> None:
        message = Message(*values)
        before = self.messages.get(message.id)
        if before is None:
            self._check_single(message)
        elif message.status < before.status:
            revived = message.id in self._revived and message.status == Status.QUEUED
            self.holds(revived, "a status fell:", message)
        self.holds(verb != "delete", "a message was deleted:", message)
        self.messages[message.id] = self._by_uid[message.uid] = message

    def _check_single(self, message: Message) -> None:
        """One row for each thing that a person said, a caller asked for, or a turn answered."""
        if message.inbound:
            self._once("an inbound message has two rows:", "in", message.provider_id)
        elif message.cause is not None:
            self._once("a turn has two replies:", "reply", message.cause, message.ordinal)
        else:
            self._once("a request made two messages:", "out", message.text)

    def _once(self, sentence: str, *what: object) -> None:
        self.holds(what not in self._singles, sentence, *what)
        self._singles.add(what)

    def _attempt_seen(self, verb: str, values: Sequence[object]) -> None:
        message_id, number, worker_id, lease = values
        if verb == "insert":
            self._attempts[message_id, number] = (worker_id, lease)

    def _event_seen(self, _: str, values: Sequence[object]) -> None:
        id_, uid, state = values
        self._events[str(uid)] = id_
        if state == EventState.PENDING.value:
            self.pending_events.add(id_)
        else:
            self.pending_events.discard(id_)

    def _effect_seen(self, verb: str, values: Sequence[object]) -> None:
        if verb == "insert":
            self._once("an event had two effects:", "effect", *values[1:])

    def _worker_seen(self, _: str, values: Sequence[object]) -> None:
        id_, alive = values
        if alive:
            self.holds(("ended", id_) not in self._singles, "a worker came back from the dead:", id_)
            self._alive.add(id_)
        else:
            self._singles.add(("ended", id_))
            self._alive.discard(id_)

    def _conversation_seen(self, _: str, values: Sequence[object]) -> None:
        id_, held_until, answered_by, merged_into = values
        self._threads[id_] |= {id_, merged_into or id_}
        self._held[id_] = held_until
        self._answered_by[id_] = answered_by

    def _channel_seen(self, _: str, values: Sequence[object]) -> None:
        id_, paused_at = values
        (self._paused.add if paused_at is not None else self._paused.discard)(id_)

    _SEEN = {
        "channel": _channel_seen,
        "message": _message_seen,
        "attempt": _attempt_seen,
        "webhookevent": _event_seen,
        "effect": _effect_seen,
        "worker": _worker_seen,
        "conversation": _conversation_seen,
    }

    # --- at the provider's door ---------------------------------------------------------------------------------------

    def first_byte(self, uid: UUID, attempt: int) -> None:
        """A request leaves a worker at this moment: its row has to be that worker's, attempt committed."""
        message = self._by_uid.get(uid.hex)
        if message is None:
            self.holds(False, "a byte left for a message that nobody sent:", uid)
            return
        owner = self._attempts.get((message.id, attempt))
        work = self._work_of(message.id)
        self.holds(owner is not None, "a byte left before its attempt was committed:", message.id, attempt)
        mine = work is not None and work.state == LEASED and work.attempting and (work.worker_id, work.lease) == owner
        alive = owner is not None and owner[0] in self._alive
        self.holds(bool(mine and alive), "a byte left a worker that had lost the row:", message.id, attempt, work)

        waits_until = self._wait_until.get(message.id, 0.0)
        self.holds(self._moment() + SKEW >= waits_until, "a byte left before the provider's Retry-After:", message.id)

    def told_to_wait(self, uid: UUID, seconds: float) -> None:
        """The provider asked for a pause before this message is tried again."""
        if message := self._by_uid.get(uid.hex):
            self._wait_until[message.id] = self._moment() + seconds

    def taken(self, uid: UUID, attempt: int, text: str) -> None:
        """The provider accepts."""
        message = self._by_uid.get(uid.hex)
        if message is None or message.text != text:
            self.holds(False, "the provider took what nobody sent:", uid)
            return
        allowed = 1 + self._second_knocks[message.id]
        self.holds(self._taken[message.id] < allowed, "the provider took a message twice:", message.id, attempt)
        self.holds((message.id, attempt) in self._attempts, "the provider took an attempt that is not on record")
        self._check_order(message)
        self._taken[message.id] += 1

    def was_taken(self, message_id: int) -> bool:
        return self._taken[message_id] > 0

    def _check_order(self, message: Message) -> None:
        own = self._work_of(message.id)
        key = own.key if own else message.conversation_id
        for work in self._by_key[WorkKind.DELIVERY.value, key].values():
            earlier = (work.message_id or 0) < message.id and not self._may_be_overtaken(work)
            if earlier and (own is None or (self._together(work, own) and not self._may_be_overtaken(own))):
                held = work.state == PARKED and (work.hold_until or 0) > self._moment() + SKEW
                self.holds(not work.is_open and not held, "the provider took a later message first:", work)

    def _work_of(self, message_id: int) -> Work | None:
        return next((work for work in self.works.values() if work.message_id == message_id), None)

    # --- what clients were told ---------------------------------------------------------------------------------------

    def accepted(self, uid: UUID, text: str, after: int) -> int:
        """202. ``after`` is the last message that this caller knew to be accepted when it asked for this one."""
        message = self._by_uid.get(uid.hex)
        if message is None or message.text != text:
            self.holds(False, "a message was accepted that is not stored:", uid)
            return after
        self.holds(message.id > after, "a message was put before one that had been accepted:", message.id, after)
        return message.id

    def stored(self, uid: UUID, provider_ids: Iterable[str]) -> None:
        """200 to a webhook with these messages of people."""
        self.holds(uid.hex in self._events, "a webhook was answered that is not stored:", uid)
        self._posted.update(provider_ids)

    def reported(self, uid: UUID, status: Status) -> None:
        """200 to a status that named its message by the tracker."""
        if message := self._by_uid.get(uid.hex):
            self._reported[message.id].append(status)

    def taken_over(self, key: int) -> None:
        """A person answers as of the last commit: what the assistant had not begun to send is never sent."""
        left = [
            work
            for work in self._by_key[WorkKind.DELIVERY.value, key].values()
            if work.is_open and not work.attempting and self.messages[work.message_id or 0].cause is not None
        ]
        self.holds(not left, "an assistant's answer outlived the take-over:", *left)

    # --- at the end ---------------------------------------------------------------------------------------------------

    def check_end(self) -> None:
        """Nothing moves any more."""
        for message in self.messages.values():
            if not message.inbound:
                self._check_outbound(message)
            elif POISON not in message.text:
                self._check_answered(message)
        received = {message.provider_id for message in self.messages.values() if message.inbound}
        for provider_id in sorted(self._posted):
            self.holds(provider_id in received, "a person's message was answered with 200 and lost:", provider_id)

    def check_closed(self) -> None:
        """Every worker was told to stop, and has."""
        leased = [work for work in self.works.values() if work.state == LEASED]
        self.holds(not leased, "a worker kept what it held:", *leased)

    def _check_answered(self, asked: Message) -> None:
        """Once, by an assistant; at most once where the conversation went to a person. Not where people were parted."""
        quotes = [message.id for message in self.messages.values() if message.cause and asked.text in message.text]
        self.holds(len(quotes) <= 1, "a person was answered twice:", asked, *quotes)
        thread = self._threads[asked.conversation_id]
        if not any(self._answered_by[id_] == PERSON or id_ in self.handed_over for id_ in thread):
            self.holds(bool(quotes), "a person was not answered:", asked)

    def _check_outbound(self, message: Message) -> None:
        work, times = self._work_of(message.id), self._taken[message.id]
        if message.id in self._taken_back and message.status == Status.FAILED:
            again = times > self._second_knocks[message.id]
            self.holds(work is None and not again, "a message that was taken back was sent:", message)
        elif work is None:
            self.holds(message.status > Status.QUEUED, "a message was lost:", message)
            self.holds(
                times > 0 or message.id in self.settled, "a message is called sent that was never taken:", message
            )
            least = max([Status.SENT, *self._reported[message.id]])
            self.holds(message.status >= least, "a message does not stand where it was reported:", message, least)
        elif work.state == DEAD:
            looked_at = message.id in self.settled  # too early: it was still on its way
            excused = looked_at or times <= self._second_knocks[message.id]
            self.holds(excused, "a message is called dead that was taken:", message)
            self.holds(message.status >= Status.FAILED, "a dead message does not say so:", message)
        else:
            self.holds(work.state == PARKED, "work was left undone:", work)
            self.holds(bool(message.unknown), "a parked message does not say so:", message)
