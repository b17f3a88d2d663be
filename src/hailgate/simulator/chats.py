"""What a message leaves behind: its place in a chat, its record, the person's wish; and what it is judged by."""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from hailgate.simulator import phones, records
from hailgate.simulator.model import Channel, Inbound, Phone, Send, Standing
from hailgate.simulator.phones import ChatEntry


def set_wish(db: sqlite3.Connection, phone: str, channel: str, wish: bool | None) -> None:
    if wish is not None:
        phones.set_marketing(db, phone, channel, wanted=wish)


def put_in_chat(db: sqlite3.Connection, channel: Channel, inbound: Inbound) -> ChatEntry:
    own = inbound.from_business
    return phones.add_message(
        db,
        phone=inbound.phone.number,
        direction="to_phone" if own else "from_phone",
        provider=channel.provider,
        channel=channel.number,
        provider_id=inbound.provider_id,
        message=json.dumps({**inbound.message, "id": inbound.provider_id}),
        correlation=None,
        status="delivered" if own else "sent",
        at=inbound.at,
    )


def keep_record(db: sqlite3.Connection, channel: Channel, inbound: Inbound, content: Mapping[str, Any]) -> None:
    records.add(
        db,
        provider_id=inbound.provider_id,
        channel=channel.number,
        phone=inbound.phone.number,
        direction="to_phone" if inbound.from_business else "from_phone",
        status="delivered" if inbound.from_business else "received",
        at=inbound.at,
        content=content,
    )


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
