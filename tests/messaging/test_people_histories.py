"""Random histories of people: ids told in any order and late, numbers that change hands, joins by hand and undos.

Nobody's message is ever shown with another's, and none is ever lost. ``HISTORIES`` says how many, ``SEED`` where they
begin.
"""

import itertools
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID

import pytest
from django.db import transaction

from hailgate.core.address import Address, AddressKind
from hailgate.core.events import ContactChange
from hailgate.core.slots import open_room
from hailgate.messaging.inbound.turns import Finished, TurnEnd, claim_turns, finish_turns
from hailgate.messaging.models import JoinState
from hailgate.messaging.outbound.accept import accept_messages
from hailgate.messaging.people.addresses import address_digest
from hailgate.messaging.people.byhand import join_by_hand, undo_join
from hailgate.messaging.people.joins import join_proven
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.sql import as_uuid
from messaging.acting import account_of, apply, execute, new_message, phone, wrote

HISTORIES = int(os.environ.get("HISTORIES", "60"))
SEED = int(os.environ.get("SEED", "20261130"))
NUMBERS = range(1, 5)
STEPS = 18
BEGUN = 1_790_000_000.0


@contextmanager
def undone() -> Iterator[None]:
    """Whatever a history writes is gone after it: nothing waits for a disk."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


# One statement for what is judged after every step: through the ORM it cost more than the step itself.
_THREADS = (
    "SELECT coalesce(talk.merged_into_id, talk.id), message.content FROM messaging_message message "
    "JOIN messaging_conversation talk ON talk.id = message.conversation_id ORDER BY message.id"
)


class Someone:
    """One person, as far as anybody could prove it: a number and a user id at a time, and what they said."""

    made = 0

    def __init__(self, number: int) -> None:
        Someone.made += 1
        self.name, self.number, self.versions = f"p{Someone.made}", number, 0
        self.said: list[str] = []
        self.linked = False
        self.holds = True

    @property
    def user_id(self) -> Address:
        return Address(AddressKind.BSUID, f"US.{self.name}v{self.versions}")


class _Held(NamedTuple):
    """A message that comes late: who wrote it, what named them then, and the provider's time."""

    someone: Someone
    addresses: tuple[Address, ...]
    at: float


