"""Files of messages."""

from datetime import datetime
from typing import Literal

from ninja import Schema
from pydantic import Field


class AttachmentOut(Schema):
    """The file of a message. `awaited` is being fetched from the provider; `code` and `detail` say why it `failed`."""

    id: str
    state: Literal["awaited", "stored", "failed", "removed"]
    kind: str
    type: str | None = Field(description="Told by its content, once it is here.")
    size: int | None
    name: str | None = Field(description="What its sender called it.")
    code: str | None
    detail: str | None
    created_at: datetime


class MediaLinkOut(Schema):
    """Whoever has it may download the file until it expires; it needs no key."""

    url: str = Field(description="A path of this installation.")
    expires_at: datetime
