"""What the simulator needs to know of one provider, and the abilities that only some have.

A further provider is one package beside `cloud` and one line in `providers.py`. It says nothing of HTTP here: its
endpoints are routes that `providers.py` collects.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import aiohttp

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
from hailgate.simulator.sessions import Session, SessionBook


class Provider(Protocol):
    """`identity` is the credential that no two channels may share; empty where they may share all.

    `patience_s`: how long it waits for the answer of a webhook.
    """

    name: str
    identity: str
    patience_s: float

    def check_credentials(self, credentials: Mapping[str, str]) -> None:
        """Raises ValueError with a sentence that names the field."""
        ...

    def adopt(self, channels: Sequence[Channel]) -> None:
        """Called with all its channels at start and whenever they change."""
        ...

    def check_inbound(self, message: Mapping[str, Any]) -> None:
        """Raises ValueError for what a phone cannot send."""
        ...

    def new_id(self, message: Mapping[str, Any], phone: Phone) -> str:
        """The id under which the business will know what this person sends."""
        ...

    def judge(self, send: Send, standing: Standing, now: float) -> Failure | None:
        """Whether an accepted message fails on its way to one person, and why."""
        ...

    def find_statuses(self, send: Send, phone: Phone) -> Sequence[str]:
        """What the business is told of a message that arrives."""
        ...

    def render_inbound(self, channel: Channel, inbound: Inbound) -> Sequence[Post]: ...

    def render_status(self, channel: Channel, report: Report) -> Sequence[Post]: ...

    def sign(self, channel: Channel, url: str, body: bytes) -> dict[str, str]:
        """The headers of one webhook call."""
        ...

    def find_pause(self, attempt: Attempt, retries: Retries) -> float | None:
        """Seconds until a webhook that failed is called again; None gives it up."""
        ...


@runtime_checkable
class ShakesHands(Protocol):
    """Webhook addresses are verified by a call of the provider's."""

    async def shake_hands(self, channel: Channel, session: aiohttp.ClientSession) -> dict[str, Any]: ...


@runtime_checkable
class HearsWishes(Protocol):
    """People can say by a message that they want no marketing, or no message at all."""

    def find_marketing_wish(self, channel: Channel, message: Mapping[str, Any]) -> bool | None:
        """True or False when the person says whether it is welcome."""
        ...


@runtime_checkable
class WritesFiles(Protocol):
    """Some messages of people become files of the provider's making."""

    def write_file(self, message: Mapping[str, Any]) -> tuple[str, bytes] | None:
        """Type and content."""
        ...


@runtime_checkable
class KeepsRecords(Protocol):
    """Businesses can look messages up."""

    def make_record(self, channel: Channel, inbound: Inbound) -> Mapping[str, Any]:
        """What a look-up shows of what a person sent."""
        ...


@runtime_checkable
class StartsWithExamples(Protocol):
    """Templates and the like, there from the first day."""

    def prepare(self, db: sqlite3.Connection) -> None:
        """Called after `adopt` and after a reset."""
        ...


@runtime_checkable
class InlinesFiles(Protocol):
    """The bytes of files stand in the webhook."""

    def wants_content(self, channel: Channel) -> bool: ...


@runtime_checkable
class EchoesSends(Protocol):
    """The business hears of its own messages: those of the API, and those that somebody types on its phone."""

    def render_echo(self, send: Send) -> Sequence[Post]: ...

    def render_own(self, channel: Channel, inbound: Inbound) -> Sequence[Post]:
        """`inbound.phone` is who gets it."""
        ...


@runtime_checkable
class PairsSessions(Protocol):
    """A phone is linked to a server by a code. Each act takes the session as it is and gives what it becomes.

    `keeps_for_later`: what happens while the connection is lost is told when it is back. `code_life_s`: of one code.
    """

    name: str
    sessions: SessionBook
    keeps_for_later: bool
    code_life_s: float

    def begin(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session:
        """Shows a code, or connects a phone that is linked."""
        ...

    def scan(self, db: sqlite3.Connection, channel: Channel, session: Session, phone: str) -> Session: ...

    def unlink(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session:
        """Logged out on the phone."""
        ...

    def drop(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session:
        """The connection is lost; the phone stays linked."""
        ...

    def restore(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session: ...

    def renew_code(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session: ...


@runtime_checkable
class HangsSessions(Protocol):
    """A session can be starting for ever."""

    def hang(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session: ...
