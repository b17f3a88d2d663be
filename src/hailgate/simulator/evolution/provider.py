"""Evolution API.

* A number that begins with 999 (no country has it) or a phone marked unreachable is not on WhatsApp: refused, 400.
* There is no window. Statuses are SERVER_ACK, DELIVERY_ACK, READ, PLAYED. Each event is told by itself: every twelfth
  message is a moment late, so their order is not kept.
* A webhook that fails is called again up to ten times, five times as far apart as the simulator's pauses, unless it
  was answered with 400, 401, 403, 404 or 422.
* What happens while the phone is linked and the connection lost comes when it is back.
"""

import random
import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from hailgate.simulator import phone_messages
from hailgate.simulator.evolution import wire
from hailgate.simulator.evolution.content import add_reaction_key, render_content
from hailgate.simulator.model import (
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
from hailgate.simulator.outbox import enqueue
from hailgate.simulator.qrcodes import new_code, render_png
from hailgate.simulator.sessions import Session, SessionBook, check_start

NOWHERE = "999"  # no country has this prefix
MAX_CODES = 30
ATTEMPTS = 10
SLOWER = 5  # times the simulator's own pauses
FINAL = frozenset({400, 401, 403, 404, 422})
LATE = 12  # every so manieth event is late
LATE_S = 0.1
WORDS = {"sent": "SERVER_ACK", "delivered": "DELIVERY_ACK", "read": "READ", "played": "PLAYED", "failed": "ERROR"}
SILENT = frozenset({"unsupported", "system", "user_preferences", "order"})  # what makes no webhook
DEFAULT_WEBHOOK: Mapping[str, Any] = {"enabled": True, "byEvents": False, "base64": False, "events": []}


class Evolution:
    name = "evolution"
    identity = "instance"
    patience_s = 30.0
    keeps_for_later = True
    code_life_s = 20.0

    def __init__(self, window_s: float | None = None) -> None:  # noqa: ARG002 - there is none
        self.channels: dict[str, Channel] = {}
        self.sessions = SessionBook(self.name, wire.name_of)
        self._events = 0
        self._dice = random.Random(12)  # noqa: S311 - repeatable

    def check_credentials(self, credentials: Mapping[str, str]) -> None:
        given = msgspec.convert(credentials, wire.Credentials)
        check_start(given.starts)
        if given.version not in wire.VERSIONS:
            raise ValueError(f"`version` is one of: {', '.join(wire.VERSIONS)}.")

    def adopt(self, channels: Sequence[Channel]) -> None:
        self.channels = {wire.name_of(channel): channel for channel in channels}

    def prepare(self, db: sqlite3.Connection) -> None:
        self.sessions.load(db, list(self.channels.values()))

    def check_inbound(self, message: Mapping[str, Any]) -> None:
        phone_messages.check_inbound(message)
        if not str(message.get("group_id", "@g.us")).endswith("@g.us"):
            raise ValueError("`message.group_id` is a group's JID, such as 120363000000000001@g.us.")

    def new_id(self, message: Mapping[str, Any], phone: Phone) -> str:  # noqa: ARG002 - says nothing of who
        return wire.new_id(from_me=False)

    def wants_content(self, channel: Channel) -> bool:
        return self.webhook_of(channel).get("base64") is True

    def judge(self, send: Send, standing: Standing, now: float) -> Failure | None:  # noqa: ARG002 - no window
        return None

    def find_statuses(self, send: Send, phone: Phone) -> Sequence[str]:  # noqa: ARG002 - all kinds alike
        return ["sent", "delivered"] if phone.online else ["sent"]

    def make_record(self, channel: Channel, inbound: Inbound) -> Mapping[str, Any]:
        own = inbound.from_business
        data = self.describe(channel, replace(inbound, content=b""), "SERVER_ACK" if own else "DELIVERY_ACK")
        return {**data, "file": inbound.file.id if inbound.file else None}

    # --- events -------------------------------------------------------------------------------------------------------

    def render_inbound(self, channel: Channel, inbound: Inbound) -> Sequence[Post]:
        kind = inbound.message["type"]
        if kind in SILENT:
            return []
        special = {"edit": self._render_edit, "revoke": self._render_revoke, "call": self._render_call}
        if kind in special:
            return special[kind](channel, inbound)
        if kind == "poll_vote":
            return self._render_vote(channel, inbound)
        data = self.describe(channel, inbound, "DELIVERY_ACK")
        chat = {"remoteJid": data["key"]["remoteJid"], "instanceId": data["instanceId"], "unreadMessages": 1}
        upsert = self.post(channel, "messages.upsert", data, inbound.at, late=self._is_late())
        return [*upsert, *self.post(channel, "chats.update", [chat], inbound.at)]

    def render_own(self, channel: Channel, inbound: Inbound) -> Sequence[Post]:
        data = self.describe(channel, inbound, "SERVER_ACK")
        return self.post(channel, "messages.upsert", data, inbound.at)

    def render_echo(self, send: Send) -> Sequence[Post]:
        data = {name: value for name, value in (send.record or {}).items() if name != "file"}
        return self.post(send.channel, "send.message", data, data["messageTimestamp"])

    def render_status(self, channel: Channel, report: Report) -> Sequence[Post]:
        record = report.record or {}
        key = record.get("key") or wire.make_key(report.phone, report.provider_id, from_me=True)
        data = {
            "messageId": wire.database_id(report.provider_id),
            "keyId": report.provider_id,
            "remoteJid": key["remoteJid"],
            "fromMe": True,
            "status": WORDS[report.status],
            "instanceId": wire.instance_id(wire.name_of(channel)),
            **({"participant": wire.jid_of(report.phone)} if report.group else {}),
        }
        return self.post(channel, "messages.update", data, report.at)

    def describe(self, channel: Channel, inbound: Inbound, status: str) -> dict[str, Any]:
        """The data of messages.upsert."""
        message, own = inbound.message, inbound.from_business
        key = wire.make_key(inbound.phone, inbound.provider_id, from_me=own, group=message.get("group_id"))
        author = wire.jid_of(inbound.phone) if own else wire.user_jid(channel.number)
        said = render_content(message, inbound.file, at=inbound.at, author=author, content=inbound.content)
        said = add_reaction_key(said, key, target_from_me=not own, at=inbound.at)
        return {
            "key": key,
            "pushName": "Você" if own else inbound.phone.name,
            "status": status,
            "message": said.message,
            **({"contextInfo": said.context} if said.context else {}),
            "messageType": said.kind,
            "messageTimestamp": int(inbound.at),
            "instanceId": wire.instance_id(wire.name_of(channel)),
            "source": "android" if own else "ios",
        }

    def _render_edit(self, channel: Channel, inbound: Inbound) -> Sequence[Post]:
        edit = inbound.message["edit"]
        key = wire.make_key(inbound.phone, edit["original_message_id"], from_me=False)
        text = edit["message"].get(edit["message"]["type"], {})
        stamp = wire.as_long(inbound.at * 1000, unsigned=False)
        edited = {"conversation": text.get("body") or text.get("caption") or ""}
        data = {"key": key, "type": "MESSAGE_EDIT", "editedMessage": edited, "timestampMs": stamp}
        return self.post(channel, "messages.edited", data, inbound.at)

    def _render_revoke(self, channel: Channel, inbound: Inbound) -> Sequence[Post]:
        key = wire.make_key(inbound.phone, inbound.message["revoke"]["original_message_id"], from_me=False)
        return self.post(channel, "messages.delete", key, inbound.at)

    def _render_call(self, channel: Channel, inbound: Inbound) -> Sequence[Post]:
        jid = wire.jid_of(inbound.phone)
        status = "offer" if inbound.message["call"]["event"] == "connect" else "terminate"
        data = {"chatId": jid, "from": jid, "id": inbound.provider_id, "offline": False, "status": status}
        return self.post(channel, "call", {**data, "isVideo": False, "isGroup": False}, inbound.at)

    def _render_vote(self, channel: Channel, inbound: Inbound) -> Sequence[Post]:
        """2.4 reads a vote where it comes in; before that the poll is updated."""
        vote, jid = inbound.message["poll_vote"], wire.jid_of(inbound.phone)
        if wire.is_newer(channel):
            told = self.describe(channel, inbound, "DELIVERY_ACK")
            told["message"]["pollUpdateMessage"]["vote"]["selectedOptions"] = vote["options"]
            told["pollUpdates"] = [{"name": option, "voters": [jid]} for option in vote["options"]]
            return self.post(channel, "messages.upsert", told, inbound.at)
        data = {
            "messageId": wire.database_id(vote["message_id"]),
            "keyId": vote["message_id"],
            "remoteJid": inbound.message.get("group_id", jid),
            "fromMe": True,
            "status": "DELETED",
            "pollUpdates": [{"name": option, "voters": [jid]} for option in vote["options"]],
            "instanceId": wire.instance_id(wire.name_of(channel)),
        }
        return self.post(channel, "messages.update", data, inbound.at)

    def _is_late(self) -> bool:
        self._events += 1
        return self._events % LATE == 0

    def webhook_of(self, channel: Channel) -> Mapping[str, Any]:
        """As webhook/set left it; before that, the address and key that the server was started with."""
        key = channel.credentials.get("jwt_key")
        started = {"url": channel.webhook_url, "headers": {"jwt_key": key} if key else {}}
        return {**DEFAULT_WEBHOOK, **started, **self.sessions.of(channel).webhook}

    def post(self, channel: Channel, event: str, data: Any, now: float, *, late: bool = False) -> list[Post]:
        """One webhook call, if the instance's webhook wants this event."""
        webhook = self.webhook_of(channel)
        if not webhook["enabled"] or (webhook["events"] and wire.event_name(event) not in webhook["events"]):
            return []
        url = str(webhook["url"])
        if webhook["byEvents"]:
            url = f"{url.rstrip('/')}/{event.replace('.', '-')}"
        sender = self.sessions.of(channel).paired_as
        body = wire.render_envelope(channel, event, data, url=url, sender=sender, now=now)
        return [Post(body, url, LATE_S if late else 0.0)]

    def sign(self, channel: Channel, url: str, body: bytes) -> dict[str, str]:  # noqa: ARG002 - none covers the body
        headers = {str(name): str(value) for name, value in (self.webhook_of(channel).get("headers") or {}).items()}
        if key := headers.pop("jwt_key", None):
            headers["Authorization"] = f"Bearer {wire.make_jwt(key, time.time())}"
        newer = self._name_event(channel, body) if wire.is_newer(channel) else {}
        return {"Content-Type": "application/json", "User-Agent": "axios/1.7.9", **newer, **headers}

    def _name_event(self, channel: Channel, body: bytes) -> dict[str, str]:
        return {
            "X-Instance-ID": wire.instance_id(wire.name_of(channel)),
            "X-Instance-Name": wire.name_of(channel),
            "X-Event-Type": str(msgspec.json.decode(body, type=Envelope).event),
            "X-Timestamp": str(int(time.time() * 1000)),
        }

    def find_pause(self, attempt: Attempt, retries: Retries) -> float | None:
        if attempt.status in FINAL or attempt.failures >= ATTEMPTS:
            return None
        return SLOWER * retries.pause(attempt.failures) * self._dice.uniform(0.8, 1.2)

    # --- sessions -----------------------------------------------------------------------------------------------------

    def begin(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session:
        if session.paired_as:
            self.tell(db, channel, "connection.update", describe_state(session, "connecting"))
            return self.restore(db, channel, session)
        return self._show(db, channel, replace(session, shown=0))

    def _show(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session:
        shown = replace(session, state="code", code=new_code(), shown=session.shown + 1, hung=False)
        self.tell(db, channel, "connection.update", describe_state(session, "connecting"))
        self.tell(db, channel, "qrcode.updated", {"qrcode": {"instance": session.name, **describe_code(shown)}})
        return shown

    def renew_code(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session:
        if session.shown < MAX_CODES:
            return self._show(db, channel, session)
        limit = {"message": "QR code limit reached, please login again", "statusCode": 500}
        self.tell(db, channel, "qrcode.updated", limit)
        nobody = {"wuid": None, "profileName": None, "profilePictureUrl": None}
        refused = {"instance": session.name, "state": "refused", "statusReason": 428, **nobody}
        self.tell(db, channel, "connection.update", refused)
        return replace(session, state="closed", code="", pairing_code="")

    def scan(self, db: sqlite3.Connection, channel: Channel, session: Session, phone: str) -> Session:
        paired = replace(session, paired_as=phone, code="", pairing_code="", shown=0)
        return self.restore(db, channel, paired)

    def restore(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session:
        who = {"wuid": wire.user_jid(session.paired_as), "profileName": "Simulated Business", "profilePictureUrl": None}
        opened = {"instance": session.name, **who, "state": "open", "statusReason": 200}
        self.tell(db, channel, "connection.update", opened)
        return replace(session, state="open")

    def drop(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session:
        self.tell(db, channel, "connection.update", describe_state(session, "close", 428))
        self.tell(db, channel, "connection.update", describe_state(session, "connecting"))
        return replace(session, state="starting")

    def unlink(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session:
        self.tell(db, channel, "connection.update", describe_state(session, "close", 401))
        closed = {"instance": session.name, "status": "closed", "disconnectionReasonCode": 401}
        detail = {"disconnectionObject": '{"error":{"output":{"statusCode":401}}}'}
        self.tell(db, channel, "status.instance", {**closed, **detail})
        self.tell(db, channel, "logout.instance", None)
        return replace(session, state="closed", paired_as="", code="", pairing_code="")

    def tell(self, db: sqlite3.Connection, channel: Channel, event: str, data: Any) -> None:
        """Told whatever the session's state is; in the order of the telling."""
        now = time.time()
        for post in self.post(channel, event, data, now):
            enqueue(db, channel.number, "session", post, now=now)


class Envelope(msgspec.Struct):
    event: str


def describe_state(session: Session, state: str, reason: int = 200) -> dict[str, Any]:
    return {"instance": session.name, "state": state, "statusReason": reason}


def describe_code(session: Session) -> dict[str, Any]:
    png = render_png(session.code)
    return {
        "pairingCode": session.pairing_code or None,
        "code": session.code,
        "base64": f"data:image/png;base64,{png}",
    }
