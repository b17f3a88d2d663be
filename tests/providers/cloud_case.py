"""The Cloud API adapter on a scripted server, described."""

import hmac
import json
from contextlib import asynccontextmanager

from hailgate.core.errors import (
    AddressRefuses,
    ChannelUnauthorized,
    OutcomeUnknown,
    ProviderThrottled,
    ProviderUnavailable,
    RecipientOptedOut,
    RecipientUnreachable,
    Rejected,
    TemplateUnavailable,
)
from hailgate.providers import cloud
from hailgate.providers.cloud import CloudChannel
from hailgate.providers.cloud.adapter import SIGNATURE
from hailgate.providers.config import parse_config
from hailgate.providers.contract import Connection, SendReceipt
from hailgate.providers.transport import Transport

from . import loopback, payloads
from .conformance import PHONE, Case, Connected, encode
from .loopback import Loopback, answer, answer_json

ACCOUNT = "106500000000001"
HOOK = {"app_secret": "fixture-app-secret", "verify_token": "fixture-verify-token"}
CHANNEL = {"phone_number_id": ACCOUNT, "access_token": "fixture-access-token"}
WABA = "102000000000001"
TEMPLATES = ("order_update", "promo")


def sign(body, secret=HOOK["app_secret"]):
    return {SIGNATURE: "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()}


def change(**value):
    metadata = {"display_phone_number": "15550100000", "phone_number_id": ACCOUNT}
    changes = [{"field": "messages", "value": {"metadata": metadata, **value}}]
    return encode({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]})


def wrote(message_id, text):
    message = {
        "from": PHONE.value,
        "id": message_id,
        "timestamp": "1767225600",
        "type": "text",
        "text": {"body": text},
    }
    return change(messages=[message])


def reached(message_id, status, tracker):
    return change(
        statuses=[{"id": message_id, "status": status.word, "biz_opaque_callback_data": tracker}],
    )


def refusal(name):
    document = payloads.load(f"errors/{name}.json")
    if "body" in document:
        return answer_json(document["http_status"], document["body"])
    headers = {"Content-Type": document["content_type"]} if document["content_type"] else {}
    return answer(document["http_status"], document["body_text"].encode(), headers)


def coded(code, status=400, **error):
    return answer_json(status, {"error": {"code": code, **error}})


TAKEN = answer_json(200, payloads.load("responses/send_ok.json"))
HEALTHY = answer_json(200, {"id": ACCOUNT, "health_status": {"can_send_message": "AVAILABLE"}})

OUTCOMES = {
    "taken": (SendReceipt, TAKEN),
    "taken, to a business-scoped id": (
        SendReceipt,
        answer_json(200, payloads.load("responses/send_ok_bsuid.json")),
    ),
    "down": (ProviderUnavailable, refusal("131016_unavailable")),
    "throttled": (ProviderThrottled, refusal("130429_throughput")),
    "throttled, without a code": (ProviderThrottled, answer(429)),
    "refused": (Rejected, refusal("100_invalid_parameter")),
    "window closed": (Rejected, refusal("131047_window_closed")),
    "not in the list": (RecipientUnreachable, refusal("131030_not_in_allowed_list")),
    "no such template": (TemplateUnavailable, refusal("132001_template_missing")),
    "opted out": (RecipientOptedOut, coded(131050)),
    "token expired": (ChannelUnauthorized, refusal("190_token_expired")),
    "empty 500": (OutcomeUnknown, refusal("empty_500")),
    "html 502": (OutcomeUnknown, refusal("html_502")),
    "reset": (OutcomeUnknown, loopback.accept_then_reset),
    "garbage": (OutcomeUnknown, loopback.garbage),
    "success, but of nothing": (OutcomeUnknown, answer_json(200, payloads.load("responses/success.json"))),
    "redirected": (AddressRefuses, answer(307, b"", {"Location": "http://127.0.0.1:1/"})),
}


@asynccontextmanager
async def connect(outcome):
    scripts = {"ill": refusal("190_token_expired")} | {name: script for name, (_, script) in OUTCOMES.items()}
    async with Loopback(adaptive(scripts[outcome])) as server, Transport() as transport:
        config = parse_config(CloudChannel, {**CHANNEL, "waba_id": WABA, "api_url": server.url})
        provider = cloud.SPEC.connect(Connection(config=config, transport=transport))
        yield Connected(provider, lambda: [json.loads(body)["biz_opaque_callback_data"] for body in server.bodies])


def template_page(head):
    """The first page leads to the second, which is the last."""
    after = b"after=second" in head
    template = {"id": str(after), "name": TEMPLATES[after], "language": "en", "status": "APPROVED", "components": []}
    paging = {"cursors": {"after": "second"}} | ({} if after else {"next": "https://graph.facebook.com/next"})
    return answer_json(200, {"data": [template], "paging": paging})


def adaptive(script):
    """The number's own page and read receipts are answered as Meta would; the rest is the script's."""

    async def adapted(connection):
        head, body = await connection.peek()
        if script is TAKEN and head.startswith(b"GET /v25.0/" + WABA.encode()):
            await template_page(head)(connection)
        elif script is TAKEN and head.startswith(b"GET"):
            await HEALTHY(connection)
        elif b'"status":"read"' in body:
            await answer_json(200, payloads.load("responses/success.json"))(connection)
        else:
            await script(connection)

    return adapted


CLOUD = Case(
    spec=cloud.SPEC,
    hook=HOOK,
    channel=CHANNEL,
    secrets=frozenset({"app_secret", "verify_token", "access_token"}),
    sign=sign,
    signature=SIGNATURE,
    webhooks=payloads.webhooks(),
    wrote=wrote,
    reached=reached,
    outcomes={name: kind for name, (kind, _) in OUTCOMES.items()},
    templates=TEMPLATES,
    connect=connect,
)
