"""Those around the product: callers with orders, people who write, an operator, and whoever pulls the plug."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING
from uuid import UUID

from hailgate.core.address import Address, AddressKind
from hailgate.messaging.channels.admin import pause_channel, resume_channel
from hailgate.messaging.deadletters import deeds
from hailgate.messaging.models import PERSON, ContactAddress, Join, JoinState, WorkKind
from hailgate.messaging.outbound.cancel import cancel_message
from hailgate.messaging.outbound.revive import send_again
from hailgate.messaging.outbound.takeover import hand_over
from hailgate.messaging.people.addresses import address_digest
from hailgate.messaging.people.byhand import join_by_hand, undo_join

from .door import Order
from .rows import DEAD, LEASED, PARKED, POISON, POISON_FOR_ASSISTANTS, READY, WAITING, Work

if TYPE_CHECKING:
    from .world import Member, World

# Seconds in which everything is asked for and broken; afterwards the faults end.
BUSY_S = 14.0
# Of an operator who does not wait to see what becomes of the last one.
HASTY_DEEDS = 8


class People:
    def __init__(self, world: "World") -> None:
        self._world, self._chance, self._faults = world, world.chance, world.faults
        self._numbers = count(1)
        self._has_poison = True

    def begin(self) -> None:
        premises = self._world.premises
        for contact in range(self._chance.choice((1, 1, 2, 2, 3))):
            number = f"1555010{contact:04}"
            channel = self._chance.choice(premises.channels)
            self._world.outside(self._write(channel.account, number))
            self._world.outside(self._call(channel.name, number))
        if self._faults.strikes("stranger"):
            self._world.outside(self._intrude())
        hasty = HASTY_DEEDS if self._faults.strikes("hasty_operator") else 0
        for _ in range(self._chance.choice((0, 0, 0, 1, 1, 3)) + hasty):
            self._world.outside(self._operate())
        if self._chance.random() < 0.4:
            self._world.outside(self._turn_out_to_be_one())

    # --- callers ------------------------------------------------------------------------------------------------------

    async def _call(self, channel: str, number: str) -> None:
        """One conversation's orders: one after the other, or all at once; sometimes before the window is open."""
        waits = self._chance.random() < 0.7
        known = 0
        await asyncio.sleep(self._chance.choice((0.0, 0.5, 2.0)))
        for _ in range(self._chance.randint(0, 3)):
            await asyncio.sleep(self._chance.choice((0.0, 0.1, 2.0, 6.0)))
            order = self._order(channel, number)
            if waits:
                known = await self._insist(order, known)
            else:
                self._world.outside(self._insist(order, 0))

    def _order(self, channel: str, number: str) -> Order:
        text = f"out{next(self._numbers)}." + self._poison()
        send_in = self._chance.uniform(1.0, 20.0) if self._chance.random() < 0.1 else None
        order = Order(self._world.premises.tenant_id, channel, f"+{number}", text, text, send_in)
        hurries = self._chance.random() < 0.1
        return order._replace(lives_for=self._chance.uniform(2.0, 20.0)) if hurries else order

    async def _insist(self, order: Order, known: int) -> int:
        """The same order with the same key, until it is taken; a few callers give up after the first silence."""
        gives_up = self._chance.random() < 0.1
        while True:
            uid = await self._world.ask(lambda door: door.create_message(order))
            if uid is not None:
                self._world.note("accepted", order.text, uid)
                return self._world.promises.accepted(uid, order.text, known)
            if gives_up:
                return known
            await asyncio.sleep(self._chance.uniform(0.2, 3.0))

    async def _intrude(self) -> None:
        """Another tenant, with a key of its own, names our channel."""
        channel = self._chance.choice(self._world.premises.channels)
        order = self._order(channel.name, "15550109999")._replace(tenant_id=self._world.premises.stranger_id)
        uid = await self._world.ask(lambda door: door.create_message(order))
        self._world.promises.holds(uid is None, "a stranger sent through a channel of another tenant")

    # --- people -------------------------------------------------------------------------------------------------------

    async def _write(self, account: str, number: str) -> None:
        for pause in (0.05, 4.0, 7.0)[: self._chance.choice((1, 1, 2, 2, 3))]:
            await asyncio.sleep(pause * self._chance.uniform(0.1, 1.5))
            written = []
            for _ in range(self._chance.choice((1, 1, 1, 2))):
                text = f"in{next(self._numbers)}." + self._poison()
                written.append((f"wamid.{text}", number, text))
            self._world.outside(self._world.carrier.tell(account, written))

    def _poison(self) -> str:
        if self._has_poison and self._faults.strikes("poison"):
            self._has_poison = False
            return self._chance.choice((POISON, POISON_FOR_ASSISTANTS))
        return ""

    # --- the operator -------------------------------------------------------------------------------------------------

    async def _operate(self) -> None:
        await asyncio.sleep(self._chance.uniform(2.0, BUSY_S))
        deeds = (self._send_again, self._send_again, self._hand_over, self._hand_over, self._cancel, self._cancel)
        await self._chance.choice((*deeds, self._settle, self._pause))()

    async def _send_again(self) -> None:
        if work := self._any_delivery({DEAD, PARKED}):
            self._world.promises.by_hand.add(work.id)
            self._world.note("sends again", work.id)
            await self._world.manage(send_again, self._world.premises.tenant_id, [work.id])

    async def _cancel(self) -> None:
        """Whatever becomes of it: too late, already gone, or taken back."""
        if work := self._any_delivery({WAITING, READY, LEASED}):
            message = self._world.promises.messages[work.message_id or 0]
            self._world.promises.cancelled.add(message.id)
            self._world.note("cancels", message.id)
            await self._world.manage(cancel_message, self._world.premises.tenant_id, UUID(message.uid))

    async def _settle(self) -> None:
        """Somebody has looked at the person's telephone."""
        if work := self._any_delivery({PARKED}):
            message = self._world.promises.messages[work.message_id or 0]
            sent = self._world.promises.was_taken(message.id)
            self._world.promises.settled.add(message.id)
            self._world.note("settles", message.id, sent)
            await self._world.manage(settle_each, self._world.premises.tenant_id, [UUID(message.uid)], sent)

    async def _pause(self) -> None:
        """A channel; it is resumed by those who renew tokens."""
        channel = self._chance.choice(self._world.premises.channels)
        self._world.note("pauses", channel.name)
        await self._world.manage(pause_channel, self._world.premises.tenant_id, channel.uid)

    def _any_delivery(self, states: set[int]) -> Work | None:
        works = self._world.promises.works.values()
        found = [work for work in works if work.kind == WorkKind.DELIVERY and work.state in states]
        return self._chance.choice(found) if found else None

    async def _turn_out_to_be_one(self) -> None:
        """Two of them are one person, on the operator's word; sometimes that was wrong."""
        one, other = (f"1555010{contact:04}" for contact in (0, 1))
        await asyncio.sleep(self._chance.uniform(1.0, BUSY_S))
        self._world.note("joins", one, other)
        await self._world.manage(join_numbers, self._world.premises.tenant_id, one, other)
        if self._chance.random() < 0.4:
            await asyncio.sleep(self._chance.uniform(0.2, 6.0))
            self._world.note("parts", one, other)
            await self._world.manage(part_all, self._world.premises.tenant_id)

    async def _hand_over(self) -> None:
        keys = sorted({work.key for work in self._world.promises.works.values() if work.kind == WorkKind.TURN})
        if not keys:
            return
        self._world.promises.handed_over.add(keys[0])
        self._world.note("hands over", keys[0])
        uid = self._world.store.rows("SELECT uid FROM messaging_conversation WHERE id = ?", keys[0])[0][0]
        take = self._chance.choice((self._take_over, self._give_back))
        await self._world.manage(take, self._world.premises.tenant_id, uid, keys[0])

    def _take_over(self, tenant_id: int, uid: str, key: int) -> None:
        if hand_over(tenant_id, uid, PERSON):
            self._world.promises.taken_over(key)

    def _give_back(self, tenant_id: int, uid: str, _: int) -> None:
        hand_over(tenant_id, uid, "scripted")

    async def renew_tokens(self) -> None:
        """For ever: a channel that was paused for its token is resumed with another one."""
        tenant_id = self._world.premises.tenant_id
        while True:
            await asyncio.sleep(5.0)
            for (uid,) in self._world.store.rows("SELECT uid FROM messaging_channel WHERE paused_at IS NOT NULL"):
                await self._world.manage(resume_channel, tenant_id, UUID(uid))


