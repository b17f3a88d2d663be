"""WPPConnect's ids of messages, read: one message may have two, which differ in how they name the people.

`<ours>_<chat>_<stanza>`, and in a group `_<author>` behind it; `<ours>` is `true` or `false`. Chat and author are named
by a number (`@c.us`) in one telling and by the hidden id (`@lid`) in another. The stanza is WhatsApp's own id.
"""

from typing import Final

# As much as is kept of a message's ids.
LONGEST: Final = 255
_OURS: Final = frozenset({"true", "false"})


def token_of(message_id: str) -> str | None:
    """What two ids of one message have in common; None where an id is not made like this."""
    ours, _, rest = message_id.partition("_")
    chat, _, rest = rest.partition("_")
    stanza = rest.partition("_")[0]
    return f"{ours}_{stanza}"[:LONGEST] if ours in _OURS and "@" in chat and stanza else None
