"""Messages that came in: of a person, or echoes of what the business wrote elsewhere."""

from typing import NamedTuple
from uuid import UUID

from hailgate.core.events import EchoedMessage, InboundMessage
from hailgate.messaging.inbound.arrivals import HookChannel
from hailgate.messaging.people.conversations import Open


class Incoming(NamedTuple):
    """``webhook`` is what told it, and ``webhook_id`` its row."""

    channel: HookChannel
    event: InboundMessage
    uid: UUID
    webhook: UUID
    webhook_id: int

    @property
    def is_echo(self) -> bool:
        return isinstance(self.event, EchoedMessage)

    def written_at(self, moment: float) -> float:
        """The provider's time, which opens the service window; never later than now, and now where it is missing."""
        return float(min(self.event.at, moment)) if self.event.at > 0 else moment


class StoredInbound(NamedTuple):
    """One that is stored: in which conversation, and the id of its row."""

    incoming: Incoming
    conversation: Open
    id: int

    @property
    def channel(self) -> HookChannel:
        return self.incoming.channel

    @property
    def event(self) -> InboundMessage:
        return self.incoming.event

    @property
    def is_echo(self) -> bool:
        return self.incoming.is_echo
