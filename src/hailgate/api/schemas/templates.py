"""Templates, and patterns of the tenant's own."""

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import Field

from hailgate.api.schemas.common import PLAIN


class VariableOut(Schema):
    """What a send has to fill in. `key` names its place: `body.1`, `header`, `button.0`, `card.1.body.1`."""

    key: str
    kind: str = Field(
        description="text, suffix (of an address), coupon_code, payload, action, offer, or a file's kind."
    )
    place: str = Field(description="What a person knows it by: its name, or the words on its button.")
    example: str
    required: bool


class TemplateOut(Schema):
    """A template in one language. Status, category and quality are the provider's words."""

    id: str
    name: str
    language: str
    category: str
    status: str
    quality: str | None
    reason: str | None = Field(description="Why it is not approved, where the provider says so.")
    sendable: bool = Field(description="Whether a message with it is accepted now.")
    parameter_format: Literal["positional", "named"]
    components: Any = Field(description="As the provider lists them; null for one that is only heard of.")
    variables: list[VariableOut]
    account: str = Field(description="The business account that it belongs to.")
    provider_id: str
    changed_at: datetime
    synced_at: datetime | None = Field(description="When it was last seen in its provider's list.")
    gone_at: datetime | None = Field(description="Since when its provider has it no more.")


class TemplateFilter(Schema):
    """Templates that match all of it."""

    channel: (
        Annotated[
            str, Field(max_length=100, pattern=PLAIN, description="Those that this channel may send; its id or name.")
        ]
        | None
    ) = None
    name: Annotated[str, Field(max_length=512, pattern=PLAIN)] | None = None
    language: Annotated[str, Field(max_length=60, pattern=PLAIN)] | None = None
    status: Annotated[str, Field(max_length=60, pattern=PLAIN, description="For example `APPROVED`.")] | None = None
    category: Annotated[str, Field(max_length=60, pattern=PLAIN, description="For example `UTILITY`.")] | None = None
    gone: bool = Field(False, description="Those that their provider has no more, instead of those it has.")


class TemplateSyncOut(Schema):
    """How a channel's templates are kept in step with its provider. `code` and `detail` say why the last try failed."""

    account: str
    templates: int = Field(description="How many the provider has, as far as we know.")
    synced_at: datetime | None
    due_at: datetime | None = Field(description="When they are listed next; null for at once.")
    code: str | None
    detail: str | None


class PatternOut(Schema):
    name: str
    language: str
    text: str
    variables: list[str] = Field(description="What a message that uses it has to fill in.")


class PatternsOut(Schema):
    items: list[PatternOut]


class PatternIn(Schema):
    text: str = Field(max_length=4096, description="With its variables in double braces: `Hello {{name}}!`")
