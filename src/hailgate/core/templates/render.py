"""A template with its variables filled in: as a call to send, and as the person reads it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hailgate.core.content.parts import DocumentFile, File
from hailgate.core.content.templates import (
    BodyComponent,
    ButtonComponent,
    ButtonParameter,
    Component,
    CouponParameter,
    CurrencyParameter,
    DocumentParameter,
    HeaderComponent,
    ImageParameter,
    Language,
    MomentParameter,
    Parameter,
    PayloadParameter,
    TemplateCall,
    TextParameter,
    VideoParameter,
)
from hailgate.core.templates.definition import VARIABLE, Button, Definition, TemplateDefinition, names_in
from hailgate.core.templates.variables import FILES, told_by
from hailgate.core.uids import find_uid

Values = Mapping[str, str]
"""By the keys of `list_variables`."""


class Shown(NamedTuple):
    """What the person reads. `header` is its text; of a file or a place only `header_kind` is told."""

    header_kind: str
    header: str
    body: str
    footer: str
    buttons: tuple[str, ...]


def preview_template(definition: Definition, values: Values) -> Shown:
    """A variable without a value stays as it stands in the template."""
    face = definition.face
    header = face.header
    return Shown(
        header.form if header else "",
        _filled(header.text, "header", values) if header else "",
        _filled(face.body, "body", values),
        face.footer,
        tuple(button.text for button in face.buttons),
    )


def fill_call(template: TemplateDefinition, definition: Definition, values: Values) -> TemplateCall:
    """The call that a form's values make; what is missing or unfit, `check_template` tells."""
    face = definition.face
    components: list[Component] = []
    header = face.header
    if header and header.form in FILES:
        if given := values.get("header", "").strip():
            components.append(HeaderComponent((_file(header.form, given),)))
    elif header and (texts := _texts(header.text, "header", definition, values)):
        components.append(HeaderComponent(texts))
    if texts := _texts(face.body, "body", definition, values):
        components.append(BodyComponent(texts))
    for index, button in enumerate(face.buttons):
        if (given := values.get(f"button.{index}", "").strip()) and (parameter := _told(button, given)):
            components.append(ButtonComponent(button.kind, index, (parameter,)))  # type: ignore[arg-type]
    return TemplateCall(template.name, Language(template.language), tuple(components))


def values_of(call: TemplateCall, definition: Definition) -> dict[str, str]:
    """The texts of a call by the keys of their variables, so that what was sent can be shown."""
    face, values = definition.face, dict[str, str]()
    texts = {"header": face.header.text if face.header else "", "body": face.body}
    for component in call.components:
        if isinstance(component, HeaderComponent | BodyComponent):
            part = "header" if isinstance(component, HeaderComponent) else "body"
            values |= _given(part, names_in(texts[part]), component.parameters)
    return values


def _given(part: str, names: Sequence[str], parameters: Sequence[Parameter]) -> dict[str, str]:
    given = {}
    for position, parameter in enumerate(parameters):
        if isinstance(parameter, TextParameter | CurrencyParameter | MomentParameter) and position < len(names):
            given[f"{part}.{parameter.parameter_name or names[position]}"] = text_of(parameter)
    return given


def text_of(parameter: TextParameter | CurrencyParameter | MomentParameter) -> str:
    match parameter:
        case TextParameter(text=text):
            return text
        case CurrencyParameter(currency=amount):
            return amount.fallback_value
        case MomentParameter(date_time=moment):
            return moment.fallback_value


def _filled(text: str, part: str, values: Values) -> str:
    return VARIABLE.sub(lambda found: values.get(f"{part}.{found[1]}") or found[0], text)


def _texts(text: str, part: str, definition: Definition, values: Values) -> tuple[TextParameter, ...]:
    """Up to the first one that is missing: its number is then what is wrong."""
    found = []
    for name in names_in(text):
        value = values.get(f"{part}.{name}", "").strip()
        if not value:
            break
        found.append(TextParameter(value, name if definition.named else None))
    return tuple(found)


def _file(form: str, given: str) -> Parameter:
    """The id of a file stored here, an address, or else the provider's own id."""
    if find_uid(given) is not None:
        file = File(attachment=given)
    else:
        file = File(link=given) if given.startswith(("http://", "https://")) else File(id=given)
    if form == "image":
        return ImageParameter(file)
    if form == "video":
        return VideoParameter(file)
    return DocumentParameter(DocumentFile(attachment=file.attachment, id=file.id, link=file.link))


def _told(button: Button, given: str) -> ButtonParameter | None:
    told = told_by(button)
    kinds = {"suffix": TextParameter, "payload": PayloadParameter, "coupon_code": CouponParameter}
    return kinds[told[0]](given) if told and told[0] in kinds else None
