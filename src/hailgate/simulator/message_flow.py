"""What passes between businesses and phones.

Every function here runs in the writer's thread, in one transaction: ledger, chats and the webhooks that
follow are committed together or not at all.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from hailgate.simulator import files, groups, ledger, phone_messages, phones, records
from hailgate.simulator.chats import find_standing, keep_record, put_in_chat, put_on_phone, set_wish
from hailgate.simulator.clock import Clock
from hailgate.simulator.faults import Call, Faults, StatusPlan
from hailgate.simulator.model import Channel, File, Inbound, Phone, Post, Report, Send, Upload
from hailgate.simulator.outbox import HELD, enqueue
from hailgate.simulator.phones import ChatEntry
from hailgate.simulator.provider import (
    EchoesSends,
    HearsWishes,
    InlinesFiles,
    KeepsRecords,
    PairsSessions,
    Provider,
    WritesFiles,
)


class ReadMark(msgspec.Struct, frozen=True):
    """A business has read up to a message; `operation` is typing when it also shows that it answers."""

    channel: Channel
    provider_id: str
    operation: str
    body: bytes


class MessageChange(msgspec.Struct, frozen=True):
    """A business edits or deletes what it sent; `message` is what the chat then shows, `posts` what is told of it."""

    channel: Channel
    provider_id: str
    operation: str
    message: Mapping[str, Any]
    body: bytes
    posts: Sequence[Post] = ()


class MessageFlow:
    def __init__(self, providers: Mapping[str, Provider], clock: Clock, faults: Faults) -> None:
        self.channels: Mapping[str, Channel] = {}
        self._providers = providers
        # Sorted by what they can once: to ask a protocol takes longer than to send a message.
        known = list(providers.items())
        self._echoing = {name: provider for name, provider in known if isinstance(provider, EchoesSends)}
        self._hearing = {name: provider for name, provider in known if isinstance(provider, HearsWishes)}
        self._inlining = {name: provider for name, provider in known if isinstance(provider, InlinesFiles)}
        self._keeping = {name: provider for name, provider in known if isinstance(provider, KeepsRecords)}
        self._paired = {name: provider for name, provider in known if isinstance(provider, PairsSessions)}
        self._writing = {name: provider for name, provider in known if isinstance(provider, WritesFiles)}
        self._clock = clock
        self._faults = faults
        self.home = ""

    def accept(self, db: sqlite3.Connection, send: Send, plan: StatusPlan) -> tuple[list[ChatEntry], int]:
        """What the phones got, if anything, and how many statuses follow."""
        self.enlist(db, send)
        return self.deliver(db, send, plan)

    def enlist(self, db: sqlite3.Connection, send: Send) -> None:
        """It is accepted: it stands in the ledger, and where its provider keeps records."""
        now = self._clock.now()
        ledger.record(
            db,
            send.channel,
            at=now,
            to=send.to,
            operation="send",
            provider_id=send.provider_id,
            body=send.body,
            correlation=send.correlation,
        )
        if send.record is not None:
            records.add(
                db,
                provider_id=send.provider_id,
                channel=send.channel.number,
                phone=send.to,
                direction="to_phone",
                status="queued",
                at=now,
                content=send.record,
            )

    def deliver(self, db: sqlite3.Connection, send: Send, plan: StatusPlan) -> tuple[list[ChatEntry], int]:
        """What `accept` promises, of what was enlisted."""
        now = self._clock.now()
        members = groups.list_members(db, send.to, send.channel.number) if send.group else [send.to]
        self._echo(db, send, now)
        delivered = [self._deliver(db, send, phone, now, plan) for phone in members]
        return [entry for entry, _ in delivered if entry], sum(count for _, count in delivered)

    def _echo(self, db: sqlite3.Connection, send: Send, now: float) -> None:
        """It may well come before the answer."""
        if provider := self._echoing.get(send.channel.provider):
            for post in provider.render_echo(send):
                enqueue(db, send.channel.number, f"echo {send.provider_id}", post, now=now)

    def _deliver(
        self, db: sqlite3.Connection, send: Send, number: str, now: float, plan: StatusPlan
    ) -> tuple[ChatEntry | None, int]:
        channel, provider = send.channel, self._providers[send.channel.provider]
        standing = find_standing(db, send, number)
        failure = send.doom or provider.judge(send, standing, now)
        report = Report(
            send.provider_id,
            "sent",
            now,
            standing.phone,
            send.correlation,
            failure,
            standing.window_opened_at,
            send.to if send.group else None,
            send.message,
            send.record,
        )
        if failure:
            if send.record is not None:
                records.change_status(db, send.provider_id, "failed", failure.code, now)
            return None, self._report(db, channel, report, ["failed"], plan)
        reached = provider.find_statuses(send, standing.phone)
        entry = put_on_phone(db, send, number, reached[-1], now)
        if send.record is not None:
            records.change_status(db, send.provider_id, reached[-1], None, now)
        return entry, self._report(db, channel, report, reached, plan)

    def write_from_phone(
        self, db: sqlite3.Connection, number: str, channel: Channel, message: Mapping[str, Any]
    ) -> ChatEntry:
        """Raises ValueError for a file that is not on this phone."""
        provider = self._providers[channel.provider]
        phone = phones.get_phone(db, number)
        inbound = self._make_inbound(db, phone, channel, message)
        if phone_messages.opens_window(message):
            phones.open_window(db, number, channel.number, inbound.at)
        if group := message.get("group_id"):
            groups.join(db, str(group), channel.number, number)
        if hearing := self._hearing.get(channel.provider):
            set_wish(db, number, channel.number, hearing.find_marketing_wish(channel, message))
        entry = put_in_chat(db, channel, inbound)
        if keeping := self._keeping.get(channel.provider):
            keep_record(db, channel, inbound, keeping.make_record(channel, inbound))
        for _ in range(self._faults.count_inbound(Call(channel.provider, "inbound", channel.number, number))):
            self._tell(db, channel, f"from {number}", provider.render_inbound(channel, inbound), entry)
        return entry

    def write_from_business(
        self, db: sqlite3.Connection, channel: Channel, number: str, message: Mapping[str, Any]
    ) -> ChatEntry:
        """Somebody types on the business's own phone. Raises ValueError where no API would hear of it."""
        provider = self._echoing.get(channel.provider)
        if provider is None:
            raise ValueError(f"At {channel.provider} there is no phone of the business's to type on.")
        phone = phones.get_phone(db, number)
        inbound = replace(self._make_inbound(db, phone, channel, message), from_business=True)
        entry = put_in_chat(db, channel, inbound)
        if keeping := self._keeping.get(channel.provider):
            keep_record(db, channel, inbound, keeping.make_record(channel, inbound))
        self._tell(db, channel, f"own {number}", provider.render_own(channel, inbound), entry)
        return entry

    def _make_inbound(
        self, db: sqlite3.Connection, phone: Phone, channel: Channel, message: Mapping[str, Any]
    ) -> Inbound:
        now, provider = self._clock.now(), self._providers[channel.provider]
        file = self._hand_over(db, phone.number, channel, message, now)
        inlining = self._inlining.get(channel.provider)
        wants = inlining is not None and inlining.wants_content(channel)
        content = files.get_content(db, file) if file and wants else b""
        return Inbound(provider.new_id(message, phone), now, phone, message, file, self.home, content)

    def _tell(
        self, db: sqlite3.Connection, channel: Channel, lane: str, posts: Sequence[Post], entry: ChatEntry | None = None
    ) -> None:
        """While a session is cut off, its server hears of nothing: later, or never."""
        provider, pause = self._paired.get(channel.provider), 0.0
        if provider and (session := provider.sessions.of(channel)).state != "open":
            if not (provider.keeps_for_later and session.paired_as):
                return
            pause = HELD
        message = entry.seq if entry else None
        for post in posts:
            enqueue(db, channel.number, lane, post, now=self._clock.now(), message=message, pause=pause)

    def _hand_over(
        self, db: sqlite3.Connection, number: str, channel: Channel, message: Mapping[str, Any], now: float
    ) -> File | None:
        writing = self._writing.get(channel.provider)
        if writing and (written := writing.write_file(message)):
            mime_type, content = written
            return files.add_file(db, Upload("person", channel.number, mime_type, None, content), now)
        file_id = phone_messages.find_file_id(message)
        if file_id is None:
            return None
        file = files.find_file(db, file_id)
        if file is None or file.holder != number:
            raise ValueError(
                f"There is no file {file_id[:40]} on this phone. Put it there with POST /_sim/phones/{number}/files."
            )
        return files.hand_over(db, file, channel.number, now)

    def play_on_phone(self, db: sqlite3.Connection, number: str, seq: int) -> list[ChatEntry]:
        """A person listens to a voice message."""
        phone = phones.get_phone(db, number)
        entries = phones.mark_played(db, number, seq)
        if phone.read_receipts:
            self._report_each(db, phone, entries, "played")
        return entries

    def read_on_phone(self, db: sqlite3.Connection, number: str, up_to: int, channel: str | None) -> list[ChatEntry]:
        phone = phones.get_phone(db, number)
        entries = phones.mark_read(db, "to_phone", number, up_to, channel)
        if phone.read_receipts:
            self._report_each(db, phone, entries, "read")
        return entries

    def update_phone(
        self, db: sqlite3.Connection, number: str, changes: Mapping[str, Any]
    ) -> tuple[Phone, list[ChatEntry]]:
        """A phone that comes online gets what waited for it."""
        phone = replace(phones.get_phone(db, number), **changes)
        phones.save_phone(db, phone)
        entries = phones.mark_delivered_to_phone(db, number) if phone.online else []
        self._report_each(db, phone, entries, "delivered")
        return phone, entries

    def mark_read(self, db: sqlite3.Connection, mark: ReadMark) -> tuple[ChatEntry | None, list[ChatEntry]]:
        """The message, None if no person wrote it to this channel, and all that are read now."""
        entry = phones.find_message(db, mark.provider_id)
        if entry is None or entry.channel != mark.channel.number or entry.direction != "from_phone":
            return None, []
        ledger.record(
            db,
            mark.channel,
            at=self._clock.now(),
            to=entry.phone,
            operation=mark.operation,
            provider_id=mark.provider_id,
            body=mark.body,
        )
        return entry, phones.mark_read(db, "from_phone", entry.phone, entry.seq, mark.channel.number)

    def change_message(self, db: sqlite3.Connection, change: MessageChange) -> ChatEntry | None:
        """The changed message; None for what this number did not send."""
        entry = phones.find_message(db, change.provider_id)
        if entry is None or entry.channel != change.channel.number or entry.direction != "to_phone":
            return None
        ledger.record(
            db,
            change.channel,
            at=self._clock.now(),
            to=entry.phone,
            operation=change.operation,
            provider_id=change.provider_id,
            body=change.body,
        )
        self._tell(db, change.channel, f"change {change.provider_id}", change.posts)
        return phones.change_message(db, entry, json.dumps({**change.message, "id": change.provider_id}))

    def note(self, db: sqlite3.Connection, channel: Channel, phone: str, operation: str, body: bytes) -> None:
        """What a business does in a chat beside messages stands in the ledger too."""
        ledger.record(db, channel, at=self._clock.now(), to=phone, operation=operation, provider_id="", body=body)

    def _report_each(self, db: sqlite3.Connection, phone: Phone, entries: Sequence[ChatEntry], status: str) -> None:
        now = self._clock.now()
        for entry in entries:
            if channel := self.channels.get(entry.channel):
                plan = self._faults.plan_statuses(Call(entry.provider, "status", entry.channel, phone.number))
                message = msgspec.json.decode(entry.message)
                report = Report(entry.provider_id, status, now, phone, entry.correlation, group=message.get("group_id"))
                if entry.provider in self._keeping and (found := records.find(db, entry.provider_id)):
                    records.change_status(db, entry.provider_id, status, None, now)
                    report = replace(report, record=found.content, message=message)
                self._report(db, channel, report, [status], plan)

    def _report(
        self,
        db: sqlite3.Connection,
        channel: Channel,
        report: Report,
        statuses: Sequence[str],
        plan: StatusPlan,
    ) -> int:
        provider = self._providers[channel.provider]
        arranged = plan.arrange(statuses)
        for status, pause in arranged:
            posts = provider.render_status(channel, replace(report, status=status))
            self._tell(db, channel, report.provider_id, [replace(post, pause=pause) for post in posts])
        return len(arranged)