class History:
    """One run. What is told is true; joins by hand may be wrong, and are undone in any order."""

    def __init__(self, channel, seed: int) -> None:
        self.channel, self.random = channel, random.Random(seed)
        self.account = account_of(channel)
        self.people: list[Someone] = []
        self.holder: dict[int, Someone] = {}
        self.by_hand: dict[object, tuple[str, str]] = {}
        self.late: list[_Held] = []
        self.now = BEGUN
        self.parted = False
        self.log: list[str] = []
        self.count = 0

    def run(self) -> None:
        for _ in range(STEPS):
            step = self.random.choice([
                self.appear, self.write, self.write, self.write, self.write, self.send, self.change, self.leave,
                self.join, self.undo, self.part, self.hold, self.hold_a_stranger, self.deliver,
            ])  # fmt: skip
            step()
            join_proven()
            self.check()

    # --- what happens -------------------------------------------------------------------------------------------------

    def appear(self) -> None:
        """Somebody new writes, perhaps with a number that was another's: told with their own user id."""
        free = [number for number in NUMBERS if number not in self.holder or not self.holder[number].holds]
        if free:
            someone = Someone(self.random.choice(free))
            self.people.append(someone)
            self.log.append(f"{someone.name} appears with {someone.number}")
            if someone.number not in self.holder and self.random.random() < 0.3:
                self._say(someone, (someone.user_id,))
            else:
                self._say_both(someone)

    def write(self) -> None:
        if someone := self._anyone():
            known = self.holder.get(someone.number) is someone
            shape = self.random.choice(["number", "id", "both"] if known and someone.linked else ["id", "both"])
            if shape == "both":
                self._say_both(someone)
            else:
                self._say(someone, (phone(someone.number),) if shape == "number" else (someone.user_id,))

    def send(self) -> None:
        """To a number: whoever is known to have it."""
        number = self.random.choice(NUMBERS)
        if someone := self.holder.get(number):
            someone.said.append(body := self._word(someone))
            accept_messages([new_message(self.channel, number, body)])

    def change(self) -> None:
        """A told change of number and id, with or without a sender, onto a number that nobody ever had."""
        someone, free = self._anyone(), [number for number in NUMBERS if number not in self.holder]
        if someone and someone.linked and free and self.holder.get(someone.number) is someone:
            before, old = someone.user_id, phone(someone.number)
            someone.versions += 1
            someone.number = self.random.choice(free)
            self.holder[someone.number] = someone
            known = self.random.choice([(old, before), (before,)])
            learned = (phone(someone.number), someone.user_id)
            self.log.append(f"{someone.name} changes to {someone.number}")
            change = ContactChange(self.account, str(uuid7()), known, learned, "user_changed_number", self._tick())
            apply(self.channel, change)

    def hold(self) -> None:
        """Somebody known writes, and it comes late: what they were known by then."""
        someone = self._anyone()
        if someone and someone.linked and self.holder.get(someone.number) is someone:
            number = phone(someone.number)
            addresses = self.random.choice([(number,), (someone.user_id,), (number, someone.user_id)])
            self.late.append(_Held(someone, addresses, self._tick()))

    def hold_a_stranger(self) -> None:
        """Of whom nobody has heard before it comes, when their number may be another's."""
        taken = {*self.holder, *(held.someone.number for held in self.late)}
        if free := [number for number in NUMBERS if number not in taken]:
            someone = Someone(self.random.choice(free))
            someone.holds = False
            self.late.append(_Held(someone, (phone(someone.number), someone.user_id), self._tick()))

    def deliver(self) -> None:
        """Not while a join by hand holds people together: its undo goes by the addresses of now."""
        if not self.late or self.by_hand:
            return
        held = self.late.pop(self.random.randrange(len(self.late)))
        if held.someone not in self.people:
            self.people.append(held.someone)
            self.holder.setdefault(held.someone.number, held.someone)
            held.someone.linked = True
        self._say(held.someone, held.addresses, held.at)

    def leave(self) -> None:
        """Their number may be given to somebody else."""
        if someone := self._anyone():
            someone.holds = False

    def join(self) -> None:
        """On somebody's word, right or wrong."""
        roots = execute("SELECT id, uid FROM messaging_contact WHERE merged_into_id IS NULL ORDER BY id")
        if len(roots) > 1:
            (one, one_uid), (other, other_uid) = self.random.sample(roots, 2)
            pair = (self._owner_of(one), self._owner_of(other))
            join_by_hand(self.channel.tenant_id, as_uuid(one_uid), as_uuid(other_uid), "somebody")
            self.by_hand[self._joins("proof = 'operator'", "joined_at DESC")[0]] = pair
            self.log.append(f"by hand: {pair}")

    def undo(self) -> None:
        if self.by_hand:
            uid = self.random.choice(sorted(self.by_hand, key=str))
            self.log.append(f"undone: {self.by_hand.pop(uid)}")
            undo_join(self.channel.tenant_id, uid, "somebody")

    def part(self) -> None:
        """A true join is undone: its halves may stay apart from then on."""
        if self.random.random() < 0.3 and (true := self._joins("proof <> 'operator'", "id")):
            self.parted = True
            self.log.append("a true join is undone")
            undo_join(self.channel.tenant_id, self.random.choice(true), "somebody")

    # --- what must hold -----------------------------------------------------------------------------------------------

    def check(self) -> None:
        threads = self._threads()
        told = sorted(word for someone in self.people for word in someone.said)
        assert sorted(word for thread in threads for word in thread) == told, f"lost or doubled: {self.log}"
        circles = self._circles()
        for thread in threads:
            names = {word.split(".")[0] for word in thread}
            assert len({circles[name] for name in names}) <= 1, f"shown to another: {names} {self.log}"
        if not self.parted:
            for someone in self.people:
                mine = [thread for thread in threads if any(word in thread for word in someone.said)]
                assert not someone.linked or len(mine) <= 1, f"not joined: {someone.name} {self.log}"

    def _threads(self) -> list[list[str]]:
        threads: dict[int, list[str]] = {}
        for thread, content in execute(_THREADS):
            word = content.split('"body":"')[1].split('"')[0]
            threads.setdefault(thread, []).append(word)
        return list(threads.values())

    def _joins(self, which: str, order: str) -> list[UUID]:
        """Those that stand."""
        stand = f"SELECT uid FROM messaging_join WHERE state = {JoinState.JOINED.value}"
        return [as_uuid(uid) for (uid,) in execute(f"{stand} AND {which} ORDER BY {order}")]

    def _circles(self) -> dict[str, str]:
        """People by those whom joins by hand hold together."""
        circles = {someone.name: someone.name for someone in self.people}
        for one, other in self.by_hand.values():
            merged = circles[one]
            circles = {name: circles[other] if circle == merged else circle for name, circle in circles.items()}
        return circles

    def _owner_of(self, root: int) -> str:
        """Whose messages a contact has; of several that are joined by hand any one."""
        at_home_first = "ORDER BY coalesce(home_id, contact_id) <> contact_id, id"
        digests = execute(f"SELECT digest FROM messaging_contactaddress WHERE contact_id = %s {at_home_first}", [root])
        known = {
            address_digest(address): someone.name
            for someone in self.people
            for version in range(someone.versions + 1)
            for address in (Address(AddressKind.BSUID, f"US.{someone.name}v{version}"),)
        } | {address_digest(phone(number)): someone.name for number, someone in self.holder.items()}
        return next(known[digest] for (digest,) in digests if digest in known)

    def _anyone(self) -> Someone | None:
        return self.random.choice(self.people) if self.people else None

    def _say_both(self, someone: Someone) -> None:
        if self.holder.get(someone.number) not in {None, someone} and someone.linked:
            return self._say(someone, (someone.user_id,))  # it is another's by now
        self.holder[someone.number] = someone
        someone.linked = True
        return self._say(someone, (phone(someone.number), someone.user_id))

    def _say(self, someone: Someone, addresses: tuple[Address, ...], at: float = 0.0) -> None:
        someone.said.append(body := self._word(someone))
        self.log.append(f"{body} by {'+'.join(address.kind for address in addresses)} ({someone.number})")
        at = at or self._tick()
        apply(self.channel, wrote(self.channel, *addresses, body=body, name=someone.name, account=self.account, at=at))

    def _tick(self) -> float:
        self.now += 1.0
        return self.now

    def _word(self, someone: Someone) -> str:
        self.count += 1
        return f"{someone.name}.{self.count}"