def settle_each(tenant_id: int, uids: Sequence[UUID], sent: bool) -> None:
    deeds.settle_each(tenant_id, uids, sent=sent)


def join_numbers(tenant_id: int, *numbers: str) -> None:
    """Where both are known, and two people yet."""
    digests = [address_digest(Address(AddressKind.PHONE, number)) for number in numbers]
    known = ContactAddress.objects.filter(tenant_id=tenant_id, digest__in=digests).select_related("contact")
    uids = sorted({address.contact.uid for address in known})
    if len(uids) == 2:
        join_by_hand(tenant_id, *uids, "operator")


def part_all(tenant_id: int) -> None:
    for uid in Join.objects.filter(tenant_id=tenant_id, state=JoinState.JOINED).values_list("uid", flat=True):
        undo_join(tenant_id, uid, "operator")


class Nemesis:
    """Kills, freezes and stops processes from outside, at any moment."""

    def __init__(self, world: "World") -> None:
        self._world, self._chance = world, world.chance

    def begin(self) -> None:
        deeds = {
            "kill": lambda: self._world.kill(self._anybody().process),
            "freeze": lambda: self._world.freeze(self._anybody().process),
            "stop": lambda: self._anybody().stop(),
            "kill_door": lambda: self._world.kill(self._world.door.process),
            "freeze_door": lambda: self._world.freeze(self._world.door.process),
        }
        for kind, deed in deeds.items():
            for second in range(int(BUSY_S)):
                if self._world.faults.strikes(kind):
                    self._world.outside(self._at(second + self._chance.random(), deed))

    def _anybody(self) -> "Member":
        return self._chance.choice(self._world.crew)

    async def _at(self, moment: float, deed: Callable[[], None]) -> None:
        await asyncio.sleep(moment)
        deed()
