"""Optional abilities of a connected channel: small protocols found with `isinstance`.

A provider that is paired with a phone, one that can be asked what it sent, one that can be asked what came in, one
that can be told where to post.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol, runtime_checkable

from msgspec import Struct

from hailgate.core.evidence import Findings
from hailgate.core.sessions import SessionReport
from hailgate.providers.contract import OutboundMessage


@runtime_checkable
class PairsSession(Protocol):
    """Each call answers how the session stands afterwards. All may be repeated; all raise SendError."""

    async def session_state(self) -> SessionReport:
        """Ask, without changing anything."""

    async def start_session(self, *, phone: str | None = None) -> SessionReport:
        """Bring it up. With `phone` (digits) the code is one to type on that phone, without it a QR code."""

    async def end_session(self) -> SessionReport:
        """Close it and keep the login: the next start needs no phone."""

    async def log_out(self) -> SessionReport:
        """Close it and forget the login."""


@runtime_checkable
class DeletesSession(Protocol):
    """Of a server that keeps more of a session than its login."""

    async def delete_session(self) -> SessionReport:
        """Log out and leave nothing: the next start makes it anew. May be repeated; raises SendError."""


class Sought(Struct, frozen=True, kw_only=True):
    """A message whose outcome is unknown: its last attempt began at `attempted_at`.

    `open_since` is when its session came to be open, 0.0 for a channel without one. `known` are the provider's ids of
    our other messages in that conversation: none of them can be this one.
    """

    message: OutboundMessage
    attempted_at: float
    open_since: float = 0.0
    known: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"<Sought {self.message.tracker}>"


@runtime_checkable
class FindsSent(Protocol):
    async def find_sent(self, sought: Sought) -> Findings:
        """Look once at what the provider says that it sent. Harmless to repeat; raises SendError."""


class HookPlace(StrEnum):
    """Where a provider posts what comes in for a channel."""

    OURS = "ours"
    ANOTHERS = "anothers"
    """At another address, which was left as it is."""
    UNKNOWN = "unknown"
    """The account does not show this channel's number."""


@runtime_checkable
class RegistersHook(Protocol):
    async def register_hook(self, *, take_over: bool) -> HookPlace:
        """Let the provider post to the connection's `hook_url`; away from another address only with `take_over`.

        Harmless to repeat; raises SendError.
        """


@runtime_checkable
class HoldsToken(Protocol):
    """Calls bear a token that the provider's server made of the settings; it is derived, and kept sealed."""

    async def validate_token(self) -> bool:
        """Whether there is one and the server takes it. Raises SendError where nobody can say."""

    async def generate_token(self) -> None:
        """Have another one made and kept. Harmless to repeat; raises SendError."""


class InboundPage(Struct, frozen=True):
    """`webhooks` are bodies as the provider's webhooks would have been; `after` leads on, None on the last page."""

    webhooks: Sequence[bytes]
    after: str | None = None

    def __repr__(self) -> str:
        return f"<InboundPage of {len(self.webhooks)}>"


@runtime_checkable
class PollsInbound(Protocol):
    async def poll_inbound(self, since: float, after: str | None = None) -> InboundPage:
        """One page of what came in at or after `since`, whether or not a webhook told it. Raises SendError."""
