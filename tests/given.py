"""What tests take as given: a clinic's number at the Cloud API, its secrets, and webhooks signed with them."""

import hashlib
import hmac
import json
from typing import Any

APP_SECRET = "an app secret of 32 characters.."
VERIFY_TOKEN = "a verify token"
PHONE_NUMBER_ID = "106500000000001"
NUMBER = "15550100000"
PERSON = "15550100042"
# Port 9 (discard): nobody listens there, so that a test which sends by mistake learns of it at once.
DEAD_END = "http://127.0.0.1:9"

HOOK_SETTINGS = {"app_secret": APP_SECRET, "verify_token": VERIFY_TOKEN}
CHANNEL_SETTINGS = {"phone_number_id": PHONE_NUMBER_ID, "access_token": "an access token", "api_url": DEAD_END}


def signature(body: bytes, secret: str = APP_SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def signed(body: bytes, secret: str = APP_SECRET) -> dict[str, str]:
    """The headers with which Meta posts ``body``."""
    return {"Content-Type": "application/json", "X-Hub-Signature-256": signature(body, secret)}


def text_webhook(
    text: str = "Are you open today?",
    *,
    sender: str = PERSON,
    message_id: str = "wamid.1",
    name: str = "Ada",
    at: int = 1_700_000_000,
    account: str = PHONE_NUMBER_ID,
) -> bytes:
    """A person wrote to the clinic."""
    message = {"from": sender, "id": message_id, "timestamp": str(at), "type": "text", "text": {"body": text}}
    return webhook(account, {"contacts": [{"profile": {"name": name}, "wa_id": sender}], "messages": [message]})


def status_webhook(message_id: str, status: str, *, at: int = 1_700_000_000, tracker: str | None = None) -> bytes:
    """Meta tells how far a message has come."""
    told: dict[str, Any] = {"id": message_id, "status": status, "timestamp": str(at), "recipient_id": PERSON}
    if tracker:
        told["biz_opaque_callback_data"] = tracker
    return webhook(PHONE_NUMBER_ID, {"statuses": [told]})


def webhook(account: str, news: dict[str, Any]) -> bytes:
    metadata = {"display_phone_number": NUMBER, "phone_number_id": account}
    value = {"messaging_product": "whatsapp", "metadata": metadata, **news}
    change = {"field": "messages", "value": value}
    return json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}).encode()
