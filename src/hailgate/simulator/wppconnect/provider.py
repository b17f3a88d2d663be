"""WPPConnect Server.

* A number that begins with 999 (no country has it) or a phone marked unreachable is not on WhatsApp: 400, and the
  server goes on with the other numbers of the call all the same.
* There is no window. Acks are 1 (server), 2 (device), 3 (read), 4 (played).
* Webhooks carry no proof, are called once, and what fails is lost; so is what happens while no session is connected.
* A text with `decrypts_late: SECONDS` comes as ciphertext first, and then again, with the same id, as it is.
"""

import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from hailgate.simulator import phone_messages, records
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
from hailgate.simulator.wppconnect import wire
from hailgate.simulator.wppconnect.content import Head, render_message

NOWHERE = "999"  # no country has this prefix
MAX_CODES = 3  # 60 s, after which the browser is closed
ACKS = {"sent": 1, "delivered": 2, "read": 3, "played": 4, "failed": -1}
SILENT = frozenset({"edit", "system", "user_preferences", "order"})  # what makes no webhook


class WppConnect:
    name = "wppconnect"
    identity = "session"
    patience_s = 60.0
    keeps_for_later = False
    code_life_s = 20.0

    def __init__(self, window_s: float | None = None) -> None:  # noqa: ARG002 - there is none
        self.channels: dict[str, Channel] = {}
        self.sessions = SessionBook(self.name, wire.name_of)

    def check_credentials(self, credentials: Mapping[str, str]) -> None:
        given = msgspec.convert(credentials, wire.Credentials)
        check_start(given.starts)
        if len((given.session + given.secret_key).encode()) > wire.BCRYPT_SEES:
            raise ValueError(f"`session` and `secret_key` together have at most {wire.BCRYPT_SEES} bytes.")

    def adopt(self, channels: Sequence[Channel]) -> None:
        self.channels = {wire.name_of(channel): channel for channel in channels}

    def prepare(self, db: sqlite3.Connection) -> None:
        self.sessions.load(db, list(self.channels.values()))

    def check_inbound(self, message: Mapping[str, Any]) -> None:
        phone_messages.check_inbound(message)
        if not str(message.get("group_id", "@g.us")).endswith("@g.us"):
            raise ValueError("`message.group_id` is a group's id, such as 120363000000000001@g.us.")

    def new_id(self, message: Mapping[str, Any], phone: Phone) -> str:
        group = message.get("group_id")
        if group:
            return wire.make_id(str(group), from_me=False, participant=wire.chat_of(phone))
        return wire.make_id(wire.chat_of(phone), from_me=False)

    def wants_content(self, channel: Channel) -> bool:
        return wire.has(channel, "auto_download")

    def judge(self, send: Send, standing: Standing, now: float) -> Failure | None:  # noqa: ARG002 - no window
        return None

    def find_statuses(self, send: Send, phone: Phone) -> Sequence[str]:  # noqa: ARG002 - all kinds alike
        return ["sent", "delivered"] if phone.online else ["sent"]

    def make_record(self, channel: Channel, inbound: Inbound) -> Mapping[str, Any]:
        """With the id of its file, but not its bytes."""
        told = self.describe(channel, replace(inbound, content=b""))
        return {**told, "file": inbound.file.id if inbound.file else None}

    # --- events -------------------------------------------------------------------------------------------------------

    def render_inbound(self, channel: Channel, inbound: Inbound) -> Sequence[Post]:
        kind = inbound.message["type"]
        if kind in SILENT:
            return []
        render = SPECIAL.get(kind)
        if render:
            event, fields = render(channel, inbound)
            return self.post(channel, event, fields)
        told = self.describe(channel, inbound)
        late = float(inbound.message.get("decrypts_late", 0))
        if not late:
            return self.post(channel, "onmessage", told)
        unread = {**told, "type": "ciphertext", "body": "", "content": ""}
        later = [replace(post, pause=late) for post in self.post(channel, "onmessage", told)]
        return [*self.post(channel, "onmessage", unread), *later]

    def render_own(self, channel: Channel, inbound: Inbound) -> Sequence[Post]:
        told = self.describe(channel, inbound)
        return self.post(channel, "onselfmessage", told) if wire.has(channel, "on_self_message") else []

    def render_echo(self, send: Send) -> Sequence[Post]:
        told = {name: value for name, value in (send.record or {}).items() if name != "file"}
        return self.post(send.channel, "onselfmessage", told) if wire.has(send.channel, "on_self_message") else []

    def render_status(self, channel: Channel, report: Report) -> Sequence[Post]:
        known = {name: value for name, value in (report.record or {}).items() if name in ACK_FIELDS}
        whole = {**known, "id": wire.split_id(report.provider_id), "ack": ACKS[report.status]}
        return self.post(channel, "onack", whole)

    def describe(self, channel: Channel, inbound: Inbound) -> dict[str, Any]:
        own, group = inbound.from_business, inbound.message.get("group_id")
        chat = str(group) if group else wire.chat_of(inbound.phone)
        author = wire.chat_of(inbound.phone) if group and not own else None
        head = Head(inbound.provider_id, chat, channel.number, own, inbound.phone.name, inbound.at, author=author)
        return render_message(head, inbound.message, inbound.file, inbound.content)

    def post(self, channel: Channel, event: str, fields: Mapping[str, Any]) -> list[Post]:
        url = self.sessions.of(channel).webhook.get("url") or channel.webhook_url
        return [Post(wire.render_event(channel, event, fields), str(url))]

    def sign(self, channel: Channel, url: str, body: bytes) -> dict[str, str]:  # noqa: ARG002 - it proves nothing
        return {"Content-Type": "application/json", "User-Agent": "axios/1.7.9"}

    def find_pause(self, attempt: Attempt, retries: Retries) -> float | None:  # noqa: ARG002 - one attempt
        return None

    # --- sessions -----------------------------------------------------------------------------------------------------

    def begin(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session:
        if session.paired_as:
            self.tell(db, channel, "status-find", {"status": "isLogged"})
            return self.restore(db, channel, session)
        shown = self._show(db, channel, replace(session, shown=0))
        self.tell(db, channel, "status-find", {"status": "notLogged"})
        return shown

    def _show(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session:
        shown = replace(session, state="code", code=new_code(), shown=session.shown + 1, hung=False)
        if shown.pairing_code:
            self.tell(db, channel, "phoneCode", {"phoneCode": shown.pairing_code, "phone": session.number})
        else:
            self.tell(db, channel, "qrcode", {"qrcode": render_png(shown.code), "urlcode": shown.code})
        return shown

    def renew_code(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session:
        if session.shown < MAX_CODES:
            return self._show(db, channel, session)
        for status in ("autocloseCalled", "browserClose"):
            self.tell(db, channel, "status-find", {"status": status})
        return replace(session, state="closed", code="", pairing_code="")

    def scan(self, db: sqlite3.Connection, channel: Channel, session: Session, phone: str) -> Session:
        """No event says that it is connected, and the code that was scanned goes on being shown."""
        self.tell(db, channel, "status-find", {"status": "qrReadSuccess"})
        return replace(session, state="open", paired_as=phone, pairing_code="")

    def restore(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session:
        self.tell(db, channel, "status-find", {"status": "inChat"})
        if wire.has(channel, "all_unread_on_start"):
            for record in records.list_unheard(db, channel.number):
                told = {name: value for name, value in record.content.items() if name != "file"}
                self.tell(db, channel, "unreadmessages", told)
        return replace(session, state="open", hung=False)

    def drop(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session:
        self.tell(db, channel, "status-find", {"status": "phoneNotConnected"})
        return replace(session, state="starting")

    def unlink(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session:
        for status in ("disconnectedMobile", "browserClose"):
            self.tell(db, channel, "status-find", {"status": status})
        return replace(session, state="closed", paired_as="", code="", pairing_code="")

    def close(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session:
        """The browser ends, the login stays. One that hangs says nothing."""
        if session.state == "open":
            self.tell(db, channel, "status-find", {"status": "browserClose"})
            message = f"Session: {session.name} disconnected"
            self.tell(db, channel, "closesession", {"message": message, "connected": False})
        return replace(session, state="closed", code="", pairing_code="", hung=False)

    def log_out(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session:
        message = f"Session: {session.name} logged out"
        self.tell(db, channel, "logoutsession", {"message": message, "connected": False})
        return replace(session, state="closed", paired_as="", code="", pairing_code="", hung=False)

    def hang(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session:  # noqa: ARG002 - silently
        return replace(session, state="starting", hung=True)

    def tell(self, db: sqlite3.Connection, channel: Channel, event: str, fields: Mapping[str, Any]) -> None:
        """Told whatever the session's state is; in the order of the telling."""
        for post in self.post(channel, event, fields):
            enqueue(db, channel.number, "session", post, now=time.time())


ACK_FIELDS = frozenset({"body", "type", "t", "from", "to", "self", "isNewMsg", "mentionedJidList", "isForwarded"})


def render_reaction(channel: Channel, inbound: Inbound) -> tuple[str, dict[str, Any]]:  # noqa: ARG001 - as its siblings
    reaction = inbound.message["reaction"]
    target = wire.split_id(str(reaction["message_id"]))
    fields = {"reactionText": reaction.get("emoji", ""), "read": False, "orphan": 0, "orphanReason": None}
    ids = {"id": wire.split_id(inbound.provider_id), "msgId": target}
    return "onreactionmessage", {**ids, **fields, "timestamp": int(inbound.at)}


def render_revoke(channel: Channel, inbound: Inbound) -> tuple[str, dict[str, Any]]:
    author, own = wire.as_wid(wire.chat_of(inbound.phone)), wire.as_wid(wire.user_id(channel.number))
    target = inbound.message["revoke"]["original_message_id"]
    return "onrevokedmessage", {"author": author, "from": author, "to": own, "id": inbound.provider_id, "refId": target}


def render_call(channel: Channel, inbound: Inbound) -> tuple[str, dict[str, Any]]:  # noqa: ARG001 - as its siblings
    fields = {"isVideo": False, "isGroup": False, "canHandleLocally": False, "outgoing": False}
    peer = {"id": inbound.provider_id, "peerJid": wire.chat_of(inbound.phone), "offerTime": int(inbound.at)}
    return "incomingcall", {**peer, **fields, "webClientShouldHandle": False}


def render_vote(channel: Channel, inbound: Inbound) -> tuple[str, dict[str, Any]]:  # noqa: ARG001 - as its siblings
    vote, person = inbound.message["poll_vote"], wire.chat_of(inbound.phone)
    chat = inbound.message.get("group_id", person)
    options = [{"name": name, "localId": index} for index, name in enumerate(vote["options"])]
    poll = {"msgId": wire.split_id(str(vote["message_id"])), "chatId": chat, "selectedOptions": options}
    return "onpollresponse", {**poll, "timestamp": int(inbound.at * 1000), "sender": person}


SPECIAL = {"reaction": render_reaction, "revoke": render_revoke, "call": render_call, "poll_vote": render_vote}
