"""Webhooks as Meta would post them, for what the simulator does not do by itself: the same call fifty times at once."""

import json
from collections.abc import Sequence
from typing import Any

from .blueprint import Place


def text_webhook(place: Place, phone: str, message_id: str, text: str, at: float) -> bytes:
    """A person wrote to a channel."""
    message = {"from": phone, "id": message_id, "timestamp": str(int(at)), "type": "text", "text": {"body": text}}
    return webhook(place, contacts=[{"profile": {"name": "Ada"}, "wa_id": phone}], messages=[message])


def status(message_id: str, word: str, phone: str, at: float, tracker: str = "") -> dict[str, Any]:
    """How far a message has come; `failed` says why."""
    told: dict[str, Any] = {"id": message_id, "status": word, "timestamp": str(int(at)), "recipient_id": phone}
    if tracker:
        told["biz_opaque_callback_data"] = tracker
    if word == "failed":
        told["errors"] = [{"code": 131026, "title": "Message undeliverable"}]
    return told


def status_webhook(place: Place, *statuses: dict[str, Any]) -> bytes:
    return webhook(place, statuses=list(statuses))


def webhook(place: Place, *, field: str = "messages", **news: Sequence[Any]) -> bytes:
    metadata = {"display_phone_number": place.number, "phone_number_id": place.account}
    value = {"messaging_product": "whatsapp", "metadata": metadata, **news}
    change = {"field": field, "value": value}
    return json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}).encode()
