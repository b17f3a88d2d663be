"""A template's call as far as it can be judged without the template itself; `core.templates` knows the rest."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from hailgate.core.content import templates
from hailgate.core.content.outbound import Template
from hailgate.core.content.refusals import refused
from hailgate.core.content.rules import (
    ID_LIMIT,
    check_count,
    check_file,
    check_line,
    check_link,
    check_place,
    check_text,
)

PARAMETER_LIMIT = 4096


def check_call(content: Template) -> None:
    template = content.template
    check_text(template.name, "template.name", templates.NAME_LIMIT)
    check_text(template.language.code, "template.language.code", ID_LIMIT)
    for index, component in enumerate(template.components):
        path = f"template.components[{index}]"
        if isinstance(component, templates.CarouselComponent):
            _check_carousel(component, path)
        else:
            _check_component(component, path)


def _check_carousel(carousel: templates.CarouselComponent, path: str) -> None:
    cards = templates.CARDS
    check_count(carousel.cards, f"{path}.cards", cards.stop - 1, "cards", cards.start)
    for index, card in enumerate(carousel.cards):
        for number, component in enumerate(card.components):
            _check_component(component, f"{path}.cards[{index}].components[{number}]")


def _check_component(component: templates.Component, path: str) -> None:
    if isinstance(component, templates.ButtonComponent):
        place = str(component.index)
        if not (place.isascii() and place.isdigit() and int(place[:3]) < templates.MOST_BUTTONS):
            raise refused(f"{path}.index", f"must be the button's place, 0 to {templates.MOST_BUTTONS - 1}")
    if isinstance(component, templates.CarouselComponent):
        return
    for index, parameter in enumerate(component.parameters):
        _check_parameter(parameter, f"{path}.parameters[{index}]")


def _check_parameter(parameter: object, path: str) -> None:
    if check := _CHECKS.get(type(parameter)):
        check(parameter, path)


def _check_value(parameter: templates.TextParameter, path: str) -> None:
    check_text(parameter.text, f"{path}.text", PARAMETER_LIMIT)
    check_line(parameter.text, f"{path}.text")


def _check_product(parameter: templates.ProductParameter, path: str) -> None:
    product = parameter.product
    check_text(product.catalog_id, f"{path}.product.catalog_id", ID_LIMIT)
    check_text(product.product_retailer_id, f"{path}.product.product_retailer_id", ID_LIMIT)


def _check_targets(parameter: templates.TapTargetParameter, path: str) -> None:
    for index, target in enumerate(parameter.tap_target_configuration):
        check_link(target.url, f"{path}.tap_target_configuration[{index}].url")


_CHECKS: Final[Mapping[type, Callable[[Any, str], None]]] = {
    templates.TextParameter: _check_value,
    templates.CurrencyParameter: lambda given, path: check_line(
        given.currency.fallback_value, f"{path}.currency.fallback_value"
    ),
    templates.MomentParameter: lambda given, path: check_line(
        given.date_time.fallback_value, f"{path}.date_time.fallback_value"
    ),
    templates.ImageParameter: lambda given, path: check_file(given.image, f"{path}.image"),
    templates.VideoParameter: lambda given, path: check_file(given.video, f"{path}.video"),
    templates.GifParameter: lambda given, path: check_file(given.gif, f"{path}.gif"),
    templates.DocumentParameter: lambda given, path: check_file(given.document, f"{path}.document"),
    templates.LocationParameter: lambda given, path: check_place(given.location, f"{path}.location"),
    templates.ProductParameter: _check_product,
    templates.CouponParameter: lambda given, path: check_text(
        given.coupon_code, f"{path}.coupon_code", templates.COUPON_LIMIT
    ),
    templates.TapTargetParameter: _check_targets,
}
