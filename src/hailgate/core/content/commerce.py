"""Messages that sell: a product, a list of them, the catalog, an order to pay and what became of it."""

from typing import Annotated, Any, Literal

from hailgate.core.content.frames import Header, TextHeader
from hailgate.core.content.parts import Part, Words, count, limit

MOST_SECTIONS = 10
MOST_PRODUCTS = 30  # in all sections together
SECTION_TITLE_LIMIT = 24
REFERENCE_LIMIT = 35  # of an order, unique within the business


class ProductAction(Part, frozen=True):
    catalog_id: str
    product_retailer_id: str


class ProductOffer(Part, frozen=True, tag_field="type", tag="product"):
    action: ProductAction
    body: Words | None = None
    footer: Words | None = None


class ProductItem(Part, frozen=True):
    product_retailer_id: str


class ProductSection(Part, frozen=True):
    product_items: Annotated[tuple[ProductItem, ...], count(MOST_PRODUCTS)]
    title: Annotated[str | None, limit(SECTION_TITLE_LIMIT)] = None


class ProductSections(Part, frozen=True):
    catalog_id: str
    sections: Annotated[tuple[ProductSection, ...], count(MOST_SECTIONS)]


class ProductListOffer(Part, frozen=True, tag_field="type", tag="product_list"):
    body: Words
    header: TextHeader
    action: ProductSections
    footer: Words | None = None


class Thumbnail(Part, frozen=True):
    """The product whose picture stands for the catalog; its first one unless said otherwise."""

    thumbnail_product_retailer_id: str | None = None


class CatalogAction(Part, frozen=True):
    name: Literal["catalog_message"]
    parameters: Thumbnail | None = None


class CatalogOffer(Part, frozen=True, tag_field="type", tag="catalog_message"):
    body: Words
    action: CatalogAction
    footer: Words | None = None


class PayAction(Part, frozen=True):
    """`parameters` as Meta documents them for the country and its means of payment, `reference_id` always."""

    name: Literal["review_and_pay"]
    parameters: dict[str, Any]


class OrderDetails(Part, frozen=True, tag_field="type", tag="order_details"):
    body: Words
    action: PayAction
    header: Header | None = None
    footer: Words | None = None


class ReviewAction(Part, frozen=True):
    name: Literal["review_order"]
    parameters: dict[str, Any]


class OrderStatus(Part, frozen=True, tag_field="type", tag="order_status"):
    body: Words
    action: ReviewAction
    header: Header | None = None
    footer: Words | None = None
