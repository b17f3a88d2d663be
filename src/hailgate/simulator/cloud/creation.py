"""New templates: what Meta takes for review, and what the review says. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from hailgate.simulator.cloud.errors import GraphError
from hailgate.simulator.cloud.params import Params
from hailgate.simulator.cloud.templates import VARIABLE, Template

NAME = re.compile(r"[a-z0-9_]{1,512}")
LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2,4})?")
CATEGORIES = ("MARKETING", "UTILITY", "AUTHENTICATION")
FORMATS = ("TEXT", "IMAGE", "VIDEO", "DOCUMENT", "LOCATION")
BUTTONS = ("QUICK_REPLY", "URL", "PHONE_NUMBER", "COPY_CODE", "OTP", "FLOW")
ADJACENT = re.compile(r"\}\}\s*\{\{")
MAX_BODY, MAX_HEADER, MAX_FOOTER, MAX_BUTTONS, MAX_BUTTON_TEXT = 1024, 60, 60, 10, 25
CODE_URL = "https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp{{1}}"


def parse_creation(call: object, template_id: str) -> Template:
    """Raises the GraphError that Meta would answer with."""
    params = Params(call, "template")
    name, language = params.get_text("name"), params.get_text("language")
    if not NAME.fullmatch(name):
        raise refusal(None, "Invalid template name", "Lower case letters, digits and underscores only, at most 512.")
    if not LANGUAGE.fullmatch(language):
        raise GraphError(100, f"Param language must be one of the supported languages, not {language[:20]}.")
    category = params.get_choice("category", CATEGORIES)
    form = params.get_choice("parameter_format", ["POSITIONAL", "NAMED"]) if "parameter_format" in params else None
    parts = params.get_list("components")
    components = [parse_component(part, category) for part in parts]
    if "BODY" not in [part["type"] for part in components]:
        raise refusal(2388047, "Body is missing", "A template needs a BODY component.")
    return Template(template_id, name, language, "PENDING", category, components, form or "POSITIONAL")


def parse_component(part: Params, category: str) -> dict[str, Any]:
    match part.get_choice("type", ["HEADER", "BODY", "FOOTER", "BUTTONS"]):
        case "HEADER":
            return parse_header(part)
        case "BODY" if category == "AUTHENTICATION":
            return {"type": "BODY", "text": "*{{1}}* is your verification code."}
        case "BODY":
            text = part.get_text("text")
            check_length(text, MAX_BODY, "body")
            check_variables(text)
            return dict(part.value)
        case "FOOTER":
            return parse_footer(part)
        case _:
            return {"type": "BUTTONS", "buttons": [parse_button(b) for b in part.get_list("buttons", most=MAX_BUTTONS)]}


def parse_header(part: Params) -> dict[str, Any]:
    if part.get_choice("format", FORMATS) == "TEXT":
        text = part.get_text("text")
        check_length(text, MAX_HEADER, "header")
        if len(VARIABLE.findall(text)) > 1:
            raise refusal(2388047, "Header is badly formatted", "A header may have one variable.")
    return dict(part.value)


def parse_footer(part: Params) -> dict[str, Any]:
    if "text" not in part:  # of an authentication template
        minutes = int(part.get_number("code_expiration_minutes", 1, 90))
        return {"type": "FOOTER", "text": f"This code expires in {minutes} minutes."}
    text = part.get_text("text")
    check_length(text, MAX_FOOTER, "footer")
    if VARIABLE.search(text):
        raise refusal(2388073, "Footer is badly formatted", "A footer may have no variable.")
    return dict(part.value)


def parse_button(button: Params) -> dict[str, Any]:
    kind = button.get_choice("type", BUTTONS)
    if kind == "OTP":
        return {"type": "URL", "text": button.find_text("text", MAX_BUTTON_TEXT) or "Copy code", "url": CODE_URL}
    if kind != "COPY_CODE":
        button.get_text("text", MAX_BUTTON_TEXT)
    if kind == "URL":
        button.get_text("url", 2000)
    if kind == "PHONE_NUMBER":
        button.get_text("phone_number", 20)
    return dict(button.value)


def check_length(text: str, most: int, part: str) -> None:
    if len(text) > most:
        raise refusal(
            2388040, "Character limit exceeded", f"The {part} has {len(text)} characters, {most} are allowed."
        )


def check_variables(text: str) -> None:
    stripped = text.strip()
    variables = list(VARIABLE.finditer(stripped))
    if variables and (variables[0].start() == 0 or variables[-1].end() == len(stripped)):
        raise refusal(2388299, "Leading or trailing variables", "A variable may not be first or last in the text.")
    if len(variables) * 3 > len(VARIABLE.sub("", stripped).split()) + 2:
        raise refusal(2388293, "Too many variables", "There are too many variables for the length of the text.")


def find_rejection(template: Template) -> Mapping[str, str] | None:
    """Why the review rejects it: two variables with nothing between them."""
    if ADJACENT.search(template.find("BODY").get("text", "")):
        return {"reason": "Adjacent variables", "recommendation": "Put text between variables"}
    return None


def already_exists(name: str) -> GraphError:
    return refusal(2388024, "Content in this language already exists", f"There is a {name} in this language already.")


def being_deleted() -> GraphError:
    return refusal(2388023, "Message template language is being deleted", "Try again in 4 weeks.")


def refusal(subcode: int | None, title: str, text: str) -> GraphError:
    return GraphError(100, message="Invalid parameter", subcode=subcode, user_title=title, user_msg=text)
