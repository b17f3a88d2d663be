"""What the codes of a message's end mean at Twilio, for people, and what to do about them."""

from typing import Final

from hailgate.core.remedies import Remedy
from hailgate.providers.spec import CodeNote

CODES: Final = {
    "channel_refused": CodeNote(
        "Twilio or WhatsApp refuses this sender.",
        "See how the sender stands in Twilio's console; the channel goes on by itself.",
        mended_by_settings=True,
    ),
    "channel_unauthorized": CodeNote(
        "Twilio refuses the credentials or the account.",
        "Give the channel valid credentials, then send it again.",
        mended_by_settings=True,
    ),
    "file_refused": CodeNote(
        "Twilio or WhatsApp could not take the file.",
        "Store it in another format or smaller, and send a new message that names it.",
    ),
    "window_closed": CodeNote(
        "The person has not written for 24 hours.",
        "Send an approved template; free text passes once the person writes.",
        remedy=Remedy.TEMPLATE,
    ),
}
