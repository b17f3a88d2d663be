"""Delivery codes: why a message ended, in a sentence, and what a person should do about it.

Codes that any provider may come to are explained here; each provider explains those of its own, and may say of any of
ours what it means with that provider (`ProviderSpec.codes`). This module joins them.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final, NamedTuple

from hailgate import problems
from hailgate.core.errors import SendError
from hailgate.core.remedies import Remedy
from hailgate.problems import Code
from hailgate.providers import list_providers
from hailgate.providers.spec import CodeNote

_RENEW: Final = "Renew the channel's credentials, resume the channel, then send it again."
_LOOK: Final = "Look at the person's phone, or ask them, before you send it again: it may arrive twice."
_WRITE: Final = "Change the message: the same one would be refused again."

ADVICE: Final[Mapping[str, str]] = {
    "address_unsupported": "Send it through a channel whose provider knows this kind of address.",
    "address_refuses": "See whether the channel's `api_url` is right and what stands before it, then send it again.",
    "attempts_exhausted": "See in the timeline what failed; send it again once the provider is well.",
    "cancelled": "Nothing: somebody wanted it so.",
    "channel_disconnected": "Pair the channel with its phone again, resume it, then send it again.",
    "channel_refused": "See what stands between this installation and the provider; the channel goes on by itself.",
    "channel_unauthorized": _RENEW,
    "channel_unknown": "Add the channel to the tenant service, or remove it here.",
    "credentials_renewed": "Nothing: it is tried again with the new credentials.",
    "delivery_failed": "See the timeline for what failed, then send it again.",
    "expired": "Send it again if it still matters; give the next one a longer life with expires_at.",
    "lease_lost": "Send it again; nothing of it had left.",
    "message_fault": "Send it again later; if it fails again, ask the provider with its code.",
    "not_sent": "Send it again: somebody has looked, and it had not arrived.",
    "outcome_unknown": _LOOK,
    "file_forgotten": "Send it again; if the provider goes on refusing it, store the file anew and send a new message.",
    "file_unavailable": "Bring the store of files back (`HAILGATE_MEDIA_URL`, its disk or bucket), then send it again.",
    "file_removed": "Store the file again, and send a new message that names it.",
    "media_gone": "Ask the person to send the file again; the provider keeps it for some days only.",
    "media_unsupported": "Use a channel whose provider gives out files.",
    "poison": "Do not send it again; report it with the logs of the workers that ended.",
    "provider_throttled": "Lower the channel's rate, then send it again.",
    "provider_unavailable": "Send it again once the provider is well.",
    "recipient_opted_out": "Do not send it again; answer only if the person writes.",
    "recipient_unreachable": "Reach the person in another way; the number may not be on WhatsApp.",
    "recipient_unconfirmed": "Nothing: it is looked for at the provider, and ends by what is found.",
    "rejected": _WRITE,
    "session_lost": "Nothing: it is looked for once the channel's session is open again, and ends by what is found.",
    "restored": _LOOK,
    "suppressed": "Do not send it again: the person asked not to be written to.",
    "template_unavailable": "Correct the template or its parameters, then send a new message.",
    "tenant_pending": "Nothing: it goes on once the tenant service has answered.",
    "trouble_lasted": "Send it again once the provider is well; if it fails again, ask the provider with its code.",
    "unreadable_content": "Give this version the keys and the code that it was stored with, then send it again.",
    "unsupported_content": "Say it in a kind that the channel's provider carries.",
    "window_closed": "Send an approved template; free text passes once the person writes.",
    "worker_lost": _LOOK,
}
ANY_OTHER: Final = "See the timeline for the provider's words, and send it again once the cause is mended."


_REMEDIES: Final[Mapping[str, Remedy]] = {
    "window_closed": Remedy.TEMPLATE,
    "rejected": Remedy.EDIT,
    "cancelled": Remedy.NONE,
    "poison": Remedy.NONE,
    "suppressed": Remedy.NONE,
    "recipient_opted_out": Remedy.NONE,
    "template_unavailable": Remedy.TEMPLATE,
    "file_removed": Remedy.NONE,
    "address_unsupported": Remedy.NONE,
}


class ProviderCodes(NamedTuple):
    """What a provider says of codes."""

    name: str
    label: str
    notes: Mapping[str, CodeNote]


def list_codes() -> list[Code]:
    """Ours: what a message's timeline names as the reason of a failed attempt, whatever its provider is."""
    classes = [problems.code_of(cls)._replace(status=0) for cls in problems.family(SendError)]
    return sorted([*classes, *problems.ENDINGS], key=lambda code: code.code)


def list_provider_codes() -> list[ProviderCodes]:
    found = [ProviderCodes(spec.name, spec.label, spec.codes) for spec in list_providers() if spec.codes]
    return sorted(found, key=lambda provider: provider.name)


def list_texts() -> Iterator[str]:
    """Every sentence and every advice, for those who translate them."""
    yield from (*ADVICE.values(), ANY_OTHER)
    yield from (code.sentence for code in list_codes())
    for provider in list_provider_codes():
        for note in provider.notes.values():
            yield from (note.sentence, note.advice)


def explain(code: str, provider: str = "") -> str:
    """Our sentence for a code; nothing for one that nobody explains."""
    note = _find_note(code, provider)
    return note.sentence if note else _sentences().get(code, "")


def advise(code: str, provider: str = "") -> str:
    note = _find_note(code, provider)
    return note.advice if note else ADVICE.get(code, ANY_OTHER)


def remedy_of(code: str, provider: str = "", *, unknown: bool = False) -> Remedy:
    """For a message that ended with this code; one whose outcome is unknown can be settled by who looked."""
    if unknown:
        return Remedy.SETTLE
    if code in _REMEDIES:
        return _REMEDIES[code]
    note = _find_note(code, provider)
    return note.remedy if note else Remedy.AGAIN


def is_known(code: str) -> bool:
    """Whether we or a provider explain it."""
    return code in _sentences() or any(code in provider.notes for provider in list_provider_codes())


def _find_note(code: str, provider: str) -> CodeNote | None:
    """The provider's own; where none is named, anybody's for a code that is not ours."""
    if not provider and code in _sentences():
        return None
    speak = (spec for spec in list_providers() if provider in {"", spec.name})
    return next((spec.codes[code] for spec in speak if code in spec.codes), None)


@cache
def _sentences() -> Mapping[str, str]:
    return {known.code: known.sentence for known in list_codes()}
