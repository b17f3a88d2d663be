"""Message templates: what one says, what a send must fill in, and what the person then sees. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hailgate.simulator.cloud.content import check_source
from hailgate.simulator.cloud.errors import GraphError
from hailgate.simulator.cloud.params import Params

VARIABLE = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
UNFIT = re.compile(r"[\n\t]| {5}")  # what a parameter may not hold
MAX_BODY = 1024  # characters once it is filled in
MEDIA_FORMATS = ("image", "video", "document")
FIXED_PARTS = ("limited_time_offer", "carousel")  # passed on as they are

Texts = Mapping[str, str]


class Template(msgspec.Struct, frozen=True):
    """`components` as the Graph API lists them."""

    id: str
    name: str
    language: str
    status: str
    category: str
    components: list[dict[str, Any]]
    parameter_format: str = "POSITIONAL"
    quality: str = "UNKNOWN"

    def find(self, kind: str) -> Mapping[str, Any]:
        """The component of this kind, empty if there is none."""
        return next((part for part in self.components if part["type"] == kind), {})

    @property
    def buttons(self) -> list[dict[str, Any]]:
        return list(self.find("BUTTONS").get("buttons", []))


def check_may_send(template: Template | None, name: str, language: str, *, by_user_id: bool) -> Template:
    if template is None or template.status not in {"APPROVED", "PAUSED", "DISABLED"}:
        raise GraphError(132001, f"template name ({name}) does not exist in {language}")
    if template.status == "PAUSED":
        raise GraphError(132015, "Template is paused due to low quality")
    if template.status == "DISABLED":
        raise GraphError(132016, "Template is disabled")
    if by_user_id and template.category == "AUTHENTICATION":
        raise GraphError(131062)
    return template


def fill(template: Template, components: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the person sees: header, body, footer, buttons. Raises the GraphError that Meta would answer with."""
    given = sort_components(components)
    shown: dict[str, Any] = {"name": template.name, "category": template.category}
    if header := fill_header(template, given.get("header")):
        shown["header"] = header
    shown["body"] = fill_text("body", template, template.find("BODY").get("text", ""), given.get("body"))
    if len(shown["body"]) > MAX_BODY:
        raise GraphError(132005, f"body: text is {len(shown['body'])} characters long, {MAX_BODY} are allowed")
    if footer := template.find("FOOTER"):
        shown["footer"] = footer["text"]
    shown["buttons"] = [fill_button(index, button, given) for index, button in enumerate(template.buttons)]
    return shown


def sort_components(components: Sequence[Mapping[str, Any]]) -> dict[str, Params]:
    """By type; buttons by `button` and their index."""
    given: dict[str, Params] = {}
    for index, component in enumerate(components):
        params = Params(component, f"template['components'][{index}]")
        kind = params.get_choice("type", ["header", "body", "button", *FIXED_PARTS]).lower()
        if kind == "button":
            params.get_text("sub_type")
            kind = f"button {int(params.get_number('index', 0, 9))}"
        given[kind] = params
    return given


def fill_header(template: Template, given: Params | None) -> dict[str, Any]:
    header = template.find("HEADER")
    form = str(header.get("format", "TEXT")).lower()
    if not header or form == "text":
        text = fill_text("header", template, header.get("text", ""), given)
        return {"type": "text", "text": text} if text else {}
    parameters = given.get_list("parameters", least=0) if given and "parameters" in given else []
    received = parameters[0].value.get("type") if parameters else "UNKNOWN"
    if received != form or len(parameters) != 1:
        raise GraphError(132012, f"header: Format mismatch, expected {form.upper()}, received {received}".upper())
    media = parameters[0].get_params(form)
    if form in MEDIA_FORMATS:
        check_source(media)
    return {"type": form, form: dict(media.value)}


def fill_text(part: str, template: Template, text: str, given: Params | None) -> str:
    """The text of a component with its variables replaced, each of which must be given, and no other."""
    wanted = list(dict.fromkeys(VARIABLE.findall(text)))
    parameters = given.get_list("parameters", least=0) if given and "parameters" in given else []
    if len(parameters) != len(wanted):
        raise GraphError(
            132000,
            f"{part}: number of localizable_params ({len(parameters)}) does not match the expected number of"
            f" params ({len(wanted)})",
        )
    values = name_values(part, template, wanted, parameters)
    return VARIABLE.sub(lambda match: values[match.group(1)], text)


def name_values(part: str, template: Template, wanted: Sequence[str], parameters: Sequence[Params]) -> Texts:
    values = [take_value(parameter) for parameter in parameters]
    if template.parameter_format != "NAMED":
        return dict(zip(wanted, values, strict=True))
    names = [parameter.find_text("parameter_name") for parameter in parameters]
    if set(names) != set(wanted):
        raise GraphError(132012, f"{part}: parameter names do not match; expected {', '.join(wanted)}")
    return {str(name): value for name, value in zip(names, values, strict=True)}


def take_value(parameter: Params) -> str:
    kind = parameter.get_choice("type", ["text", "currency", "date_time"])
    text = parameter.get_text("text") if kind == "text" else parameter.get_params(kind).get_text("fallback_value")
    if UNFIT.search(text):
        raise GraphError(132008, "Param text cannot have new-line/tab characters or more than 4 consecutive spaces")
    return text


def fill_button(index: int, button: Mapping[str, Any], given: Mapping[str, Params]) -> dict[str, Any]:
    params = given.get(f"button {index}")
    match button["type"]:
        case "QUICK_REPLY":
            payload = take_button_value(params, "payload") if params else button["text"]
            return {"type": "quick_reply", "text": button["text"], "payload": payload}
        case "URL":
            return {"type": "url", "text": button["text"], "url": fill_url(index, str(button["url"]), params)}
        case "COPY_CODE":
            if params is None:
                raise parameter_missing(index, "Copy_code")
            return {"type": "copy_code", "text": "Copy offer code", "code": take_button_value(params, "coupon_code")}
        case kind:
            rest = {key: value for key, value in button.items() if key in {"phone_number", "flow_id"}}
            return {"type": str(kind).lower(), "text": button.get("text", ""), **rest}


def fill_url(index: int, url: str, params: Params | None) -> str:
    if not VARIABLE.search(url):
        return url
    if params is None:
        raise parameter_missing(index, "Url")
    suffix = take_button_value(params, "text")
    return VARIABLE.sub(lambda _: suffix, url)


def take_button_value(params: Params, kind: str) -> str:
    [parameter] = params.get_list("parameters", most=1)
    parameter.get_choice("type", [kind])
    return parameter.get_text(kind)


def parameter_missing(index: int, kind: str) -> GraphError:
    return GraphError(131008, f"buttons: Button at index {index} of type {kind} requires a parameter")


def list_media(template: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The kind and the object of each medium that a template's parameters name."""
    parameters = [
        parameter
        for component in template.get("components") or []
        for parameter in component.get("parameters") or []
        if isinstance(parameter, dict)
    ]
    return [
        (kind, parameter[kind])
        for parameter in parameters
        for kind in MEDIA_FORMATS
        if isinstance(parameter.get(kind), dict)
    ]
