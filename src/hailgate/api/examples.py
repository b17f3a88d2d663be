"""A body to begin with for each operation that takes one, as its reader offers it for trying out."""

from typing import Any, Final

from hailgate.api.answer_examples import ANSWERS, EXPORTS, PARAMETERS

_ID: Final = "01932f4b-7c1e-7a60-9b1f-5c3d2e4f6a70"
_OTHER: Final = "01932f4b-7c1e-7a60-9b1f-5c3d2e4f6a71"
_TEXT: Final = {"type": "text", "text": {"body": "Your order is ready."}}
_BUTTONS: Final = {
    "type": "button",
    "body": {"text": "Shall we meet at ten?"},
    "action": {
        "buttons": [
            {"type": "reply", "reply": {"id": "yes", "title": "Yes"}},
            {"type": "reply", "reply": {"id": "no", "title": "No"}},
        ]
    },
}
_POLL: Final = {
    "type": "poll",
    "body": {"text": "Which days suit you?"},
    "action": {"options": ["Monday", "Tuesday", "Friday"], "selectable_count": 0},
}
_TEMPLATE: Final = {
    "name": "order_ready",
    "language": {"code": "en_US"},
    "components": [{"type": "body", "parameters": [{"type": "text", "text": "order 17"}]}],
}
_WHERE: Final = {"channel": "reception", "to": "+15550100042"}

# By operation; each with the name under which a reader lists it.
BODIES: Final[dict[str, dict[str, Any]]] = {
    "create_message": {
        "text": {**_WHERE, **_TEXT, "metadata": {"order": "17"}},
        "buttons": {**_WHERE, "type": "interactive", "interactive": _BUTTONS},
        "poll": {**_WHERE, "type": "interactive", "interactive": _POLL},
        "template": {**_WHERE, "type": "template", "template": _TEMPLATE},
        "Markdown": {**_WHERE, "type": "text", "text": {"body": "**Ready:** order 17"}, "markdown": True},
        "pattern": {
            **_WHERE,
            "type": "text",
            "pattern": {"name": "greeting", "language": "en", "values": {"name": "Ana"}},
        },
        "picture": {**_WHERE, "type": "image", "image": {"attachment": _ID, "caption": "The plan"}},
    },
    "create_batch": {
        "two": {"messages": [{**_WHERE, **_TEXT}, {**_WHERE, "to": "+15550100043", **_TEXT, "priority": "bulk"}]}
    },
    "hand_over": {"to a person": {"to": "person"}, "to the assistant": {"to": "assistant"}},
    "revive_dead_letters": {"one": {"ids": [_ID]}},
    "dismiss_dead_letters": {"two": {"ids": [_ID, _OTHER]}},
    "revive_all_dead_letters": {"of a channel": {"channel": "reception", "state": "dead"}},
    "edit_dead_letter": {"text": _TEXT},
    "settle_dead_letter": {"it arrived": {"sent": True}, "it did not": {"sent": False}},
    "join_contacts": {"two": {"one": _ID, "other": _OTHER}},
    "set_consent": {
        "on a form": {"scope": "unasked", "wanted": True, "proof": "form 17 of 2026-11-20"},
        "no more": {"scope": "marketing", "wanted": False},
    },
    "set_pattern": {"a greeting": {"text": "Hello {{name}}, how can we help you?"}},
    "name_contact": {"name": {"name": "Ana Souza"}},
    "change_session": {"with a QR code": {"wish": "pair"}, "with a code": {"wish": "pair", "phone": "+15550100000"}},
    "receive_webhook_below": {"nothing new": {"event": "messages.update", "data": []}},
    "receive_webhook": {"nothing new": {"object": "whatsapp_business_account", "entry": []}},
}


# What providers post as a form.
_FORM: Final = {"MessageSid": "SM00000000000000000000000000000017", "MessageStatus": "delivered"}
FORMS: Final = {"receive_webhook": _FORM, "receive_webhook_below": _FORM}


def give_examples(operations: dict[str, Any]) -> None:
    """Put them into the operations of one path: bodies, answers and parameters."""
    for operation in operations.values():
        _give_bodies(operation)
        _give_answers(operation)
        for parameter in operation.get("parameters", ()):
            if parameter["name"] in PARAMETERS and "enum" not in parameter["schema"]:
                parameter["example"] = PARAMETERS[parameter["name"]]


def _give_bodies(operation: dict[str, Any]) -> None:
    content = operation.get("requestBody", {}).get("content", {})
    if bodies := BODIES.get(operation["operationId"]):
        content["application/json"]["examples"] = {name: {"value": body} for name, body in bodies.items()}
    if form := FORMS.get(operation["operationId"]):
        content["application/x-www-form-urlencoded"]["example"] = form


def _give_answers(operation: dict[str, Any]) -> None:
    answer = ANSWERS.get(operation["operationId"])
    for status, response in operation["responses"].items():
        for media, content in response.get("content", {}).items():
            if media in EXPORTS:
                content["example"] = EXPORTS[media]
            elif str(status).startswith("2") and answer is not None:
                content["example"] = answer
