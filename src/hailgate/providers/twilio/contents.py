"""Questions through Twilio's Content API: one Content per shape, and every word of a message as a variable. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from hailgate.core.content.interactive import ButtonQuestion, ListQuestion, Question
from hailgate.core.content.menus import render_question
from hailgate.core.errors import Rejected
from hailgate.core.templates import TemplateDefinition
from hailgate.core.templates.definition import VARIABLE, names_in

LANGUAGE: Final = "en"  # of the shape alone: it holds no words


class Shaped(NamedTuple):
    """``name`` is that of the shape, unique within an account; ``variables`` are this message's words."""

    name: str
    types: Mapping[str, Any]
    variables: Mapping[str, str]

    def creation(self) -> Mapping[str, Any]:
        samples = dict.fromkeys(self.variables, "sample")
        return {"friendly_name": self.name, "language": LANGUAGE, "variables": samples, "types": self.types}


class _Words:
    """Numbers words as they are met; what is put in their place is a variable."""

    def __init__(self) -> None:
        self.variables: dict[str, str] = {}

    def put(self, word: str) -> str:
        place = str(len(self.variables) + 1)
        self.variables[place] = word
        return f"{{{{{place}}}}}"


def shape_question(question: Question) -> Shaped:
    """Raises Rejected for a question that Twilio cannot ask."""
    words = _Words()
    body = words.put(render_question(question))
    match question:
        case ButtonQuestion():
            kind, part = "quick-reply", {"body": body, "actions": list(_buttons(question, words))}
        case ListQuestion():
            kind = "list-picker"
            part = {"body": body, "button": words.put(question.action.button), "items": list(_items(question, words))}
        case _:
            raise Rejected("Twilio cannot ask such a question.", code="unsupported_content")
    described = "".join("d" if "description" in item else "-" for item in part.get("items", ()))
    name = f"hailgate_{kind}_{described or len(part.get('actions', ()))}"
    return Shaped(name, {f"twilio/{kind}": part}, words.variables)


def _buttons(question: ButtonQuestion, words: _Words) -> Iterator[dict[str, str]]:
    for button in question.action.buttons:
        yield {"type": "QUICK_REPLY", "title": words.put(button.reply.title), "id": words.put(button.reply.id)}


def _items(question: ListQuestion, words: _Words) -> Iterator[dict[str, str]]:
    for section in question.action.sections:
        for row in section.rows:
            item = {"item": words.put(row.title), "id": words.put(row.id)}
            yield item | ({"description": words.put(row.description)} if row.description else {})


def parse_template(content: Mapping[str, Any], approval: Mapping[str, Any]) -> TemplateDefinition | None:
    """None for what is no template: our own shapes among them."""
    sid, name, types = content.get("sid"), content.get("friendly_name"), content.get("types")
    if not (isinstance(sid, str) and isinstance(name, str) and isinstance(types, dict)) or name.startswith("hailgate_"):
        return None
    part = next((part for part in types.values() if isinstance(part, dict)), {})
    body, variables = str(part.get("body", "")), set(names_in(json.dumps(types)))
    components = [{"type": "BODY", "text": body}] if body else []
    return TemplateDefinition(
        provider_id=sid,
        name=name,
        language=str(content.get("language", "")),
        category=str(approval.get("category", "")).upper(),
        status=str(approval.get("status", "unsubmitted")).upper(),
        named=variables != {str(place) for place in range(1, len(variables) + 1)},
        # Where a title or an address has variables, too, Twilio alone judges a call.
        components=json.dumps(components) if variables <= set(names_in(body)) else "",
        reason=str(approval.get("rejection_reason", "")),
    )


def fill_body(content: Mapping[str, Any], variables: Mapping[str, str]) -> str | None:
    """The samples stand in for what is not given, as Twilio lets them."""
    types, samples = content.get("types"), content.get("variables")
    parts = types.values() if isinstance(types, dict) else ()
    body = next((part.get("body") for part in parts if isinstance(part, dict)), None)
    values = {**(samples if isinstance(samples, dict) else {}), **variables}
    if not isinstance(body, str) or not set(names_in(body)) <= values.keys():
        return None
    return VARIABLE.sub(lambda found: str(values[found[1]]), body)
