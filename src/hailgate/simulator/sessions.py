"""Phones linked to a server of the business's: what a session is, and where sessions are kept."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from hailgate.simulator import documents
from hailgate.simulator.model import Channel

State = Literal["absent", "closed", "starting", "code", "open"]
START_STATES: Mapping[str, State] = {"paired": "open", "unpaired": "closed", "absent": "absent"}
KIND = "session"  # of documents


class Session(msgspec.Struct, frozen=True):
    """`number` is the channel's, `paired_as` the number of the phone that scanned the code: empty while none has.

    absent: the server does not know it. closed: known and not running. starting: not connected, on its way to be.
    code: a code waits to be scanned. open: connected. `hung` never leaves starting by itself.
    `code` is the text of the QR code, `shown` how many there were; `webhook` and `settings` are the server's own.
    """

    provider: str
    name: str
    number: str
    state: State
    paired_as: str = ""
    code: str = ""
    shown: int = 0
    pairing_code: str = ""
    hung: bool = False
    webhook: dict[str, Any] = {}
    settings: dict[str, Any] = {}

    def describe(self) -> dict[str, Any]:
        """For the control API and the page."""
        return {
            "provider": self.provider,
            "number": self.number,
            "name": self.name,
            "state": self.state,
            "qr": self.code if self.state == "code" else None,
            "pairing_code": self.pairing_code or None,
            "paired_as": self.paired_as or None,
            "webhook_url": self.webhook.get("url"),
        }


class SessionBook:
    """One provider's sessions. Reads are from memory; `save` belongs into a change of the store."""

    def __init__(self, provider: str, name_of: Callable[[Channel], str]) -> None:
        self._provider = provider
        self._name_of = name_of
        self._sessions: dict[str, Session] = {}

    def load(self, db: sqlite3.Connection, channels: Sequence[Channel]) -> None:
        """Those that are known, and new ones for the other channels."""
        self._sessions = {session.name: session for session in (self._find_or_make(db, c) for c in channels)}

    def save(self, db: sqlite3.Connection, session: Session) -> Session:
        documents.put(db, KIND, f"{session.provider}/{session.name}", msgspec.to_builtins(session))
        self._sessions[session.name] = session
        return session

    def find(self, name: str) -> Session | None:
        return self._sessions.get(name)

    def of(self, channel: Channel) -> Session:
        """Of a channel that has just gone: one that is absent."""
        name = self._name_of(channel)
        return self._sessions.get(name) or Session(self._provider, name, channel.number, "absent")

    def list_all(self) -> list[Session]:
        return list(self._sessions.values())

    def _find_or_make(self, db: sqlite3.Connection, channel: Channel) -> Session:
        name = self._name_of(channel)
        if known := documents.find(db, KIND, f"{self._provider}/{name}"):
            return msgspec.structs.replace(msgspec.convert(known, Session), number=channel.number)
        state = START_STATES[channel.credentials.get("starts") or "paired"]
        paired_as = channel.number if state == "open" else ""
        return self.save(db, Session(self._provider, name, channel.number, state, paired_as))


def check_start(starts: str) -> None:
    """Raises ValueError."""
    if starts not in START_STATES:
        raise ValueError(f"`starts` is one of: {', '.join(START_STATES)}.")
