"""What Meta writes in a webhook, as far as something is done with it.

Whatever has parts is read raw first, so that a part of a strange shape costs nothing but itself.
"""

from msgspec import Raw, Struct
from msgspec.json import Decoder

from hailgate.core.content.inbound import Referral, ReferredProduct, Understood

NOTHING = Raw(b"null")


class CloudEnvelope(Struct):
    object: str
    entry: list[Raw]


class CloudEntry(Struct):
    """`id` is the WhatsApp Business Account; `time` is told of what happened to it."""

    changes: list[Raw]
    id: str | None = None
    time: Raw = NOTHING


class CloudChange(Struct):
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


class CloudContact(Struct):
    wa_id: str | None = None
    user_id: str | None = None
    parent_user_id: str | None = None
    profile: Raw = NOTHING


class CloudMessage(Struct, rename={"sender": "from"}):
    id: str
    type: str = "unknown"
    sender: str | None = None
    from_user_id: str | None = None
    group_id: str | None = None
    timestamp: Raw = NOTHING
    context: Raw = NOTHING
    text: Raw = NOTHING
    referral: Raw = NOTHING


class CloudEcho(Struct):
    """A message that the business wrote on its own telephone; its content is read like a person's."""

    id: str
    type: str = "unknown"
    to: str | None = None
    to_user_id: str | None = None
    timestamp: Raw = NOTHING
    context: Raw = NOTHING
    text: Raw = NOTHING


class CloudText(Struct):
    body: str


class CloudContext(Struct):
    id: str | None = None
    forwarded: bool = False
    frequently_forwarded: bool = False
    referred_product: Raw = NOTHING


class CloudReaction(Struct):
    message_id: str
    emoji: str | None = None


class CloudEdit(Struct):
    original_message_id: str
    message: Raw = NOTHING


class Changed(Struct):
    """The one of them that the kind of the message names."""

    reaction: CloudReaction | None = None
    edit: CloudEdit | None = None
    revoke: CloudEdit | None = None


class Edited(Struct):
    type: str = "unknown"
    text: Raw = NOTHING


class SystemNews(Struct):
    """What was before stands there only where it was an id, and then perhaps without a sender of the message."""

    type: str
    wa_id: str | None = None
    user_id: str | None = None
    parent_user_id: str | None = None
    previous_user_id: str | None = None
    previous_parent_user_id: str | None = None


class System(Struct):
    system: SystemNews
    timestamp: Raw = NOTHING


class CloudCards(Struct):
    """`origin` stands beside the cards, or in the first of them."""

    contacts: list[Raw]
    origin: str | None = None


class CloudCardPhone(Struct):
    wa_id: str | None = None
    phone: str | None = None


class CloudCard(Struct):
    origin: str | None = None
    phones: list[CloudCardPhone] = []


class Preference(Struct):
    value: str
    wa_id: str | None = None
    user_id: str | None = None
    category: str | None = None
    timestamp: Raw = NOTHING


class CloudCall(Struct, rename={"sender": "from"}):
    id: str
    event: str
    sender: str | None = None
    from_user_id: str | None = None
    to: str | None = None
    to_user_id: str | None = None
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


class CloudStatus(Struct, rename={"tracker": "biz_opaque_callback_data"}):
    id: str
    status: str
    timestamp: Raw = NOTHING
    recipient_id: str | None = None
    recipient_user_id: str | None = None
    recipient_type: str | None = None
    recipient_participant_id: str | None = None
    recipient_participant_user_id: str | None = None
    tracker: str | None = None
    errors: Raw = NOTHING


class CloudError(Struct):
    code: int
    title: str | None = None


class ErrorData(Struct):
    details: str | None = None


class Explained(Struct):
    error_data: ErrorData | None = None


class Named(Struct):
    """What most other fields have in common."""

    event: str | None = None
    metadata: Raw = NOTHING


envelope = Decoder(CloudEnvelope)
entry = Decoder(CloudEntry)
change = Decoder(CloudChange)
value = Decoder(Value)
metadata = Decoder(Metadata)
profile = Decoder(Profile)
contact = Decoder(CloudContact)
message = Decoder(CloudMessage)
echo = Decoder(CloudEcho)
text = Decoder(CloudText)
context = Decoder(CloudContext)
understood: Decoder[Understood] = Decoder(Understood)
changed = Decoder(Changed)
edited = Decoder(Edited)
system = Decoder(System)
cards = Decoder(CloudCards)
card = Decoder(CloudCard)
preference = Decoder(Preference)
call = Decoder(CloudCall)
group = Decoder(Group)
elsewhere = Decoder(Elsewhere)
product = Decoder(ReferredProduct)
referral = Decoder(Referral)
status = Decoder(CloudStatus)
error = Decoder(CloudError, strict=False)
explained = Decoder(Explained)
named = Decoder(Named)
items = Decoder(list[Raw] | None)
