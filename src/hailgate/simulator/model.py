"""Values that every part of the simulator speaks of: channels, phones, files, messages and their fate."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

WINDOW_S = 86_400.0  # WhatsApp's customer service window


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
    hides_number: businesses see the user id (or the lid) alone. user_id: None for the one that follows from the number.
    by_lid: servers of the business's name the person by a lid, with the number beside it.
    """

    number: str
    name: str
    reachable: bool = True
    online: bool = True
    read_receipts: bool = True
    username: str | None = None
    hides_number: bool = False
    user_id: str | None = None
    by_lid: bool = False

    @property
    def lid(self) -> str:
        """The id that stands for the number in linked devices: 15 digits."""
        return lid_of(self.number)

    @property
    def scoped_id(self) -> str:
        """The business-scoped user id (BSUID)."""
        return self.user_id or (f"US.{self.number}" if self.number.isdigit() else self.number)


def lid_of(number: str) -> str:
    digest = hashlib.blake2b(number.encode(), digest_size=8).digest()
    return str(10**14 + int.from_bytes(digest) % (9 * 10**14))


class Upload(msgspec.Struct, frozen=True):
    """`owner` and `holder` as of a file."""

    owner: str
    holder: str
    mime_type: str
    filename: str | None
    content: bytes


class File(msgspec.Struct, frozen=True):
    """`owner` is person or business. `holder` is who may use it: a phone's number before it is sent, else a channel's.

    `sha256` is in hexadecimal. A deleted file is gone for businesses; chats that show it keep it.
    """

    id: str
    owner: str
    holder: str
    mime_type: str
    filename: str | None
    sha256: str
    size: int
    at: float
    deleted: bool = False

    @property
    def media_type(self) -> str:
        """Without parameters such as codecs."""
        return self.mime_type.partition(";")[0].strip().lower()


class Failure(msgspec.Struct, frozen=True):
    """Why a message that was accepted is not delivered, in the provider's own code and words."""

    code: int
    title: str
    details: str


class Send(msgspec.Struct, frozen=True):
    """A message that a business sends: `message` for the chat, `body` as it stands in the request.

    `group` when it goes to a group, whose id is then `to`. `category` of a template. `doom` is why it fails whoever
    it goes to. `record` is what the provider's own look-ups will show, where it has any; `links` are addresses of
    files that the provider fetches before it delivers.
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
    record: Mapping[str, Any] | None = None
    links: tuple[str, ...] = ()


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

    `group` is the one that it was sent to; `message` is known of statuses that follow the send; `record` is what the
    provider's look-ups show of it.
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
    record: Mapping[str, Any] | None = None


class Inbound(msgspec.Struct, frozen=True):
    """What a person wrote: `message` is the Cloud API's shape without sender, id and time.

    `file` is what it carries, `home` the address under which the business reaches this simulator.
    `content` is the file's, where the webhook holds it. `from_business`: somebody typed it on the business's own phone;
    `phone` is then who gets it.
    """

    provider_id: str
    at: float
    phone: Phone
    message: Mapping[str, Any]
    file: File | None = None
    home: str = ""
    content: bytes = b""
    from_business: bool = False


class Post(msgspec.Struct, frozen=True):
    """One call of a webhook address; `url` None is the channel's own. `pause` in seconds holds it back."""

    body: bytes
    url: str | None = None
    pause: float = 0.0


class Attempt(msgspec.Struct, frozen=True):
    """A webhook call that failed: the answer's status, None for no answer, and how many have failed so far."""

    url: str
    status: int | None
    failures: int


class Retries(msgspec.Struct, frozen=True):
    """Pauses in seconds: first, first * 2, first * 4, …, at most cap. Providers scale them to their own."""

    first: float = 1.0
    cap: float = 60.0

    def pause(self, failures: int) -> float:
        return min(self.cap, self.first * 2.0 ** min(failures - 1, 32))
