"""Conversations, and who answers them."""

from datetime import datetime
from typing import Literal

from ninja import Schema
from pydantic import ConfigDict, Field

from hailgate.api.schemas.common import AddressOut, ChannelRef
from hailgate.api.schemas.messages import MessageOut


class ContactOut(Schema):
    id: str
    name: str = Field(description="What an operator calls them; else what they call themselves.")
    told_name: str = Field(description="What they call themselves, as their provider told it last.")
    is_group: bool
    addresses: list[AddressOut]


class ThreadOut(Schema):
    """Who answers at the provider, where several responders share the channel's number."""

    owner: Literal["us", "other", "unknown"] = Field(
        description="`other`: another responder answers, such as Meta's own agent; a message of yours takes the thread "
        "from it. `unknown`: what the provider told last does not go together; no assistant answers."
    )
    role: str | None = Field(description="What the provider calls the other responder, where it says so.")
    told_at: datetime | None = Field(description="When that was last told. After a day without it the thread is ours.")


class ConversationOut(Schema):
    id: str
    channel: ChannelRef
    contact: ContactOut
    answered_by: str = Field(description="`person`, or the name of the assistant.")
    thread: ThreadOut
    last_message: MessageOut | None
    last_message_at: datetime | None
    window_open: bool = Field(description="Whether free text may be sent now.")
    window_closes_at: datetime | None
    free_until: datetime | None = Field(
        description="When a free entry point ends, as the provider told: till then the window is open and all is free."
    )


class HandoverIn(Schema):
    model_config = ConfigDict(extra="forbid")

    to: Literal["person", "assistant"]
