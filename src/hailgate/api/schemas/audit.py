"""The audit log."""

from datetime import datetime

from ninja import Schema
from pydantic import Field


class ActorOut(Schema):
    kind: str = Field(description="`operator`, `key`, or `command` on the machine itself.")
    id: str
    name: str = Field(description="What it was called then.")


class AuditOut(Schema):
    """Something that somebody did by hand. `subject` is a kind and an id, such as `message:<id>`."""

    id: str
    at: datetime
    actor: ActorOut
    action: str
    subject: str
    count: int = Field(description="How many it was done to.")
    detail: str
