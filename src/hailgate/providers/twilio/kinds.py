"""What Twilio takes of WhatsApp's kinds of message."""

from collections.abc import Mapping
from typing import Final

from hailgate.core.kinds import KindLimits

_MB: Final = 1 << 20
BODY: Final = 1600
CONTENT_BODY: Final = 1024
CAPTION: Final = 1024  # WhatsApp's own; Twilio's Body would hold more
LARGEST: Final = 16 * _MB

# No message quotes another: the Messages API has no parameter for it.
KINDS: Final[Mapping[str, KindLimits]] = {
    "text": KindLimits(text=BODY, quotable=False),
    "image": KindLimits(caption=CAPTION, bytes=5 * _MB, types=frozenset({"image/jpeg", "image/png"}), quotable=False),
    "sticker": KindLimits(bytes=500 << 10, types=frozenset({"image/webp"}), quotable=False),
    "audio": KindLimits(
        bytes=LARGEST,
        types=frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"}),
        quotable=False,
    ),
    "video": KindLimits(caption=CAPTION, bytes=LARGEST, types=frozenset({"video/mp4", "video/3gpp"}), quotable=False),
    "document": KindLimits(caption=CAPTION, bytes=LARGEST, quotable=False),
    "location": KindLimits(quotable=False),
    "contacts": KindLimits(quotable=False, degrades_to="text"),
    "interactive.button": KindLimits(text=CONTENT_BODY, quotable=False, words_only=True),
    "interactive.list": KindLimits(text=CONTENT_BODY, quotable=False, words_only=True),
    # Neither the title of such a button nor the beginning of its address may be a variable at Twilio.
    "interactive.cta_url": KindLimits(text=CONTENT_BODY, quotable=False, degrades_to="text"),
    "interactive.poll": KindLimits(text=BODY, quotable=False, degrades_to="text"),
    "interactive.location_request_message": KindLimits(text=BODY, quotable=False, degrades_to="text"),
    "template": KindLimits(quotable=False, words_only=True),
}
