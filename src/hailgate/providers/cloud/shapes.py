"""What Meta writes in a webhook, as far as something is done with it.

Whatever has parts is read raw first, so that a part of a strange shape costs nothing but itself.
"""

from msgspec import Raw, Struct
from msgspec.json import Decoder

from hailgate.core.content.inbound import Product, Referral, Understood

NOTHING = Raw(b"null")


class Envelope(Struct):
    object: str
    entry: list[Raw]


class Entry(Struct):
    """`id` is the WhatsApp Business Account; `time` is told of what happened to it."""

    changes: list[Raw]
    id: str | None = None
    time: Raw = NOTHING


class Change(Struct):
    field: str
    value: Raw


class Value(Struct):
    metadata: Raw = NOTHING
    contacts: Raw = NOTHING
    messages: Raw = NOTHING
    statuses: Raw = NOTHING
    errors: Raw = NOTHING


class Metadata(Struct):
    phone_number_id: str


class Profile(Struct):
    name: str | None = None
    username: str | None = None


class Contact(Struct):
    wa_id: str | None = None
    user_id: str | None = None
    profile: Raw = NOTHING


class Message(Struct, rename={"sender": "from"}):
    id: str
    type: str = "unknown"
    sender: str | None = None
    from_user_id: str | None = None
    group_id: str | None = None
    timestamp: Raw = NOTHING
    context: Raw = NOTHING
    text: Raw = NOTHING
    referral: Raw = NOTHING


class Echo(Struct):
    """A message that the business wrote on its own telephone; its content is read like a person's."""

    id: str
    type: str = "unknown"
    to: str | None = None
    to_user_id: str | None = None
    timestamp: Raw = NOTHING
    context: Raw = NOTHING
    text: Raw = NOTHING


class Text(Struct):
    body: str


class Context(Struct):
    id: str | None = None
    forwarded: bool = False
    frequently_forwarded: bool = False
    referred_product: Raw = NOTHING


class Reaction(Struct):
    message_id: str
    emoji: str | None = None


class Amended(Struct):
    original_message_id: str
    message: Raw = NOTHING


class Changed(Struct):
    """The one of them that the kind of the message names."""

    reaction: Reaction | None = None
    edit: Amended | None = None
    revoke: Amended | None = None


class Edited(Struct):
    type: str = "unknown"
    text: Raw = NOTHING


class SystemNews(Struct):
    type: str
    wa_id: str | None = None
    user_id: str | None = None


class System(Struct):
    system: SystemNews


class Preference(Struct):
    value: str
    wa_id: str | None = None
    user_id: str | None = None
    category: str | None = None
    timestamp: Raw = NOTHING


class Call(Struct, rename={"sender": "from"}):
    id: str
    event: str
    sender: str | None = None
    from_user_id: str | None = None
    direction: str | None = None
    timestamp: Raw = NOTHING


class Group(Struct):
    type: str
    errors: Raw = NOTHING


class Elsewhere(Struct):
    """The values of the other fields that something is done with."""

    metadata: Raw = NOTHING
    contacts: Raw = NOTHING
    message_echoes: Raw = NOTHING
    groups: Raw = NOTHING
    calls: Raw = NOTHING
    user_preferences: Raw = NOTHING


class Status(Struct, rename={"tracker": "biz_opaque_callback_data"}):
    id: str
    status: str
    timestamp: Raw = NOTHING
    recipient_id: str | None = None
    recipient_user_id: str | None = None
    recipient_type: str | None = None
    tracker: str | None = None
    errors: Raw = NOTHING


class Error(Struct):
    code: int
    title: str | None = None


class Named(Struct):
    """What most other fields have in common."""

    event: str | None = None
    metadata: Raw = NOTHING


envelope = Decoder(Envelope)
entry = Decoder(Entry)
change = Decoder(Change)
value = Decoder(Value)
metadata = Decoder(Metadata)
profile = Decoder(Profile)
contact = Decoder(Contact)
message = Decoder(Message)
echo = Decoder(Echo)
text = Decoder(Text)
context = Decoder(Context)
understood: Decoder[Understood] = Decoder(Understood)
changed = Decoder(Changed)
edited = Decoder(Edited)
system = Decoder(System)
preference = Decoder(Preference)
call = Decoder(Call)
group = Decoder(Group)
elsewhere = Decoder(Elsewhere)
product = Decoder(Product)
referral = Decoder(Referral)
status = Decoder(Status)
error = Decoder(Error, strict=False)
named = Decoder(Named)
items = Decoder(list[Raw] | None)
