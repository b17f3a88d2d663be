"""`hailgate timeline`: what happened to a message, as commands show it."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from hailgate.commands.bootstrap import choose_tenant, open_store
from hailgate.commands.output import json_option, moment, table, tell, tenant_option
from hailgate.core.errors import NotFound

if TYPE_CHECKING:
    from hailgate.messaging.models import Message


def show_timeline(message: "Message") -> list[dict[str, Any]]:
    """The same entries as the API's, to the second."""
    from hailgate.messaging.outbound.timeline import tell_timeline

    return [
        {
            **happening._asdict(),
            "code": happening.code and str(happening.code),
            "at": moment(happening.at),
            "next_at": moment(happening.next_at),
        }
        for happening in tell_timeline(message)
    ]


@click.command()
@click.argument("message_id")
@tenant_option
@json_option
def timeline(message_id: str, tenant: str | None, *, as_json: bool) -> None:
    """Everything that happened to a message, and what it waits for now."""
    with open_store():
        from hailgate.core.status import Status
        from hailgate.messaging.models import Direction, Message

        known = Message.objects.filter(tenant_id=choose_tenant(tenant).pk, uid=parse_message_id(message_id))
        message = known.select_related("channel", "conversation__merged_into").first()
        if message is None:
            raise NotFound("there is no message of this id", field="message_id")
        inbound = message.direction == Direction.INBOUND
        document = {
            "id": message_id,
            "channel": message.channel.name,
            "status": "received" if inbound else Status(message.status).word,
            "unknown": message.unknown,
            "timeline": show_timeline(message),
        }
    tell(document, table(document["timeline"], ""), as_json=as_json)


def parse_message_id(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise NotFound("there is no message of this id", field="message_id") from None
