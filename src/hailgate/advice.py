"""What a person should do about a message that was given up, by its code."""

from collections.abc import Mapping
from typing import Final

_RENEW: Final = "Renew the channel's credentials, resume the channel, then send it again."
_LOOK: Final = "Look at the person's phone, or ask them, before you send it again: it may arrive twice."
_WRITE: Final = "Change the message: the same one would be refused again."

ADVICE: Final[Mapping[str, str]] = {
    "account_restricted": "Mend the account's standing at the provider, then send it again.",
    "address_unsupported": "Send it through a channel whose provider knows this kind of address.",
    "attempts_exhausted": "See in the timeline what failed; send it again once the provider is well.",
    "cancelled": "Nothing: somebody wanted it so.",
    "channel_disconnected": "Pair the channel with its phone again, resume it, then send it again.",
    "channel_unauthorized": _RENEW,
    "delivery_failed": "See the timeline for what failed, then send it again.",
    "expired": "Send it again if it still matters; give the next one a longer life with expires_at.",
    "lease_lost": "Send it again; nothing of it had left.",
    "message_fault": "Send it again later; if it fails again, ask the provider with its code.",
    "number_not_registered": "Register the number at the provider, resume the channel, then send it again.",
    "number_unknown": "Correct the number's id in the channel's settings, then send it again.",
    "outcome_unknown": _LOOK,
    "pair_throttled": "Write to this person less often; send it again later.",
    "payment_problem": "Settle the account's payment at the provider, then send it again.",
    "file_forgotten": "Send it again; if the provider goes on refusing it, store the file anew and send a new message.",
    "file_unavailable": "Bring the store of files back (`HAILGATE_MEDIA_URL`, its disk or bucket), then send it again.",
    "file_removed": "Store the file again, and send a new message that names it.",
    "media_gone": "Ask the person to send the file again; the provider keeps it for some days only.",
    "media_unsupported": "Use a channel whose provider gives out files.",
    "poison": "Do not send it again; report it with the logs of the workers that ended.",
    "provider_throttled": "Lower the channel's rate (`hailgate channel set --rate`), then send it again.",
    "provider_unavailable": "Send it again once the provider is well.",
    "recipient_opted_out": "Do not send it again; answer only if the person writes.",
    "recipient_unreachable": "Reach the person in another way; the number may not be on WhatsApp.",
    "rejected": _WRITE,
    "suppressed": "Do not send it again: the person asked not to be written to.",
    "template_paused": "Wait until the provider lets the template go on, or use another one.",
    "template_unavailable": "Correct the template or its parameters, then send a new message.",
    "unreadable_content": "Give this version the keys and the code that it was stored with, then send it again.",
    "window_closed": "Send an approved template; free text passes once the person writes.",
    "worker_lost": _LOOK,
}
ANY_OTHER: Final = "See the timeline for the provider's words, and send it again once the cause is mended."


def advise(code: str) -> str:
    return ADVICE.get(code, ANY_OTHER)
