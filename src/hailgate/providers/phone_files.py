"""Files as WhatsApp's own clients take them: for providers that are such a client, paired with a phone."""

from collections.abc import Mapping
from typing import Final

from hailgate.core.kinds import KindLimits

_MB: Final = 1 << 20
CAPTION: Final = 1024
PHONE_FILES: Final[Mapping[str, KindLimits]] = {
    "image": KindLimits(caption=CAPTION, bytes=5 * _MB, types=frozenset({"image/jpeg", "image/png"})),
    "video": KindLimits(caption=CAPTION, bytes=16 * _MB, types=frozenset({"video/mp4", "video/3gpp"})),
    "audio": KindLimits(
        bytes=16 * _MB, types=frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"})
    ),
    "document": KindLimits(caption=CAPTION, bytes=100 * _MB),
    "sticker": KindLimits(bytes=500 << 10, types=frozenset({"image/webp"})),
}
