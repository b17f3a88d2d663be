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

from hailgate.simulator import files, groups, ledger, phones
from hailgate.simulator.clock import Clock
from hailgate.simulator.faults import Call, Faults, StatusPlan
from hailgate.simulator.files import File
from hailgate.simulator.outbox import enqueue
from hailgate.simulator.phones import ChatEntry
from hailgate.simulator.provider import Channel, Inbound, Phone, Provider, Report, Send, Standing


class ReadMark(msgspec.Struct, frozen=True):
    """A business has read up to a message; `operation` is typing when it also shows that it answers."""

    channel: Channel
    provider_id: str
    operation: str
    body: bytes


class Exchange:
    def __init__(self, providers: Mapping[str, Provider], clock: Clock, faults: Faults) -> None:
        self.channels: Mapping[str, Channel] = {}
        self._providers = providers
        self._clock = clock
        self._faults = faults
        self.home = ""

    def accept(self, db: sqlite3.Connection, send: Send, plan: StatusPlan) -> tuple[list[ChatEntry], int]:
        """What the phones got, if anything, and how many statuses follow."""
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
        members = groups.list_members(db, send.to, send.channel.number) if send.group else [send.to]
        delivered = [self._deliver(db, send, phone, now, plan) for phone in members]
        return [entry for entry, _ in delivered if entry], sum(count for _, count in delivered)

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
        )
        if failure:
            return None, self._report(db, channel, report, ["failed"], plan)
        reached = provider.find_statuses(send, standing.phone)
        entry = put_on_phone(db, send, number, reached[-1], now)
        return entry, self._report(db, channel, report, reached, plan)

    def write_from_phone(
        self, db: sqlite3.Connection, number: str, channel: Channel, message: Mapping[str, Any]
    ) -> ChatEntry:
        """Raises ValueError for a file that is not on this phone."""
        now = self._clock.now()
        provider = self._providers[channel.provider]
        file = self._hand_over(db, number, channel, message, now)
        phone = phones.get_phone(db, number)
        inbound = Inbound(provider.new_id(message), now, phone, message, file, self.home)
        if provider.opens_window(message):
            phones.open_window(db, number, channel.number, now)
        if group := message.get("group_id"):
            groups.join(db, str(group), channel.number, number)
        if (wish := provider.find_marketing_wish(message)) is not None:
            phones.set_marketing(db, number, channel.number, wanted=wish)
        entry = phones.add_message(
            db,
            phone=number,
            direction="from_phone",
            provider=channel.provider,
            channel=channel.number,
            provider_id=inbound.provider_id,
            message=json.dumps({**message, "id": inbound.provider_id}),
            correlation=None,
            status="sent",
            at=now,
        )
        body = provider.render_inbound(channel, inbound)
        enqueue(db, channel.number, f"from {number}", body, now=now, message=entry.seq)
        return entry

    def _hand_over(
        self, db: sqlite3.Connection, number: str, channel: Channel, message: Mapping[str, Any], now: float
    ) -> File | None:
        file_id = self._providers[channel.provider].find_file_id(message)
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

    def _report_each(self, db: sqlite3.Connection, phone: Phone, entries: Sequence[ChatEntry], status: str) -> None:
        now = self._clock.now()
        for entry in entries:
            if channel := self.channels.get(entry.channel):
                plan = self._faults.plan_statuses(Call(entry.provider, "status", entry.channel, phone.number))
                message = msgspec.json.decode(entry.message)
                report = Report(entry.provider_id, status, now, phone, entry.correlation, group=message.get("group_id"))
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
            body = provider.render_status(channel, replace(report, status=status))
            enqueue(db, channel.number, report.provider_id, body, now=report.at, pause=pause)
        return len(arranged)


def find_standing(db: sqlite3.Connection, send: Send, number: str) -> Standing:
    channel = send.channel.number
    target = send.message.get("reaction", {}).get("message_id") if send.message["type"] == "reaction" else None
    return Standing(
        phones.get_phone(db, number) if number.isdigit() else Phone(number, number, reachable=False),
        phones.find_window(db, number, channel),
        phones.refuses_marketing(db, number, channel) if send.category == "MARKETING" else False,
        target is None or phones.has_message(db, target, number, channel),
    )


def put_on_phone(db: sqlite3.Connection, send: Send, number: str, status: str, now: float) -> ChatEntry:
    message = {**send.message, "group_id": send.to} if send.group else send.message
    return phones.add_message(
        db,
        phone=number,
        direction="to_phone",
        provider=send.channel.provider,
        channel=send.channel.number,
        provider_id=send.provider_id,
        message=json.dumps(message),
        correlation=send.correlation,
        status=status,
        at=now,
    )
