"""What the Cloud API takes, kind by kind."""

from collections.abc import Mapping
from typing import Final

from hailgate.core.content.frames import BODY_LIMIT
from hailgate.core.content.interactive import LIST_BODY_LIMIT
from hailgate.core.kinds import KindLimits

_MB: Final = 1 << 20
CAPTION: Final = 1024
_FORMS: Final = (
    "button",
    "cta_url",
    "flow",
    "location_request_message",
    "voice_call",
    "call_permission_request",
    "request_contact_info",
    "address_message",
    "carousel",
    "product",
    "product_list",
    "catalog_message",
    "order_details",
    "order_status",
)

KINDS: Final[Mapping[str, KindLimits]] = {
    "text": KindLimits(text=4096),
    "image": KindLimits(caption=CAPTION, bytes=5 * _MB, types=frozenset({"image/jpeg", "image/png"})),
    "sticker": KindLimits(bytes=500 << 10, types=frozenset({"image/webp"})),
    "audio": KindLimits(
        bytes=16 * _MB, types=frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"})
    ),
    "video": KindLimits(caption=CAPTION, bytes=16 * _MB, types=frozenset({"video/mp4", "video/3gpp"})),
    "document": KindLimits(caption=CAPTION, bytes=100 * _MB),
    "location": KindLimits(),
    "contacts": KindLimits(),
    "reaction": KindLimits(quotable=False),  # it names its message itself
    **{f"interactive.{form}": KindLimits(text=BODY_LIMIT) for form in _FORMS},
    "interactive.list": KindLimits(text=LIST_BODY_LIMIT),
    "template": KindLimits(quotable=False),
}
