"""`hailgate send`: one message, through the same door as everybody's."""

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from hailgate.commands.bootstrap import choose_tenant, open_store
from hailgate.commands.output import json_option, table, tell, tenant_option
from hailgate.core.errors import InputError, StoreUnavailable

if TYPE_CHECKING:
    from hailgate.env import Environment
    from hailgate.messaging.channels.registry import ChannelView
    from hailgate.messaging.models import Message
    from hailgate.messaging.outbound.accept import Accepted

STILL_QUEUED = 3
LOOK_EVERY_S = 0.1
PATIENCE_S = 60.0


@click.command()
@tenant_option
@click.option("--channel", required=True, metavar="CHANNEL", help="Its name or id.")
@click.option("--to", required=True, metavar="NUMBER", help="A telephone number with country code.")
@click.option("--text", help="What to say; - takes it from standard input.")
@click.option("--markdown", is_flag=True, help="The text is Markdown: send it with WhatsApp's own marks.")
@click.option(
    "--content",
    metavar="JSON",
    help="Any kind of message as the API takes it, from its `type` on; - takes it from standard input.",
)
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    is_flag=False,
    flag_value=PATIENCE_S,
    metavar="[SECONDS]",
    help=f"Wait until it is sent or has failed, {PATIENCE_S:g} s where no other time is named.",
)
@json_option
def send(
    *,
    tenant: str | None,
    channel: str,
    to: str,
    text: str | None,
    markdown: bool,
    content: str | None,
    wait: float | None,
    as_json: bool,
) -> None:
    """Send a message. A running `hailgate serve` or `hailgate work` delivers it.

    With --wait the exit code is 3 where it is still queued when the time is up.
    """
    said = _read_content(text, content, markdown=markdown)
    with open_store() as env:
        from hailgate.messaging.channels.registry import get_channel

        view = get_channel(choose_tenant(tenant).pk, channel)
        accepted = _accept(env, view, to, said)
        message = _wait_for(view, accepted, wait or 0.0)
        document = _describe(view, message)
    lines = table(document["timeline"], "")
    tell(document, f"Message {document['id']} is {document['status']}.\n{lines}", as_json=as_json)
    still = wait is not None and document["status"] == "queued"
    click.get_current_context().exit(1 if document["status"] == "failed" else STILL_QUEUED if still else 0)


def _read_content(text: str | None, content: str | None, *, markdown: bool) -> dict[str, Any]:
    """The members of a message beside its channel and receiver."""
    if (text is None) == (content is None):
        raise click.UsageError("Say either --text or --content.")
    if text is not None:
        body = sys.stdin.read() if text == "-" else text
        return {"type": "text", "text": {"body": body}, "markdown": markdown}
    if markdown:
        raise click.UsageError("--markdown goes with --text.")
    try:
        said = json.loads(sys.stdin.read() if content == "-" else str(content))
    except ValueError:
        raise InputError('--content needs JSON, such as \'{"type": "text", …}\'.', field="content") from None
    if not isinstance(said, dict) or {"channel", "to"} & set(said):
        raise InputError("--content needs one JSON object without `channel` and `to`.", field="content")
    return said


def _accept(env: "Environment", view: "ChannelView", to: str, said: dict[str, Any]) -> "Accepted":
    import msgspec

    from hailgate.messaging.outbound.accept import accept_messages
    from hailgate.messaging.outbound.check_request import check_message
    from hailgate.messaging.outbound.request import MessageRequest

    try:
        wanted = msgspec.convert({**said, "channel": view.name, "to": to}, MessageRequest)
    except msgspec.ValidationError as invalid:
        raise InputError(f"--content: {invalid}.", field="content") from None
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
        message = known.select_related("channel", "conversation__merged_into").first()
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
