"""Whether a call fits its template: refused before it is accepted, with the field, the rule and what to do."""

import re
import unicodedata
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple, TypeVar

from hailgate.core.address import AddressKind
from hailgate.core.content.parts import LINK_LIMIT
from hailgate.core.content.refusals import refused
from hailgate.core.content.templates import (
    BUTTON_KINDS,
    ActionParameter,
    BodyComponent,
    ButtonComponent,
    ButtonParameter,
    CarouselComponent,
    Component,
    CouponParameter,
    CurrencyParameter,
    DocumentParameter,
    GifParameter,
    HeaderComponent,
    ImageParameter,
    LocationParameter,
    MomentParameter,
    OfferComponent,
    Parameter,
    PayloadParameter,
    ProductParameter,
    TemplateCall,
    TextParameter,
    VideoParameter,
)
from hailgate.core.errors import InputError
from hailgate.core.templates.definition import (
    APPROVED,
    VARIABLE,
    Button,
    Definition,
    Face,
    TemplateDefinition,
    names_in,
    parse_definition,
)
from hailgate.core.templates.render import text_of
from hailgate.core.templates.variables import told_by

AUTHENTICATION: Final = "AUTHENTICATION"
CODE_LIMIT: Final = 15
HEADER_LIMIT: Final = 60
BODY_LIMIT: Final = 1024
# What a phone would make a link of; a top-level domain may be of any script.
_ADDRESS: Final = re.compile(
    r"//|\b(?:https?|mailto|sms|tel|whatsapp):|\bwww\.|\w\.[^\W\d_]{2,}(?:[/:?#]|$)|^(?:\d{1,3}\.){3}\d{1,3}\b",
    re.IGNORECASE,
)
# The sign that makes a picture of the one before it, and the one that puts it into a key. All others are symbols.
_EMOJI_SIGNS: Final = "\ufe0f\u20e3"
Kind = TypeVar("Kind", bound=Component)

_COMPONENTS: Final = "template.components"
# A status that is not named here lets the provider decide.
_UNSENDABLE: Final = {
    "PENDING": "is still under review; wait until it is approved",
    "IN_APPEAL": "is under review again; wait until it is approved",
    "REJECTED": "was rejected; edit it at the provider and have it approved",
    "PAUSED": "is paused for low quality; wait until it is active again, or send another",
    "DISABLED": "is disabled for good; send another",
    "PENDING_DELETION": "is being deleted; send another",
    "DELETED": "was deleted; send another",
    "ARCHIVED": "is archived; restore it at the provider, or send another",
    "LIMIT_EXCEEDED": "exceeds the number of templates of its account; send another",
}
_FORMS: Final[dict[str, type[Parameter]]] = {
    "image": ImageParameter,
    "video": VideoParameter,
    "gif": GifParameter,
    "product": ProductParameter,
    "document": DocumentParameter,
    "location": LocationParameter,
}
_TOLD: Final[dict[str, type]] = {
    "suffix": TextParameter,
    "payload": PayloadParameter,
    "coupon_code": CouponParameter,
    "action": ActionParameter,
}


def check_template(
    call: TemplateCall, known: Collection[TemplateDefinition], to: AddressKind = AddressKind.PHONE
) -> None:
    """Raise InputError where the call cannot succeed. `known` are all languages of the name, at its provider."""
    if not known:
        raise _unsendable(
            "template.name",
            "names no template of this channel; see those there are, and synchronise them if it is new",
        )
    template = next((each for each in known if each.language == call.language.code), None)
    if template is None:
        listed = ", ".join(sorted(each.language for each in known))
        raise _unsendable("template.language.code", f"is not a language of this template; it exists in: {listed}")
    if template.status != APPROVED and template.status in _UNSENDABLE:
        raise _unsendable("template.name", f"names a template that {_UNSENDABLE[template.status]}")
    if template.category == AUTHENTICATION and to is AddressKind.BSUID:
        raise refused("to", "must be a phone number: WhatsApp sends no codes to a user id")
    if template.category == AUTHENTICATION:
        _check_codes(call)
    if (definition := parse_definition(template)) is not None:
        _check_call(call, definition)


def _check_codes(call: TemplateCall) -> None:
    """A one-time code stands in the body and behind the button; Meta takes neither a longer one nor an address."""
    for index, component in enumerate(call.components):
        if isinstance(component, BodyComponent | ButtonComponent):
            for place, parameter in enumerate(component.parameters):
                if (said := _said(parameter)) is not None:
                    _check_code(said[1], f"{_COMPONENTS}[{index}].parameters[{place}].{said[0]}")


