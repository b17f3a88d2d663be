"""`hailgate send`: one message, through the same door as everybody's."""

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from hailgate.commands.speaking import json_option, table, tell, tenant_option
from hailgate.commands.store import choose_tenant, open_store
from hailgate.core.errors import StoreUnavailable

if TYPE_CHECKING:
    from hailgate.env import Environment
    from hailgate.messaging.channels import ChannelView
    from hailgate.messaging.models import Message
    from hailgate.messaging.sending import Accepted

LOOK_EVERY_S = 0.1
PATIENCE_S = 60.0


@click.command()
@tenant_option
@click.option("--channel", required=True, metavar="CHANNEL", help="Its name or id.")
@click.option("--to", required=True, metavar="NUMBER", help="A telephone number with country code.")
@click.option("--text", required=True, help="What to say; - takes it from standard input.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    is_flag=False,
    flag_value=PATIENCE_S,
    metavar="[SECONDS]",
    help=f"Wait until it is sent or has failed, {PATIENCE_S:g} s where no other time is named.",
)
@json_option
def send(tenant: str | None, channel: str, to: str, text: str, wait: float | None, *, as_json: bool) -> None:
    """Send a text message. A running `hailgate serve` or `hailgate work` delivers it."""
    said = sys.stdin.read() if text == "-" else text
    with open_store() as env:
        from hailgate.messaging.channels import get_channel

        view = get_channel(choose_tenant(tenant).pk, channel)
        accepted = _accept(env, view, to, said)
        message = _wait_for(view, accepted, wait or 0.0)
        document = _describe(view, message)
    lines = table(document["timeline"], "")
    tell(document, f"Message {document['id']} is {document['status']}.\n{lines}", as_json=as_json)
    click.get_current_context().exit(1 if document["status"] == "failed" else 0)


def _accept(env: "Environment", view: "ChannelView", to: str, said: str) -> "Accepted":
    from hailgate.core.content import TextBody
    from hailgate.edge.checks import check_message
    from hailgate.edge.wire import MessageRequest
    from hailgate.messaging.sending import accept_messages

    wanted = MessageRequest(channel=view.name, to=to, type="text", text=TextBody(said))
    message = check_message(wanted, view, view.tenant_id, "", env.message_ttl_s)
    [accepted] = accept_messages([message._replace(sender="operator")])
    if isinstance(accepted, Exception):
        raise accepted
    return accepted


def _wait_for(view: "ChannelView", accepted: "Accepted", seconds: float) -> "Message":
    """The message once it is past the queue, or as it is when the time is up."""
    from hailgate.messaging.models import Message

    deadline = time.monotonic() + seconds
    while True:
        known = Message.objects.filter(tenant_id=view.tenant_id, uid=accepted.uid)
        message = known.select_related("channel", "conversation").first()
        if message is None:
            raise StoreUnavailable("The message was accepted and is gone; was the database replaced?")
        if message.status or message.unknown or time.monotonic() >= deadline:
            return message
        time.sleep(LOOK_EVERY_S)


def _describe(view: "ChannelView", message: "Message") -> dict[str, Any]:
    from hailgate.commands.timeline import show_timeline
    from hailgate.core.status import Status

    return {
        "id": str(message.uid),
        "channel": view.name,
        "status": Status(message.status).word,
        "unknown": message.unknown,
        "timeline": show_timeline(message),
    }
