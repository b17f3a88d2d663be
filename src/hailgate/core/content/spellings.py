"""Spellings: how Meta's own pages and common clients write a message, brought into the one that is stored. Pure.

Only what did not read as it stood comes here, so that an honest message pays nothing. What is not known stays as it is,
and is then refused in the caller's own words.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Fields = dict[str, Any]
# Members of a Cloud API request that say nothing here: who sends, and that it is WhatsApp.
_ENVELOPE: Final = {"messaging_product": {"whatsapp"}, "recipient_type": {"individual", "group"}}
# Where a client that holds everything as text, or every number as a number, writes the other.
_WITH_VALUES: Final = frozenset(
    {"text", "image", "video", "audio", "document", "sticker", "interactive", "template", "reaction"}
)
_WHOLE: Final = frozenset(
    {"amount_1000", "card_index", "expiration_time_ms", "day_of_month", "year", "month", "hour", "minute", "timestamp"}
)
_IDS: Final = frozenset(
    {"id", "flow_id", "flow_token", "catalog_id", "product_retailer_id", "thumbnail_product_retailer_id", "payload",
     "coupon_code"}
)  # fmt: skip
_YES_OR_NO: Final = {"true": True, "false": False}
_DIGITS: Final = re.compile(r"[0-9]{1,15}")
_DEEPEST: Final = 12
# The kind's name until 2026-05-28.
_RENAMED: Final = {"contact_request": "request_contact_info"}


def respelled(fields: Mapping[str, Any], kinds: tuple[str, ...]) -> Fields:
    """The same with lower-case kinds, numbers where numbers belong, and a `type` where it goes without saying."""
    told = {name: value for name, value in fields.items() if not _goes_without_saying(name, value)}
    kind = _lower(told.get("type", _find_kind(told, kinds)))
    if kind is not None:
        told["type"] = kind
    for name, respell in _MEMBERS.items():
        if isinstance(told.get(name), dict):
            told[name] = respell(told[name])
    return {name: _plain(value) if name in _WITH_VALUES else value for name, value in told.items()}


def _plain(value: Any, name: str = "", depth: int = 0) -> Any:
    """Whole numbers, ids and answers of yes or no as what they are, wherever they stand."""
    if depth > _DEEPEST:
        return value
    if isinstance(value, dict):
        return {key: _plain(each, key, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each, name, depth + 1) for each in value]
    if name in _WHOLE and isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    if name in _IDS and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _YES_OR_NO.get(value, value) if name == "preview_url" and isinstance(value, str) else value


def _goes_without_saying(name: str, value: object) -> bool:
    return isinstance(value, str) and value in _ENVELOPE.get(name, ())


def _find_kind(fields: Mapping[str, Any], kinds: tuple[str, ...]) -> str | None:
    """Meta takes a message without a type for a text; its own example of a list has none, either."""
    named = [kind for kind in kinds if kind in fields]
    return named[0] if len(named) == 1 else None


def _lower(value: object) -> Any:
    return value.lower() if isinstance(value, str) else value


# --- places -----------------------------------------------------------------------------------------------------------


def _place(place: Fields) -> Fields:
    return place | {name: _number(place[name]) for name in ("latitude", "longitude") if name in place}


def _number(value: object) -> object:
    """A number in quotes; what is none stays to be refused."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


# --- interactive ------------------------------------------------------------------------------------------------------


def _interactive(asked: Fields) -> Fields:
    kind = _lower(asked.get("type"))
    told = asked | ({"type": _RENAMED.get(kind, kind)} if isinstance(kind, str) else {})
    if isinstance(told.get("header"), dict):
        told["header"] = _typed(told["header"])
    if isinstance(told.get("action"), dict):
        told["action"] = _action(told["action"])
    return told


def _action(action: Fields) -> Fields:
    told = dict(action)
    if isinstance(name := _lower(action.get("name")), str):
        told["name"] = _RENAMED.get(name, name)
    for name, respell in (("buttons", _typed), ("cards", _card)):
        if isinstance(told.get(name), list):
            told[name] = [respell(each) if isinstance(each, dict) else each for each in told[name]]
    if isinstance(told.get("parameters"), dict):
        told["parameters"] = _action_parameters(told["parameters"])
    return told


def _card(card: Fields) -> Fields:
    told = _typed(card)
    if isinstance(told.get("header"), dict):
        told["header"] = _typed(told["header"])
    if isinstance(told.get("action"), dict):
        told["action"] = _action(told["action"])
    return told


def _action_parameters(parameters: Fields) -> Fields:
    told = dict(parameters)
    for name in ("mode", "flow_action"):
        if name in told:
            told[name] = _lower(told[name])
    version, minutes = told.get("flow_message_version"), told.get("ttl_minutes")
    if isinstance(version, int | float) and not isinstance(version, bool):
        told["flow_message_version"] = f"{version:g}"
    if isinstance(minutes, float) and minutes.is_integer():
        told["ttl_minutes"] = int(minutes)
    return told


# --- templates --------------------------------------------------------------------------------------------------------


def _template(template: Fields) -> Fields:
    if isinstance(template.get("language"), str):
        template = template | {"language": {"code": template["language"]}}
    if not isinstance(template.get("components"), list):
        return {name: value for name, value in template.items() if (name, value) != ("components", None)}
    return template | {"components": [_component(each) for each in template["components"]]}


def _component(component: Any) -> Any:
    if not isinstance(component, dict):
        return component
    told = _typed(component)
    if "sub_type" in told:
        told["sub_type"] = _lower(told["sub_type"])
    if told.get("sub_type") == "voice_call":  # always the only one of its kind; Meta's examples give it no place
        told.setdefault("index", 0)
    if isinstance(told.get("parameters"), list):
        told["parameters"] = [_parameter(each) for each in told["parameters"]]
    if isinstance(told.get("cards"), list):
        told["cards"] = [_template(each) if isinstance(each, dict) else each for each in told["cards"]]
    return told


def _parameter(parameter: Any) -> Any:
    if not isinstance(parameter, dict):
        return parameter
    told = _typed(parameter)
    if isinstance(told.get("text"), bool | int | float):  # Meta's own example of a quick reply says `true`
        told["text"] = str(told["text"]).lower()
    if isinstance(told.get("location"), dict):
        told["location"] = _place(told["location"])
    return told


def _typed(value: Fields) -> Fields:
    """`{"type": "IMAGE", "IMAGE": …}` as `{"type": "image", "image": …}`."""
    kind = value.get("type")
    if not isinstance(kind, str):
        return dict(value)
    return {(name.lower() if name == kind else name): each for name, each in value.items()} | {"type": kind.lower()}


_MEMBERS: Final[Mapping[str, Callable[[Fields], Fields]]] = {
    "location": _place,
    "interactive": _interactive,
    "template": _template,
}
