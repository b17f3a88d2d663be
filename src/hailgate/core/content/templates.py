"""A template to fill: its name, its language, and what stands in for its variables."""

from typing import Annotated, Any, Literal, get_args

from hailgate.core.content.parts import DocumentFile, File, Part, Place, count, limit

NAME_LIMIT = 512
MOST_BUTTONS = 10
COUPON_LIMIT = 15
CARDS = range(2, 11)


class TextParameter(Part, frozen=True, tag_field="type", tag="text"):
    """`parameter_name` where the template names its variables."""

    text: str
    parameter_name: str | None = None


class Amount(Part, frozen=True):
    """`amount_1000` is in thousandths: 19.90 is 19900."""

    fallback_value: str
    code: str
    amount_1000: int


class CurrencyParameter(Part, frozen=True, tag_field="type", tag="currency"):
    currency: Amount
    parameter_name: str | None = None


class Moment(Part, frozen=True):
    """Phones show `fallback_value`; the rest is told to Meta as it came."""

    fallback_value: str
    calendar: str | None = None
    day_of_week: int | str | None = None
    day_of_month: int | None = None
    year: int | None = None
    month: int | None = None
    hour: int | None = None
    minute: int | None = None
    timestamp: int | None = None


class MomentParameter(Part, frozen=True, tag_field="type", tag="date_time"):
    date_time: Moment
    parameter_name: str | None = None


class ImageParameter(Part, frozen=True, tag_field="type", tag="image"):
    image: File


class VideoParameter(Part, frozen=True, tag_field="type", tag="video"):
    video: File


class GifParameter(Part, frozen=True, tag_field="type", tag="gif"):
    """An MP4 that plays by itself, without sound."""

    gif: File


class DocumentParameter(Part, frozen=True, tag_field="type", tag="document"):
    document: DocumentFile


class LocationParameter(Part, frozen=True, tag_field="type", tag="location"):
    location: Place


class Product(Part, frozen=True):
    catalog_id: str
    product_retailer_id: str


class ProductParameter(Part, frozen=True, tag_field="type", tag="product"):
    product: Product


FileParameter = ImageParameter | VideoParameter | GifParameter | DocumentParameter
Parameter = (
    TextParameter
    | CurrencyParameter
    | MomentParameter
    | ImageParameter
    | VideoParameter
    | GifParameter
    | DocumentParameter
    | LocationParameter
    | ProductParameter
)


class PayloadParameter(Part, frozen=True, tag_field="type", tag="payload"):
    payload: str


class CouponParameter(Part, frozen=True, tag_field="type", tag="coupon_code"):
    coupon_code: Annotated[str, limit(COUPON_LIMIT, 1)]


class ActionParameter(Part, frozen=True, tag_field="type", tag="action"):
    """What a flow, catalog or order button is told, as Meta documents it."""

    action: dict[str, Any]


class CallTimeParameter(Part, frozen=True, tag_field="type", tag="ttl_minutes"):
    """How long the button of a voice call works."""

    ttl_minutes: int | str


ButtonParameter = TextParameter | PayloadParameter | CouponParameter | ActionParameter | CallTimeParameter


class HeaderComponent(Part, frozen=True, tag_field="type", tag="header"):
    parameters: tuple[Parameter, ...] = ()


class BodyComponent(Part, frozen=True, tag_field="type", tag="body"):
    parameters: tuple[Parameter, ...] = ()


ButtonKind = Literal[
    "quick_reply", "url", "copy_code", "flow", "catalog", "mpm", "order_details", "voice_call", "phone_number"
]
BUTTON_KINDS: frozenset[str] = frozenset(get_args(ButtonKind))


class ButtonComponent(Part, frozen=True, tag_field="type", tag="button"):
    """`index` is the button's place in the template, from 0."""

    sub_type: ButtonKind
    index: str | int
    parameters: tuple[ButtonParameter, ...] = ()


class TapTarget(Part, frozen=True):
    url: str
    title: str


class TapTargetParameter(Part, frozen=True, tag_field="type", tag="tap_target_configuration"):
    tap_target_configuration: tuple[TapTarget, ...]


class TapTargetComponent(Part, frozen=True, tag_field="type", tag="tap_target_configuration"):
    """Where a tap on the message itself leads."""

    parameters: tuple[TapTargetParameter, ...]


class OrderStatusParameter(Part, frozen=True, tag_field="type", tag="order_status"):
    """As Meta documents it for the country."""

    order_status: dict[str, Any]


class OrderStatusComponent(Part, frozen=True, tag_field="type", tag="order_status"):
    parameters: tuple[OrderStatusParameter, ...]


class TemplateCard(Part, frozen=True):
    card_index: int
    components: tuple[HeaderComponent | BodyComponent | ButtonComponent, ...]


class CarouselComponent(Part, frozen=True, tag_field="type", tag="carousel"):
    cards: Annotated[tuple[TemplateCard, ...], count(CARDS.stop - 1, CARDS.start)]


class Offer(Part, frozen=True):
    expiration_time_ms: int


class OfferParameter(Part, frozen=True, tag_field="type", tag="limited_time_offer"):
    limited_time_offer: Offer


class OfferComponent(Part, frozen=True, tag_field="type", tag="limited_time_offer"):
    parameters: tuple[OfferParameter, ...]


Component = (
    HeaderComponent
    | BodyComponent
    | ButtonComponent
    | CarouselComponent
    | OfferComponent
    | TapTargetComponent
    | OrderStatusComponent
)


class Language(Part, frozen=True):
    code: str
    policy: Literal["deterministic"] | None = None


class TemplateCall(Part, frozen=True):
    name: Annotated[str, limit(NAME_LIMIT, 1)]
    language: Language
    components: tuple[Component, ...] = ()
