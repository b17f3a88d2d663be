"""The simulated world: business numbers, phones, the clock, what goes wrong; and every deed that changes it.

A deed is durable before its caller hears of it; then the pages that watch and the couriers are told.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from hailgate.simulator import channels, files, phones
from hailgate.simulator.clock import Clock
from hailgate.simulator.exchange import Exchange, ReadMark
from hailgate.simulator.faults import Fault, Faults, StatusPlan
from hailgate.simulator.feed import Feed
from hailgate.simulator.files import File, Upload
from hailgate.simulator.phones import ChatEntry
from hailgate.simulator.provider import Channel, Phone, Provider, Send
from hailgate.simulator.store import Store, clear
from hailgate.simulator.webhooks import PostOffice, Retries


class World:
    def __init__(self, home: Path, providers: Mapping[str, Provider], retries: Retries) -> None:
        self.providers = providers
        self.store = Store(home / "simulator.db")
        self.clock = Clock()
        self.feed = Feed()
        self.faults = Faults()
        self.office = PostOffice(self.store, self.clock, self.feed, retries)
        self._stopping = asyncio.Event()
        self._exchange = Exchange(providers, self.clock, self.faults)

    @property
    def channels(self) -> Mapping[str, Channel]:
        return self._exchange.channels

    @property
    def home(self) -> str:
        """The address under which businesses reach the simulator, once it listens."""
        return self._exchange.home

    @home.setter
    def home(self, url: str) -> None:
        self._exchange.home = url

    async def open(self) -> None:
        self.store.open()
        self.office.open()
        await self.store.write(phones.ensure_examples)
        self.clock.offset_s = await self.store.read(channels.find_clock_offset)
        await self._adopt(await self.store.read(channels.list_channels))

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
        await self.office.close()
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
        for provider in self.providers.values():
            await self.store.write(provider.prepare)
        self.clock.offset_s = 0.0
        self.feed.publish("resync", {})

    async def accept(self, send: Send, plan: StatusPlan) -> None:
        """Takes a message to its phone; its statuses wait until the post office releases its lane."""
        self.office.hold(send.provider_id, send.channel.number)
        entries, statuses = await self.store.write(partial(self._exchange.accept, send=send, plan=plan))
        if entries:
            self.feed.publish("messages", entries)
        if not statuses:
            self.office.release(send.provider_id)

    async def write_from_phone(self, number: str, channel: Channel, message: Mapping[str, Any]) -> str:
        deed = partial(self._exchange.write_from_phone, number=number, channel=channel, message=message)
        entry = await self.store.write(deed)
        self._announce([entry])
        return entry.provider_id

    async def add_file(self, upload: Upload) -> File:
        return await self.store.write(partial(files.add_file, upload=upload, at=self.clock.now()))

    async def play_on_phone(self, number: str, seq: int) -> int:
        """One if this was a message to the phone that nobody had played."""
        entries = await self.store.write(partial(self._exchange.play_on_phone, number=number, seq=seq))
        self._announce(entries)
        return len(entries)

    async def read_on_phone(self, number: str, up_to: int, channel: str | None) -> int:
        """How many messages were new to the person."""
        deed = partial(self._exchange.read_on_phone, number=number, up_to=up_to, channel=channel)
        entries = await self.store.write(deed)
        self._announce(entries)
        return len(entries)

    async def update_phone(self, number: str, changes: Mapping[str, Any]) -> Phone:
        deed = partial(self._exchange.update_phone, number=number, changes=changes)
        phone, entries = await self.store.write(deed)
        self.feed.publish("phone", phone)
        self._announce(entries)
        return phone

    async def mark_read(self, mark: ReadMark) -> bool:
        """False for an id that no person wrote to this channel."""
        entry, changed = await self.store.write(partial(self._exchange.mark_read, mark=mark))
        if entry is None:
            return False
        self.feed.publish("messages", changed)
        if mark.operation == "typing":
            self.feed.publish("typing", {"phone": entry.phone, "channel": entry.channel})
        return True

    def _announce(self, entries: Sequence[ChatEntry]) -> None:
        self.feed.publish("messages", entries)
        for channel in {entry.channel for entry in entries}:
            self.office.wake(channel)

    async def _adopt(self, wanted: Sequence[Channel]) -> None:
        self._exchange.channels = {channel.number: channel for channel in wanted}
        for provider in self.providers.values():
            provider.adopt([channel for channel in wanted if channel.provider == provider.name])
            await self.store.write(provider.prepare)
        await self.office.serve((channel, self.providers[channel.provider]) for channel in wanted)
