"""What the codes of a message's end mean with WPPConnect Server, for people, and what to do about them."""

from typing import Final

from hailgate.core.remedies import Remedy
from hailgate.providers.spec import CodeNote

CODES: Final = {
    "channel_unauthorized": CodeNote(
        "The server does not take the session's token or its secret key.",
        "Give the channel the server's secret key, then send it again.",
        mended_by_settings=True,
    ),
    "empty_answer": CodeNote("The server took the call and sent nothing.", "See the server's log, then send it again."),
    "not_on_whatsapp": CodeNote(
        "This number is not on WhatsApp.", "Reach the person in another way.", remedy=Remedy.NONE
    ),
    "recipient_unconfirmed": CodeNote(
        "The server says that the number is not on WhatsApp, and may have sent the message all the same.",
        "It is looked for in the chat; nothing has to be done.",
    ),
}
