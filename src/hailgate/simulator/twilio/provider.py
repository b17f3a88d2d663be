"""Twilio.

What is delivered, and what is not:

* A number that begins with 999 (no country has it), a phone marked unreachable, a user id that nobody has: the send is
  accepted, then `undelivered` says 63024.
* The person did not write within 24 hours and the message is no approved content template: `undelivered`, 63016.
* The person wrote STOP: refused at once, 21610, until START. A messaging service knows words of its own (CHEGA, VOLTA,
  AJUDA), and says with what a person wrote what it took it for.
* Media is fetched from its address after the answer, HEAD and then GET: `failed` says 63019 where it cannot be had,
  63034 where it is too large.

A webhook is called once; what fails is lost, unless the address asks for more in its fragment (`#rc=3`).
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hailgate.simulator import documents, phone_messages
from hailgate.simulator.model import (
    WINDOW_S,
    Attempt,
    Channel,
    Failure,
    Inbound,
    Phone,
    Post,
    Report,
    Retries,
    Send,
    Standing,
)
from hailgate.simulator.twilio import inbound, wire
from hailgate.simulator.twilio.contents import list_examples
from hailgate.simulator.twilio.errors import FAILED_AT_ONCE, NOT_ON_WHATSAPP, WINDOW_CLOSED
from hailgate.simulator.vcards import render_vcards

NOWHERE = "999"  # no country has this prefix
CONTENT, SENDER = "twilio content", "twilio sender"  # kinds of documents
EVENTS = {"delivered": "DELIVERED", "read": "READ"}


class Twilio:
    name = "twilio"
    identity = ""
    patience_s = 15.0

    def __init__(self, window_s: float | None = WINDOW_S) -> None:
        self._window_s = window_s
        self.channels: dict[str, Channel] = {}
        self.webhooks: dict[str, dict[str, str]] = {}  # what the Senders API set, by number

    def check_credentials(self, credentials: Mapping[str, str]) -> None:
        msgspec.convert(credentials, wire.Credentials)

    def adopt(self, channels: Sequence[Channel]) -> None:
        self.channels = {channel.number: channel for channel in channels}

    def prepare(self, db: sqlite3.Connection) -> None:
        accounts = sorted({wire.account_of(channel) for channel in self.channels.values()})
        for example in [example for account in accounts for example in list_examples(account)]:
            if documents.find(db, CONTENT, example.sid) is None:
                documents.put(db, CONTENT, example.sid, msgspec.to_builtins(example), example.account_sid)
        settings = {number: documents.find(db, SENDER, number) for number in self.channels}
        self.webhooks = {number: setting for number, setting in settings.items() if setting}

    def check_inbound(self, message: Mapping[str, Any]) -> None:
        phone_messages.check_inbound(message)
        if "group_id" in message:
            raise ValueError("`message.group_id`: Twilio has no groups.")

    def new_id(self, message: Mapping[str, Any], phone: Phone) -> str:  # noqa: ARG002 - says nothing of who
        return wire.new_sid("MM" if message["type"] in inbound.WITH_FILE else "SM")

    def write_file(self, message: Mapping[str, Any]) -> tuple[str, bytes] | None:
        return ("text/vcard", render_vcards(message["contacts"])) if message["type"] == "contacts" else None

    def find_marketing_wish(self, channel: Channel, message: Mapping[str, Any]) -> bool | None:
        return inbound.find_wish(channel, message)

    def judge(self, send: Send, standing: Standing, now: float) -> Failure | None:
        phone = standing.phone
        if not phone.reachable or phone.number.startswith(NOWHERE):
            return NOT_ON_WHATSAPP
        if send.category is not None or self._window_s is None:
            return None
        opened_at = standing.window_opened_at
        return None if opened_at is not None and now < opened_at + self._window_s else WINDOW_CLOSED

    def find_statuses(self, send: Send, phone: Phone) -> Sequence[str]:  # noqa: ARG002 - all kinds alike
        return ["queued", "sent", "delivered"] if phone.online else ["queued", "sent"]

    def make_record(self, channel: Channel, inbound_: Inbound) -> Mapping[str, Any]:
        fields = inbound.render_inbound(channel, inbound_)
        file = inbound_.file
        media = [{"sid": wire.media_sid(file.id), "content_type": file.media_type}] if file else []
        sender = wire.address_of(inbound_.phone)
        return {
            "from": sender,
            "to": wire.number_address(channel.number),
            "body": fields.get("Body", ""),
            "media": media,
        }

    def render_inbound(self, channel: Channel, inbound_: Inbound) -> Sequence[Post]:
        fields = inbound.render_inbound(channel, inbound_)
        url = self.webhooks.get(channel.number, {}).get("callback_url") or None
        return [Post(wire.render_form(fields), url)] if fields else []

    def render_status(self, channel: Channel, report: Report) -> Sequence[Post]:
        record = report.record or {}
        general = self.webhooks.get(channel.number, {}).get("status_callback_url")
        url = record.get("status_callback") or general
        return [Post(wire.render_form(describe_status(channel, report, record)), url)] if url else []

    def sign(self, channel: Channel, url: str, body: bytes) -> dict[str, str]:
        token = channel.credentials["auth_token"]
        return {
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": wire.derive_sid("", body.decode(), url),
            "X-Twilio-Signature": wire.sign(token, url, wire.parse_form(body)),
        }

    def find_pause(self, attempt: Attempt, retries: Retries) -> float | None:
        return retries.first if attempt.failures <= wire.count_retries(attempt.url) else None


def describe_status(channel: Channel, report: Report, record: Mapping[str, Any]) -> dict[str, str]:
    word = name_status(report.status, report.failure.code if report.failure else None)
    to, service = str(record.get("to", "")), record.get("messaging_service_sid")
    return {
        "SmsSid": report.provider_id,
        "SmsStatus": word,
        "MessageStatus": word,
        "To": to,
        "MessageSid": report.provider_id,
        "AccountSid": wire.account_of(channel),
        "From": wire.number_address(channel.number),
        "ApiVersion": wire.VERSION,
        "ChannelPrefix": "whatsapp",
        "ChannelInstallSid": wire.sender_sid(channel),
        "ChannelToAddress": f"{to.removeprefix(wire.PREFIX)[:-4]}XXXX",
        "StructuredMessage": "true" if record.get("structured") else "false",
        **({"MessagingServiceSid": service} if service else {}),
        **({"EventType": EVENTS[word]} if word in EVENTS else {}),
        **describe_failure(report.failure),
    }


def describe_failure(failure: Failure | None) -> dict[str, str]:
    if failure is None:
        return {}
    return {"ErrorCode": str(failure.code), "ErrorMessage": failure.title, "ChannelStatusMessage": failure.title}


def name_status(status: str, code: int | None) -> str:
    """Twilio's word; it has none for a voice message that was listened to."""
    match status:
        case "failed":
            return "failed" if code in FAILED_AT_ONCE else "undelivered"
        case "played":
            return "read"
        case _:
            return status