def _said(parameter: Parameter | ButtonParameter) -> tuple[str, str] | None:
    """What people read or copy of a parameter, behind the name of its member."""
    match parameter:
        case TextParameter():
            return "text", parameter.text
        case CurrencyParameter():
            return "currency.fallback_value", parameter.currency.fallback_value
        case MomentParameter():
            return "date_time.fallback_value", parameter.date_time.fallback_value
        case CouponParameter():
            return "coupon_code", parameter.coupon_code
    return None


def _check_code(code: str, path: str) -> None:
    if len(code) > CODE_LIMIT:
        raise refused(path, f"may have at most {CODE_LIMIT} characters, since it is a one-time code; shorten it")
    if _ADDRESS.search(code):
        raise refused(path, "must be a one-time code, not an address; WhatsApp takes no links in it")
    if any(sign in _EMOJI_SIGNS or unicodedata.category(sign) == "So" for sign in code):
        raise refused(path, "must be a one-time code; WhatsApp takes no emoji in it")


def _unsendable(field: str, rule: str) -> InputError:
    return InputError(f"{field}: {rule}.", code="template_unavailable", field=field)


def _check_call(call: TemplateCall, definition: Definition) -> None:
    given = [(f"{_COMPONENTS}[{index}]", component) for index, component in enumerate(call.components)]
    _Part(definition.face, definition.named, _COMPONENTS).check(given)
    _check_cards(given, definition)
    _check_offer(given, definition)


Given = tuple[str, Component]
"""A component of a call, behind the way to it."""


class _Part(NamedTuple):
    """A face and what a call must tell it; `path` is where the call does so."""

    face: Face
    named: bool
    path: str

    def check(self, given: Sequence[Given]) -> None:
        self._check_header(_find_one(given, HeaderComponent, "header"))
        self._check_body(_find_one(given, BodyComponent, "body"))
        self._check_buttons(given)

    def _check_header(self, given: tuple[str, HeaderComponent] | None) -> None:
        header = self.face.header
        if header is None or header.form == "text":
            filled = self._check_texts(given, "header", header.text if header else "")
            _check_filled(filled, HEADER_LIMIT, given, "header")
            return
        wanted = _FORMS.get(header.form)
        if wanted is None:  # a form of header that is not known here
            return
        if given is None:
            raise refused(self.path, f"needs a header with one {header.form} parameter, which this template shows")
        path, component = given
        if len(component.parameters) != 1 or not isinstance(component.parameters[0], wanted):
            raise refused(f"{path}.parameters", f"must hold exactly one {header.form} parameter, as the template says")

    def _check_body(self, given: tuple[str, BodyComponent] | None) -> None:
        filled = self._check_texts(given, "body", self.face.body)
        if self.face.header or self.face.footer or self.face.buttons:  # alone, a body may be much longer
            _check_filled(filled, BODY_LIMIT, given, "body")

    def _check_texts(
        self, given: tuple[str, HeaderComponent] | tuple[str, BodyComponent] | None, part: str, text: str
    ) -> str:
        """The text as it will read."""
        wanted = names_in(text)
        parameters = given[1].parameters if given else ()
        path = f"{given[0]}.parameters" if given else self.path
        if len(parameters) != len(wanted):
            raise refused(path, _count_rule(part, wanted, len(parameters), self.named))
        values = []
        for index, parameter in enumerate(parameters):
            if not isinstance(parameter, TextParameter | CurrencyParameter | MomentParameter):
                raise refused(f"{path}[{index}].type", f"must be text, currency or date_time in this {part}")
            values.append((parameter.parameter_name, text_of(parameter)))
        if not self.named:
            return _fill(text, dict(zip(wanted, (value for _, value in values), strict=True)))
        for index, (name, _) in enumerate(values):
            if name not in wanted:
                listed = ", ".join(wanted)
                raise refused(f"{path}[{index}].parameter_name", f"must be a name that the template uses: {listed}")
        named = {str(name): value for name, value in values}
        if len(named) < len(wanted):
            raise refused(path, f"must name each variable once: {', '.join(wanted)}")
        return _fill(text, named)

    def _check_buttons(self, given: Sequence[Given]) -> None:
        buttons = self.face.buttons
        told: set[int] = set()
        for path, component in given:
            if isinstance(component, ButtonComponent):
                index = int(component.index)
                if index >= len(buttons):
                    raise refused(f"{path}.index", _index_rule(len(buttons)))
                if index in told:
                    raise refused(f"{path}.index", "must not name the same button twice; remove one of them")
                told.add(index)
                _check_button(component, buttons[index], path)
        for index, button in enumerate(buttons):
            if (wanted := told_by(button)) and wanted[1] and index not in told:
                rule = f"needs a button with index {index}, sub_type {button.kind} and one {_word(wanted[0])} parameter"
                raise refused(self.path, rule)


