"""Channels: their health, what they may send, and what waits."""

from datetime import datetime
from typing import Literal

from ninja import Schema
from pydantic import Field


class Breaker(Schema):
    """`open` channels wait for their provider to recover; `failures` counts its faults in a row."""

    state: Literal["closed", "open"]
    failures: int
    opened_at: datetime | None


class Rate(Schema):
    """What the channel may send; `burst` of it at once after a rest."""

    per_second: float
    burst: int


class Queued(Schema):
    """Messages to send, by where they stand; `waiting` ones are behind another of their conversation or for later."""

    waiting: int
    ready: int
    sending: int
    unknown: int
    dead: int


class KindOut(Schema):
    """What a channel takes of one kind. Characters for text and caption, bytes for the file; null is no limit."""

    kind: str
    text: int | None
    caption: int | None
    bytes: int | None
    types: list[str] = Field(description="MIME types; an empty list is any.")
    quotable: bool
    options: int | None = Field(description="How many a poll may offer.")
    mentions: bool = Field(description="Whether a text may mention people of a group; else it goes as it is.")
    mentions_all: bool = Field(description="Whether it may mention all of them with `mention_all`.")
    voice_by_link: bool = Field(description="Whether a voice note may stand behind a link; else attach it.")
    degrades_to: str | None = Field(description="What it is sent as, where the provider cannot express it.")
    words_only: bool = Field(description="Nothing but words fills a template or heads a question; they count as text.")


class ChannelOut(Schema):
    id: str
    name: str
    provider: str
    number: str
    answered_by: str
    active: bool
    paused: bool
    paused_reason: str | None
    paused_at: datetime | None
    breaker: Breaker
    rate: Rate
    queued: Queued
    kinds: list[KindOut]
