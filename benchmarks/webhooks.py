"""Webhooks as Meta posts them: a person's text of about a kilobyte, signed."""

import hashlib
import hmac
import itertools
import time
from collections.abc import Iterator

import msgspec

APP_SECRET = "benchmark app secret 0123456789"
VERIFY_TOKEN = "benchmark verify token"
PHONE_NUMBER_ID = "106540352242922"
BUSINESS_NUMBER = "15550783881"
# The scripted assistant has one fixed answer to a greeting.
GREETING = "Hello, "
TEXT_LENGTH = 420

_places = itertools.count()


def person(index: int) -> str:
    """The telephone number of one of the people who write."""
    return f"1650{index:08d}"


def text_webhook(index: int, account: str = PHONE_NUMBER_ID) -> bytes:
    """A message that nobody has sent before, from person ``index``."""
    place = next(_places)
    number = person(index)
    text = f"{GREETING}this is message {place}. ".ljust(TEXT_LENGTH, "x")
    message = {
        "from": number,
        "id": f"wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEw{time.time_ns():x}{place:08x}",
        "timestamp": str(int(time.time())),
        "type": "text",
        "text": {"body": text},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": BUSINESS_NUMBER, "phone_number_id": account},
        "contacts": [{"profile": {"name": "Sheena Nelson"}, "wa_id": number}],
        "messages": [message],
    }
    changes = [{"value": value, "field": "messages"}]
    return msgspec.json.encode(
        {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": changes}]}
    )


def text_webhooks(count: int, people: int) -> Iterator[bytes]:
    """``count`` messages, from ``people`` in turn."""
    return (text_webhook(index % people) for index in range(count))


def signature(body: bytes) -> str:
    return "sha256=" + hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
