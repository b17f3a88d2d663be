"""Meta's WhatsApp Cloud API.

What is delivered, and what is not:

* A number that begins with 999 (no country has it) or a phone marked unreachable: the send is accepted, then
  a `failed` status says 131026.
* The person did not write to this business number within 24 hours: a send that is no template is accepted, then
  `failed` says 131047, as Meta does. `window_s` None switches the window off.
* Marketing for a person who stopped it: 131050. A reaction to what is not in the chat: 131009. Media of the wrong
  type, or a link to a host under `.invalid`: 131053. No link is ever fetched: the phone shows its address.
* An offline phone: `sent` at once, `delivered` when it is back.
"""

import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import msgspec

from hailgate.simulator import phone_messages
from hailgate.simulator.cloud import inbound, library, wire
from hailgate.simulator.cloud.errors import MARKETING_STOPPED, NO_SUCH_MESSAGE, UNDELIVERABLE, WINDOW_CLOSED
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

NOWHERE = "999"  # no country has this prefix
USER_AGENT = "facebookexternalua"  # Meta's


class Cloud:
    name = "cloud"
    identity = "phone_number_id"
    patience_s = 10.0

    def __init__(self, window_s: float | None = WINDOW_S) -> None:
        self._window_s = window_s
        self.channels: dict[str, Channel] = {}

    def check_credentials(self, credentials: Mapping[str, str]) -> None:
        msgspec.convert(credentials, wire.Credentials)

    def adopt(self, channels: Sequence[Channel]) -> None:
        self.channels = {channel.credentials["phone_number_id"]: channel for channel in channels}

    def prepare(self, db: sqlite3.Connection) -> None:
        library.ensure_examples(db, sorted({wire.account_of(channel) for channel in self.channels.values()}))

    def list_webhook_channels(self, account: str) -> list[Channel]:
        """A channel for each address that is told of this account: one app has one address for all its numbers."""
        by_url = {c.webhook_url: c for c in self.channels.values() if wire.account_of(c) == account}
        return list(by_url.values())

    def check_inbound(self, message: Mapping[str, Any]) -> None:
        phone_messages.check_inbound(message)

    def new_id(self, message: Mapping[str, Any], phone: Phone) -> str:  # noqa: ARG002 - says nothing of who
        return wire.new_wacid() if message["type"] == "call" else wire.new_wamid()

    def judge(self, send: Send, standing: Standing, now: float) -> Failure | None:
        phone = standing.phone
        if not phone.reachable or phone.number.startswith(NOWHERE):
            return UNDELIVERABLE
        if not standing.knows_target:
            return NO_SUCH_MESSAGE
        if send.category is not None:
            return MARKETING_STOPPED if standing.refuses_marketing else None
        if self._window_s is None or send.group:
            return None
        opened_at = standing.window_opened_at
        return None if opened_at is not None and now < opened_at + self._window_s else WINDOW_CLOSED

    def find_statuses(self, send: Send, phone: Phone) -> Sequence[str]:
        """Of a reaction Meta says that it was sent, and no more."""
        return ["sent", "delivered"] if phone.online and send.message["type"] != "reaction" else ["sent"]

    def find_marketing_wish(self, channel: Channel, message: Mapping[str, Any]) -> bool | None:  # noqa: ARG002 - all
        return inbound.find_marketing_wish(message)

    def render_inbound(self, channel: Channel, inbound_: Inbound) -> Sequence[Post]:
        return [Post(inbound.render_inbound(channel, inbound_))]

    def render_status(self, channel: Channel, report: Report) -> Sequence[Post]:
        return [Post(wire.render_status(channel, report))]

    def find_pause(self, attempt: Attempt, retries: Retries) -> float | None:
        """Whatever was answered, Meta calls again, more and more seldom."""
        return retries.pause(attempt.failures)

    def sign(self, channel: Channel, url: str, body: bytes) -> dict[str, str]:  # noqa: ARG002 - the body alone
        return {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "x-hub-signature-256": wire.sign(channel.credentials["app_secret"], body),
        }

    async def shake_hands(self, channel: Channel, session: aiohttp.ClientSession) -> dict[str, Any]:
        """Meta's check of a webhook address: does it know the verify token and give the challenge back?"""
        challenge = str(secrets.randbelow(10**10))
        query = {
            "hub.mode": "subscribe",
            "hub.challenge": challenge,
            "hub.verify_token": channel.credentials["verify_token"],
        }
        headers = {"user-agent": USER_AGENT}
        async with session.get(channel.webhook_url, params=query, headers=headers) as answer:
            body = await answer.content.read(1024)
            return {"matched": answer.status == 200 and body == challenge.encode(), "status": answer.status}
