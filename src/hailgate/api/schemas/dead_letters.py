"""Dead letters, and what is done about them."""

from datetime import datetime
from typing import Annotated, Literal

from ninja import Schema
from pydantic import ConfigDict, Field

from hailgate.api.schemas.common import PLAIN, AddressOut, Moment


class DeadLetter(Schema):
    """A message that is not tried again by itself."""

    id: str = Field(description="The message's id.")
    state: Literal["dead", "unknown", "failed"]
    code: str
    provider_code: str | None = Field(description="The provider's own code, at the last attempt.")
    reason: str = Field(description="What the code means.")
    advice: str = Field(description="What to do about it.")
    remedy: Literal["again", "edit", "template", "settle", "none"] = Field(description="What can work.")
    detail: str
    attempts: int
    channel: str
    conversation: str
    to: AddressOut
    accepted_at: datetime


class CauseOut(Schema):
    """Messages that ended in the same way."""

    state: Literal["dead", "unknown", "failed"]
    code: str
    provider_code: str
    reason: str
    advice: str
    remedy: Literal["again", "edit", "template", "settle", "none"]
    count: int
    oldest_at: datetime
    newest_at: datetime


class Causes(Schema):
    items: list[CauseOut]


class LetterFilter(Schema):
    """Letters that match all of it; times are those of acceptance, `until` not included."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["dead", "unknown", "failed"] | None = None
    channel: Annotated[str, Field(max_length=100, pattern=PLAIN, description="Its id or name.")] | None = None
    code: Annotated[str, Field(max_length=60, pattern=PLAIN)] | None = None
    since: Moment | None = None
    until: Moment | None = None


class DismissOut(Schema):
    dismissed: list[str]
    not_found: list[str]


class SettleIn(Schema):
    sent: bool = Field(description="Whether the person has it.")


class SettleOut(Schema):
    id: str
    sent: bool


class ReviveAllOut(Schema):
    revived: int = Field(description="How many messages are queued again.")


class ReviveIn(Schema):
    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[Annotated[str, Field(max_length=40)]], Field(min_length=1, max_length=1_000)]


class ReviveOut(Schema):
    """`revived` messages are queued again, by this call; the others are not dead letters of yours (any more)."""

    revived: list[str]
    not_found: list[str]
