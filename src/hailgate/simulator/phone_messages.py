"""What a phone sends: the Cloud API's shape without sender, id and time, whichever provider hears of it. Pure.

Media by the id of a file that was put on the phone, a quote as `context.message_id`. Beside the kinds of messages there
are `call` and `user_preferences`. A kind that is not known here passes as it is.
"""

from collections.abc import Callable, Mapping
from typing import Any

MEDIA_KINDS = frozenset({"image", "video", "document", "audio", "sticker"})
# Not the person's words: they open no customer service window.
SILENT_KINDS = frozenset({"system", "user_preferences", "edit", "revoke"})
SYSTEM_TYPES = ("user_changed_number", "user_changed_user_id", "customer_identity_changed")
# Of each kind what must be there, as paths; a list's `*` stands for each of its items.
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "text": ("text.body",),
    **{kind: (f"{kind}.id",) for kind in MEDIA_KINDS},
    "location": ("location.latitude", "location.longitude"),
    "contacts": ("contacts",),
    "reaction": ("reaction.message_id",),
    "button": ("button.payload", "button.text"),
    "interactive": ("interactive.type",),
    "poll": ("poll.name", "poll.options"),
    "poll_vote": ("poll_vote.message_id",),
    "order": ("order.catalog_id", "order.product_items"),
    "system": ("system.type",),
    "edit": ("edit.original_message_id", "edit.message.type"),
    "revoke": ("revoke.original_message_id",),
    "unsupported": (),
    "call": ("call.event",),
    "user_preferences": ("user_preferences.value",),
}
REPLIES: Mapping[str, tuple[str, ...]] = {
    "button_reply": ("id", "title"),
    "list_reply": ("id", "title"),
    "nfm_reply": ("response_json",),
}


def check_inbound(message: Mapping[str, Any]) -> None:
    """Raises ValueError with a sentence that names the field."""
    kind = message.get("type")
    if not isinstance(kind, str) or not kind:
        raise ValueError("`message.type` is missing, e.g. text.")
    if not isinstance(message.get("context", {}), dict):
        raise ValueError("`message.context` is an object with `message_id`.")  # noqa: TRY004 - it is input
    if not isinstance(message.get("group_id", ""), str):
        raise ValueError("`message.group_id` is text.")  # noqa: TRY004
    for path in REQUIRED.get(kind, ()):
        check_path(message, path)
    if kind in CHECKS:
        CHECKS[kind](message[kind])


def check_path(message: Mapping[str, Any], path: str) -> None:
    value: Any = message
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if value in (None, "", [], {}):
        raise ValueError(f"`message.{path}` is missing or empty.")


def check_interactive(interactive: Mapping[str, Any]) -> None:
    kind = interactive["type"]
    if kind not in REPLIES:
        raise ValueError(f"`message.interactive.type` is one of: {', '.join(REPLIES)}.")
    for name in REPLIES[kind]:
        check_path({"interactive": interactive}, f"interactive.{kind}.{name}")


def check_system(system: Mapping[str, Any]) -> None:
    needed = {"user_changed_number": "wa_id", "user_changed_user_id": "user_id"}
    if system["type"] not in SYSTEM_TYPES:
        raise ValueError(f"`message.system.type` is one of: {', '.join(SYSTEM_TYPES)}.")
    if system["type"] in needed:
        check_path({"system": system}, f"system.{needed[system['type']]}")


def check_call(call: Mapping[str, Any]) -> None:
    if call["event"] not in {"connect", "terminate"}:
        raise ValueError("`message.call.event` is connect or terminate.")


def check_preferences(preferences: Mapping[str, Any]) -> None:
    if preferences["value"] not in {"stop", "resume"}:
        raise ValueError("`message.user_preferences.value` is stop or resume.")


def check_vote(vote: Mapping[str, Any]) -> None:
    if not isinstance(vote.get("options"), list):
        raise ValueError("`message.poll_vote.options` is a list; an empty one takes the vote back.")  # noqa: TRY004


CHECKS: Mapping[str, Callable[[Any], None]] = {
    "interactive": check_interactive,
    "system": check_system,
    "call": check_call,
    "poll_vote": check_vote,
    "user_preferences": check_preferences,
}


def opens_window(message: Mapping[str, Any]) -> bool:
    """Whether what the person does lets the business write freely for a day."""
    return message["type"] not in SILENT_KINDS


def find_file_id(message: Mapping[str, Any]) -> str | None:
    """The id of the file that the phone sends with this message."""
    return str(message[message["type"]]["id"]) if message["type"] in MEDIA_KINDS else None
