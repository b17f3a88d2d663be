"""The simulated world: business numbers, phones, the clock, what goes wrong; and every deed that changes it.

A deed is durable before its caller hears of it; then the pages that watch and the couriers are told.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from hailgate.simulator import channels, documents, files, phones
from hailgate.simulator.clock import Clock
from hailgate.simulator.faults import Fault, Faults, StatusPlan
from hailgate.simulator.feed import Feed
from hailgate.simulator.message_flow import MessageChange, MessageFlow, ReadMark
from hailgate.simulator.model import Channel, File, Phone, Retries, Send, Upload
from hailgate.simulator.phones import ChatEntry
from hailgate.simulator.provider import EchoesSends, Provider, StartsWithExamples
from hailgate.simulator.store import Store, clear
from hailgate.simulator.webhook_sender import WebhookSender


class World:
    def __init__(self, home: Path, providers: Mapping[str, Provider], retries: Retries) -> None:
        self.providers = providers
        self.store = Store(home / "simulator.db")
        self.clock = Clock()
        self.feed = Feed()
        self.faults = Faults()
        self.webhooks = WebhookSender(self.store, self.clock, self.feed, retries)
        self.on_open: list[Callable[[], Awaitable[None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._echoing = {name for name, provider in providers.items() if isinstance(provider, EchoesSends)}
        self._stopping = asyncio.Event()
        self._flow = MessageFlow(providers, self.clock, self.faults)

    @property
    def channels(self) -> Mapping[str, Channel]:
        return self._flow.channels

    @property
    def home(self) -> str:
        """The address under which businesses reach the simulator, once it listens."""
        return self._flow.home

    @home.setter
    def home(self, url: str) -> None:
        self._flow.home = url

    async def open(self) -> None:
        self.store.open()
        self.webhooks.open()
        await self.store.write(phones.ensure_examples)
        self.clock.offset_s = await self.store.read(channels.find_clock_offset)
        await self._adopt(await self.store.read(channels.list_channels))
        for begin in self.on_open:
            await begin()

    def stop(self) -> None:
        """Nobody shall wait for the world to end: not the pages that watch, not a delayed answer."""
        self._stopping.set()
        self.feed.close()

    async def stops_within(self, seconds: float) -> bool:
        """A pause; True if the simulator stops during it."""
        if not seconds:
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.webhooks.close()
        self.store.close()

    async def put_channels(self, wanted: Sequence[Channel]) -> None:
        """These and no others."""
        await self.store.write(partial(channels.save_channels, channels=wanted))
        await self._adopt(wanted)
        self.feed.publish("resync", {})

    async def set_clock(self, offset_s: float) -> None:
        await self.store.write(partial(channels.save_clock_offset, offset_s=offset_s))
        self.clock.offset_s = offset_s
        self.feed.publish("clock", {"offset_s": offset_s})

    def put_faults(self, faults: Sequence[Fault]) -> None:
        self.faults.put(faults)
        self.feed.publish("faults", self.faults.list())

    async def reset(self) -> None:
        """As on the first day, but for the channels; sequence numbers go on, so no reader is confused."""
        self.put_faults([])
        await self.store.write(clear)
        await self.store.write(phones.ensure_examples)
        await self._put_examples()
        self.clock.offset_s = 0.0
        self.feed.publish("resync", {})

    async def accept(self, send: Send, plan: StatusPlan) -> None:
        """Takes a message to its phone; its statuses wait until its lane is released, an echo does not."""
        self.webhooks.hold(send.provider_id, send.channel.number)
        entries, statuses = await self.store.write(partial(self._flow.accept, send=send, plan=plan))
        if entries:
            self.feed.publish("messages", entries)
        if not statuses:
            self.webhooks.release(send.provider_id)
        elif send.channel.provider in self._echoing:
            self.webhooks.wake(send.channel.number)

    async def enlist(self, send: Send, plan: StatusPlan) -> None:
        """Accepts a message whose files must be fetched first; `deliver` follows, after a restart too."""
        self.webhooks.hold(send.provider_id, send.channel.number)
        pending = {"send": msgspec.to_builtins(send), "plan": msgspec.to_builtins(plan)}

        def change(db: sqlite3.Connection) -> None:
            self._flow.enlist(db, send)
            documents.put(db, "pending", send.provider_id, pending)

        await self.store.write(change)

    async def deliver(self, send: Send, plan: StatusPlan) -> None:
        """What was enlisted goes to its phone; its statuses wait no longer than its lane is held."""

        def change(db: sqlite3.Connection) -> list[ChatEntry]:
            documents.delete(db, "pending", send.provider_id)
            return self._flow.deliver(db, send, plan)[0]

        self.feed.publish("messages", await self.store.write(change))
        self.webhooks.wake(send.channel.number)

    async def list_pending(self, provider: str) -> list[tuple[Send, StatusPlan]]:
        """What was enlisted before a restart and not delivered."""
        pending = await self.store.read(partial(documents.list_all, kind="pending"))
        sends = [(msgspec.convert(p["send"], Send), msgspec.convert(p["plan"], StatusPlan)) for p in pending]
        return [(send, plan) for send, plan in sends if send.channel.provider == provider]

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Something that goes on behind an answer, until it is done or the simulator stops."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def write_from_phone(self, number: str, channel: Channel, message: Mapping[str, Any]) -> str:
        deed = partial(self._flow.write_from_phone, number=number, channel=channel, message=message)
        entry = await self.store.write(deed)
        self._announce([entry])
        return entry.provider_id

    async def write_from_business(self, channel: Channel, number: str, message: Mapping[str, Any]) -> str:
        """Typed on the business's own phone. Raises ValueError."""
        deed = partial(self._flow.write_from_business, channel=channel, number=number, message=message)
        entry = await self.store.write(deed)
        self._announce([entry])
        return entry.provider_id

    async def add_file(self, upload: Upload) -> File:
        return await self.store.write(partial(files.add_file, upload=upload, at=self.clock.now()))

    async def play_on_phone(self, number: str, seq: int) -> int:
        """One if this was a message to the phone that nobody had played."""
        entries = await self.store.write(partial(self._flow.play_on_phone, number=number, seq=seq))
        self._announce(entries)
        return len(entries)

    async def read_on_phone(self, number: str, up_to: int, channel: str | None) -> int:
        """How many messages were new to the person."""
        deed = partial(self._flow.read_on_phone, number=number, up_to=up_to, channel=channel)
        entries = await self.store.write(deed)
        self._announce(entries)
        return len(entries)

    async def update_phone(self, number: str, changes: Mapping[str, Any]) -> Phone:
        deed = partial(self._flow.update_phone, number=number, changes=changes)
        phone, entries = await self.store.write(deed)
        self.feed.publish("phone", phone)
        self._announce(entries)
        return phone

    async def mark_read(self, mark: ReadMark) -> bool:
        """False for an id that no person wrote to this channel."""
        entry, changed = await self.store.write(partial(self._flow.mark_read, mark=mark))
        if entry is None:
            return False
        self.feed.publish("messages", changed)
        if mark.operation == "typing":
            self.feed.publish("typing", {"phone": entry.phone, "channel": entry.channel})
        return True

    async def change_message(self, change: MessageChange) -> bool:
        """False for what this number did not send."""
        entry = await self.store.write(partial(self._flow.change_message, change=change))
        if entry is None:
            return False
        self._announce([entry])
        return True

    async def show_typing(self, channel: Channel, phone: str, body: bytes) -> None:
        deed = partial(self._flow.note, channel=channel, phone=phone, operation="typing", body=body)
        await self.store.write(deed)
        self.feed.publish("typing", {"phone": phone, "channel": channel.number})

    async def mark_chat_read(self, channel: Channel, phone: str, body: bytes) -> None:
        """Everything that the person wrote to this channel."""

        def change(db: sqlite3.Connection) -> list[ChatEntry]:
            self._flow.note(db, channel, phone, "read", body)
            return phones.mark_read(db, "from_phone", phone, 2**62, channel.number)

        self.feed.publish("messages", await self.store.write(change))

    def _announce(self, entries: Sequence[ChatEntry]) -> None:
        self.feed.publish("messages", entries)
        for channel in {entry.channel for entry in entries}:
            self.webhooks.wake(channel)

    async def _adopt(self, wanted: Sequence[Channel]) -> None:
        self._flow.channels = {channel.number: channel for channel in wanted}
        for provider in self.providers.values():
            provider.adopt([channel for channel in wanted if channel.provider == provider.name])
        await self._put_examples()
        await self.webhooks.serve((channel, self.providers[channel.provider]) for channel in wanted)

    async def _put_examples(self) -> None:
        for provider in self.providers.values():
            if isinstance(provider, StartsWithExamples):
                await self.store.write(provider.prepare)