def test_random_histories_never_show_ones_messages_to_another_and_never_lose_one(wide, capsys):
    begun = time.process_time()
    for seed in range(SEED, SEED + HISTORIES):
        with undone():
            history = History(wide, seed)
            try:
                history.run()
            except AssertionError as failed:
                pytest.fail(f"seed {seed}: {failed}")
    each = (time.process_time() - begun) * 1000 / HISTORIES
    with capsys.disabled():
        print(f"\n{HISTORIES} histories of {STEPS} steps from seed {SEED}: 0 failed, {each:.1f} ms of CPU each")


def test_links_among_ids_of_one_person_commute(wide):
    """In whatever order they are told, one person, one thread in order of arrival, and the same root."""
    links = [(1, 2), (2, 3), (3, 4), (5, 6), (6, 4)]
    results = set()
    for seed in range(SEED, SEED + 20):
        with undone():
            for number in range(1, 8):
                apply(wide, wrote(wide, number, body=f"p{number}.x"))
            order = links[:]
            random.Random(seed).shuffle(order)
            for one, other in order:
                known, learned = random.Random(seed).sample([phone(one), phone(other)], 2)
                apply(wide, ContactChange(account_of(wide), str(uuid7()), (known,), (learned,), "user_changed_number"))
                join_proven()
            history = History(wide, seed)
            results.add(tuple(sorted(map(tuple, history._threads()))))
    assert results == {(("p1.x", "p2.x", "p3.x", "p4.x", "p5.x", "p6.x"), ("p7.x",))}


def test_whoever_writes_from_two_numbers_is_answered_once_whenever_they_turn_out_to_be_one(answering, worker):
    """Messages of both interleave; a turn is claimed and finished, and they are joined, at any time among them."""
    places = range(5)
    for joined_at, claimed_at, finished_at in itertools.product(places, places, places):
        if claimed_at <= finished_at:
            with undone():
                answered = _interleave(answering, worker, joined_at, claimed_at, finished_at)
            when = f"joined {joined_at}, claimed {claimed_at}, finished {finished_at}"
            assert sorted(answered) == ["a", "b", "c", "d"], when


def _interleave(channel, worker, joined_at: int, claimed_at: int, finished_at: int) -> list[str]:
    """What was answered by turns that were not dropped at their review."""
    under_way, answered = [], []
    for place, (number, body) in enumerate([(1, "a"), (2, "b"), (1, "c"), (2, "d"), (0, "")]):
        if number:
            apply(channel, wrote(channel, number, body=body))
        if place == joined_at:
            known, learned = (phone(2),), (phone(1),)
            apply(channel, ContactChange(account_of(channel), str(uuid7()), known, learned, "user_changed_number"))
            join_proven()
        if place == claimed_at:
            under_way = claim_turns(worker, open_room(10)).claims
        if place == finished_at:
            answered += _finish(worker, under_way)
    while turns := claim_turns(worker, open_room(10)).claims:
        answered += _finish(worker, turns)
    return answered


def _finish(worker, turns) -> list[str]:
    ends = finish_turns(worker, [Finished(turn, [], hand_over=False) for turn in turns])
    return [
        line.content.split('"')[-2]
        for turn, end in zip(turns, ends, strict=True)
        if end is TurnEnd.KEPT
        for line in turn.unanswered
    ]