def _find_one(given: Sequence[Given], kind: type[Kind], name: str) -> tuple[str, Kind] | None:
    found = [(path, component) for path, component in given if isinstance(component, kind)]
    if len(found) > 1:
        raise refused(found[1][0], f"is a second {name}; remove one of them")
    return found[0] if found else None


def _count_rule(part: str, wanted: Sequence[str], given: int, named: bool) -> str:
    if not wanted:
        return f"must be empty: the {part} of this template has no variables"
    listed = ", ".join(wanted if named else (f"{{{{{name}}}}}" for name in wanted))
    return f"must hold {len(wanted)} parameters for the {part} ({listed}), and there are {given}"


def _index_rule(count: int) -> str:
    return f"must be the place of a button, 0 to {count - 1}" if count else "names a button, and this template has none"


def _check_filled(text: str, most: int, given: Given | None, part: str) -> None:
    if given and len(text) > most:
        rule = f"may make the {part} at most {most} characters long, and it has {len(text)}; shorten the values"
        raise refused(f"{given[0]}.parameters", rule)


def _fill(text: str, values: dict[str, str]) -> str:
    return VARIABLE.sub(lambda found: values[found[1]], text)


def _check_button(component: ButtonComponent, button: Button, path: str) -> None:
    if button.kind not in BUTTON_KINDS:  # Meta has a new one
        return
    wanted = told_by(button)
    if component.sub_type != button.kind:
        raise refused(f"{path}.sub_type", f"must be {button.kind}, as this button of the template is")
    if wanted is None:
        if component.parameters:
            raise refused(f"{path}.parameters", "must be empty: this button of the template has no variable")
        return
    kind, required = wanted
    if not component.parameters and not required:
        return
    if len(component.parameters) != 1 or not isinstance(component.parameters[0], _TOLD[kind]):
        raise refused(f"{path}.parameters", f"must hold exactly one {_word(kind)} parameter")
    parameter = component.parameters[0]
    if kind == "suffix" and isinstance(parameter, TextParameter):
        _check_suffix(parameter.text, button, f"{path}.parameters[0].text")


def _word(kind: str) -> str:
    """What a call names it."""
    return "text" if kind == "suffix" else kind


def _check_suffix(suffix: str, button: Button, path: str) -> None:
    if any(sign.isspace() for sign in suffix):
        raise refused(path, "may hold no white space, since it becomes the end of an address; encode it as %20")
    if len(VARIABLE.sub("", button.told)) + len(suffix) > LINK_LIMIT:
        raise refused(path, f"may make the address at most {LINK_LIMIT} characters long; shorten it")


def _check_cards(given: Sequence[Given], definition: Definition) -> None:
    found = _find_one(given, CarouselComponent, "carousel")
    cards = definition.cards
    if found is None:
        if cards:
            raise refused(_COMPONENTS, f"needs a carousel with {len(cards)} cards, which this template shows")
        return
    path, carousel = found
    if len(carousel.cards) != len(cards):
        rule = f"must hold {len(cards)} cards, as the template does" if cards else "are not part of this template"
        raise refused(f"{path}.cards", rule)
    told: set[int] = set()
    for place, card in enumerate(carousel.cards):
        way = f"{path}.cards[{place}]"
        if not 0 <= card.card_index < len(cards) or card.card_index in told:
            raise refused(f"{way}.card_index", f"must name each card once, 0 to {len(cards) - 1}")
        told.add(card.card_index)
        inner = [(f"{way}.components[{index}]", each) for index, each in enumerate(card.components)]
        _Part(cards[card.card_index], definition.named, f"{way}.components").check(inner)


def _check_offer(given: Sequence[Given], definition: Definition) -> None:
    offers = [component for _, component in given if isinstance(component, OfferComponent)]
    if definition.offer and not any(offer.parameters for offer in offers):
        raise refused(_COMPONENTS, "needs a limited_time_offer that says when it ends (expiration_time_ms)")
