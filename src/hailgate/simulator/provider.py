"""What the simulator needs to know of one provider: how it judges, speaks and signs.

A further provider is one package beside `cloud` with such a class, and one line in `providers.py`.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from starlette.routing import BaseRoute

from hailgate.simulator.files import File

if TYPE_CHECKING:
    import aiohttp

    from hailgate.simulator.world import World


class Channel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A business number: where its provider posts, and the credentials its API asks for."""

    provider: str
    number: str
    webhook_url: str
    credentials: dict[str, str]


class Phone(msgspec.Struct, frozen=True):
    """A person's phone.

    reachable: WhatsApp can deliver to it at all. online: it takes messages now, not when it is back.
    read_receipts: businesses learn that a message was read. username: shown to businesses.
    hides_number: businesses see the user id alone. user_id: None for the one that follows from the number.
    """

    number: str
    name: str
    reachable: bool = True
    online: bool = True
    read_receipts: bool = True
    username: str | None = None
    hides_number: bool = False
    user_id: str | None = None


class Failure(msgspec.Struct, frozen=True):
    """Why a message that was accepted is not delivered, in the provider's own code and words."""

    code: int
    title: str
    details: str


class Send(msgspec.Struct, frozen=True):
    """A message that a business sends: `message` for the chat, `body` as it stands in the request.

    `group` when it goes to a group, whose id is then `to`. `category` of a template. `doom` is why it fails whoever
    it goes to.
    """

    channel: Channel
    to: str
    provider_id: str
    message: Mapping[str, Any]
    correlation: str | None
    body: bytes
    group: bool = False
    category: str | None = None
    doom: Failure | None = None


class Standing(msgspec.Struct, frozen=True):
    """What the simulator knows of a person and a business number when a message is judged.

    `knows_target`: the message that a reaction is for stands in the chat.
    """

    phone: Phone
    window_opened_at: float | None
    refuses_marketing: bool = False
    knows_target: bool = True


class Report(msgspec.Struct, frozen=True):
    """A status of one message, before it has a provider's shape.

    `group` is the one that it was sent to; `message` is known of statuses that follow the send.
    """

    provider_id: str
    status: str
    at: float
    phone: Phone
    correlation: str | None = None
    failure: Failure | None = None
    window_opened_at: float | None = None
    group: str | None = None
    message: Mapping[str, Any] | None = None


class Inbound(msgspec.Struct, frozen=True):
    """What a person wrote: `message` is the Cloud API's shape without sender, id and time.

    `file` is what it carries, `home` the address under which the business reaches this simulator.
    """

    provider_id: str
    at: float
    phone: Phone
    message: Mapping[str, Any]
    file: File | None = None
    home: str = ""


class Provider(Protocol):
    name: str

    def check_credentials(self, credentials: Mapping[str, str]) -> None:
        """Raises ValueError with a sentence that names the field."""
        ...

    def adopt(self, channels: Sequence[Channel]) -> None:
        """Called with all its channels at start and whenever they change."""
        ...

    def prepare(self, db: sqlite3.Connection) -> None:
        """What its channels find on their first day; called after `adopt` and after a reset."""
        ...

    def check_inbound(self, message: Mapping[str, Any]) -> None:
        """Raises ValueError for what a phone cannot send."""
        ...

    def new_id(self, message: Mapping[str, Any]) -> str:
        """The id under which the business will know what a person sends."""
        ...

    def judge(self, send: Send, standing: Standing, now: float) -> Failure | None:
        """Whether an accepted message fails on its way to one person, and why."""
        ...

    def find_statuses(self, send: Send, phone: Phone) -> Sequence[str]:
        """What the business is told of a message that arrives."""
        ...

    def opens_window(self, message: Mapping[str, Any]) -> bool:
        """Whether what the person does lets the business write freely for a day."""
        ...

    def find_marketing_wish(self, message: Mapping[str, Any]) -> bool | None:
        """True or False when the person says whether marketing is welcome."""
        ...

    def find_file_id(self, message: Mapping[str, Any]) -> str | None:
        """The id of the file that a phone sends with this message."""
        ...

    def render_inbound(self, channel: Channel, inbound: Inbound) -> bytes: ...

    def render_status(self, channel: Channel, report: Report) -> bytes: ...

    def sign(self, channel: Channel, body: bytes) -> dict[str, str]:
        """The headers of one webhook call."""
        ...

    async def shake_hands(self, channel: Channel, session: "aiohttp.ClientSession") -> dict[str, Any]: ...

    def routes(self, world: "World") -> Sequence[BaseRoute]: ...
