"""What the codes of a message's end mean with Evolution API, for people, and what to do about them."""

from typing import Final

from hailgate.core.remedies import Remedy
from hailgate.providers.evolution.wire import LICENSE
from hailgate.providers.spec import CodeNote

CODES: Final = {
    "channel_unauthorized": CodeNote(
        "The server does not take the API key.",
        "Give the channel the server's key or its instance's token, then send it again.",
        mended_by_settings=True,
    ),
    "empty_answer": CodeNote("The server took the call and sent nothing.", "See the server's log, then send it again."),
    "license_required": CodeNote(
        LICENSE, "Activate the server; the channel goes on by itself.", mended_by_settings=True
    ),
    "not_on_whatsapp": CodeNote(
        "This number is not on WhatsApp.", "Reach the person in another way.", remedy=Remedy.NONE
    ),
}
