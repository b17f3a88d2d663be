"""People: who is one and the same, what they are called, and what they agreed to."""

from datetime import datetime
from typing import Annotated, Literal

from ninja import Schema
from pydantic import Field

from hailgate.api.schemas.common import PLAIN
from hailgate.core import consent_scopes


class JoinSide(Schema):
    id: str
    name: str
    addresses: list[str]


class JoinOut(Schema):
    """Two contacts that are one person by what was told; `source` says more about the proof."""

    id: str
    state: Literal["proven", "joined", "undoing", "undone", "confirmed", "suggested", "dismissed"]
    proof: str = Field(description="answer, status, webhook, change, card, country, operator or spelling.")
    source: str
    one: JoinSide
    other: JoinSide
    by: str
    told_at: datetime
    joined_at: datetime | None
    undone_at: datetime | None


class JoinIn(Schema):
    """Ids of two contacts."""

    one: str
    other: str


class ContactNameIn(Schema):
    name: str = Field(max_length=200, pattern=PLAIN)


ConsentScope = Annotated[
    consent_scopes.ConsentScope,
    Field(
        description="`marketing`: marketing templates; `unasked`: templates and bulk, all that they did not ask for; "
        "`assistant`: answers of an assistant."
    ),
]


class ConsentOut(Schema):
    """The newest choice of a person. Where `wanted` is null none is known, and nothing is stopped."""

    scope: ConsentScope
    wanted: bool | None
    at: datetime | None
    reason: str = Field(
        description="`wrote_it`, `user_preferences` (told to WhatsApp), `recipient_opted_out` (told by the provider), "
        "`given_back`, `by_hand`, or `same_person`; empty where nothing was chosen."
    )
    proof: str = Field(description="The id of the message in which they chose, or what was given with the choice.")


class ConsentsOut(Schema):
    items: list[ConsentOut]


class ConsentIn(Schema):
    scope: ConsentScope
    wanted: bool
    proof: str = Field(
        "", max_length=40, pattern=PLAIN, description="Where the choice can be looked up: the id of a message, a form."
    )
