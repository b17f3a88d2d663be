"""What goes through each of the providers beside the Cloud API: what is said, and by which words the phone shows it."""

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

from hostile_files import JPEG, WEBP

from .test_every_kind import BUTTONS, CARD, FLOW, FORM, LINK, LIST, MP4, NINE, OGG, PDF, PLACE, WHERE, YES, text

Content = Mapping[str, Any]
VOICE = resources.files("hailgate.simulator").joinpath("static/voice.ogg").read_bytes()
NOBODY = "999150001234"  # no country has this prefix
GROUP = "120363000000000077@g.us"
FILES: Mapping[str, tuple[bytes, str, Mapping[str, Any]]] = {
    "image": (JPEG, "image/jpeg", {"caption": "The front door"}),
    "video": (MP4, "video/mp4", {"caption": "The way in"}),
    "audio": (OGG, "audio/ogg", {}),
    "voice": (VOICE, "audio/ogg", {"voice": True}),  # one server would end at what cannot be decoded
    "document": (PDF, "application/pdf", {"caption": "For you", "filename": "plan.pdf"}),
    "sticker": (WEBP, "image/webp", {}),
}
UPDATE = {
    "name": "order_update", "language": {"code": "en"},
    "components": [{"type": "body", "parameters": [{"type": "text", "text": "42"}, {"type": "text", "text": "ready"}]}],
}  # fmt: skip
ADVERT = {"source_url": "https://ads.example/1", "source_type": "ad", "source_id": "1", "headline": "Checks"}


def reply(**answer: Any) -> Content:
    return {"type": "interactive", "interactive": {"type": next(iter(answer)), **answer}}


def image(stored: str, caption: str) -> Content:
    return {"type": "image", "image": {"attachment": stored, "caption": caption}}


def interactive(content: Content) -> Content:
    return {"type": "interactive", "interactive": content}


DAYS = ["Monday", "Tuesday", "Friday"]
POLL = {"type": "poll", "body": {"text": "Which days?"}, "action": {"options": DAYS, "selectable_count": 2}}
# By what is sent: the content, and words that the phone then shows. What a provider cannot express goes as text.
SENT: Mapping[str, tuple[Content, Sequence[str]]] = {
    "text": ({"type": "text", "text": {"body": "See https://clinic.example", "preview_url": True}}, ["clinic.example"]),
    "location": ({"type": "location", "location": PLACE}, ["52.5", "Clinic"]),
    "contacts": ({"type": "contacts", "contacts": CARD}, ["15550100001"]),
    "interactive.button": (interactive(BUTTONS), ["Confirm?", "Yes", "No"]),
    "interactive.list": (interactive(LIST), ["When?", "9:00", "early"]),
    "interactive.cta_url": (interactive(LINK), ["See", "Open", "https://clinic.example"]),
    "interactive.poll": (interactive(POLL), ["Which days?", *DAYS]),
    "interactive.location_request_message": (interactive(WHERE), ["Where?"]),
    "template": ({"type": "template", "template": UPDATE}, ["42", "ready"]),
}
# What only the Cloud API carries, or some of the others.
ELSEWHERE: Mapping[str, Content] = {
    "interactive.flow": interactive(FLOW),
    "reaction": {"type": "reaction", "reaction": {"message_id": "wamid.1", "emoji": "👍"}},
}
# By what is written: the content, and the type under which it is told where that is another than its own.
RECEIVED: Mapping[str, Content] = {
    "a place": {"type": "location", "location": PLACE},
    "contacts": {"type": "contacts", "contacts": CARD},
    "a button of a template": {"type": "button", "button": {"text": "Yes, I will come", "payload": "will-come"}},
    "a button": reply(button_reply=YES),
    "a row of a list": reply(list_reply=NINE),
    "a poll": {"type": "poll", "poll": {"name": "Which day?", "options": ["Mon", "Tue"], "selectable": 1}},
    "a form": reply(nfm_reply=FORM),
    "a forwarded text": {**text("Read this"), "context": {"forwarded": True}},
    "what was forwarded often": {**text("Read this, all"), "context": {"frequently_forwarded": True}},
    "what WhatsApp cannot show": {"type": "unsupported", "unsupported": {"type": "video_note"}},
    "a kind of next year": {"type": "hologram", "hologram": {"id": "1"}},
}


class Way(NamedTuple):
    """`untold` is what its server tells nobody of, `renamed` what it tells under another type.

    `confirms_reactions` says that it is told whether they arrived.
    `reacts`, `edits`, `revokes`, `rings`, `groups`, `types`: what people can do on it beside sending messages.
    """

    untold: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = {}
    reacts: bool = True
    confirms_reactions: bool = True
    edits: bool = False
    revokes: bool = True
    rings: bool = True
    groups: bool = True
    types: bool = True
    adverts: bool = True
    plays: bool = True
    stops: bool = False

    def received(self) -> Mapping[str, Content]:
        return {what: content for what, content in RECEIVED.items() if what not in self.untold}


WAYS: Mapping[str, Way] = {
    "twilio": Way(
        untold=frozenset({"what WhatsApp cannot show", "a kind of next year", "a poll"}),
        # Its form tells a quick reply and a template's button alike, and a card as a file.
        renamed={"a button": "button", "contacts": "document"},
        reacts=False, revokes=False, rings=False, groups=False, types=False, plays=False, stops=True,
    ),
    "evolution": Way(
        untold=frozenset({"what WhatsApp cannot show"}),
        renamed={"a kind of next year": "unsupported", "a poll": "interactive"},
        edits=True,
    ),
    "wppconnect": Way(
        untold=frozenset({"a form"}),
        renamed={
            "what WhatsApp cannot show": "unsupported", "a kind of next year": "unsupported", "a poll": "interactive",
        },
        adverts=False, confirms_reactions=False,
    ),
}  # fmt: skip


def shown(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry["message"], ensure_ascii=False)
