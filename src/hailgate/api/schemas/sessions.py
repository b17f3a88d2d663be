"""Sessions: the pairing of a channel with a phone."""

from datetime import datetime
from typing import Annotated, Literal

from ninja import Schema
from pydantic import ConfigDict, Field

from hailgate.api.schemas.common import PLAIN


class SessionOut(Schema):
    """How a channel is paired with its phone. While `worker_running` is false nothing that was asked for happens."""

    state: Literal["closed", "starting", "pairing", "open", "unpaired"]
    wish: Literal["open", "pair", "close", "log_out", "delete"]
    since: datetime
    number: str | None = Field(description="The phone's own number, where it is told.")
    unconfirmed_number: str | None = Field(description="Another phone than expected: nothing is sent until confirmed.")
    detail: str | None
    has_code: bool = Field(description="Whether a code can be asked for.")
    worker_running: bool


class SessionWishIn(Schema):
    """`phone` asks for a code to type on that phone instead of one to scan.

    `log_out` forgets the phone; `delete` also deletes what else its server keeps, such as an Evolution instance.
    """

    model_config = ConfigDict(extra="forbid")

    wish: Literal["pair", "open", "close", "log_out", "delete"]
    phone: Annotated[str | None, Field(default=None, max_length=20, pattern=PLAIN)] = None


class PairingCodeOut(Schema):
    """A secret. Make a QR code of it (`qr`), or type it on the phone (`text`)."""

    code: str
    kind: Literal["qr", "text"]
    expires_at: datetime
