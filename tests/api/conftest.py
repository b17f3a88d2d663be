"""A clinic with something to show: a person wrote, was answered, and some messages did not arrive.

The store is prepared in the fixture's own thread, before the test's loop turns.
"""

from typing import Any, NamedTuple

import pytest


class Told(NamedTuple):
    """What the clinic's store holds: rows as they were when they were written."""

    conversation: Any
    inbound: Any
    delivered: Any
    queued: Any
    dead: Any
    parked: Any
    media: Any
    template: Any


@pytest.fixture
def told(channel) -> Told:
    from hailgate.core.content import Unsupported
    from hailgate.core.errors import OutcomeUnknown, Rejected
    from hailgate.core.status import Status
    from hailgate.messaging.files.attachments import add_upload
    from hailgate.messaging.files.storage import WrittenFile
    from hailgate.messaging.models import Message
    from messaging import acting

    worker = acting.new_worker()
    acting.apply(channel, acting.wrote(channel, 1, body="Are you open?", message_id="wamid.in"))
    picture = acting.wrote(channel, 1, message_id="wamid.picture")
    import msgspec

    acting.apply(channel, msgspec.structs.replace(picture, content=Unsupported("image", b'{"id": "1"}')))
    inbound = Message.objects.get(tenant_id=channel.tenant_id, provider_id="wamid.in")

    delivered = acting.send(channel, 1, "Until six.")
    acting.deliver_all(worker)
    acting.apply(channel, acting.told(channel, Status.DELIVERED, f"wamid.{delivered.uid}", at=acting.NOON))
    dead = _end(acting, worker, acting.send(channel, 2, "Hello?"), Rejected("The provider refuses it."))
    parked = _end(acting, worker, acting.send(channel, 3, "Hello??"), OutcomeUnknown())
    queued = acting.send(channel, 1, "See you.")
    media = add_upload(channel.tenant_id, WrittenFile("00/gone", "", "image/png", 3, "0" * 64), "photo.png")
    seen = map(acting.fresh, (inbound, delivered, queued, dead, parked))
    return Told(acting.conversation_of(delivered), *seen, media, _template(channel))


def _template(channel: Any) -> Any:
    """One template in the business of the channel's account."""
    from hailgate.core.templates import TemplateDefinition as Listed
    from hailgate.messaging.channels.admin import change_settings, get_channel_row
    from hailgate.messaging.models import Template
    from hailgate.messaging.templates.sync import record_list, take_business

    change_settings(get_channel_row(channel.tenant_id, channel.name), {"waba_id": "102000000000001"})
    listed = Listed("1600", "order_update", "en_US", "UTILITY", "APPROVED", components="[]")
    record_list(take_business(get_channel_row(channel.tenant_id, channel.name)), [listed])
    return Template.objects.get(tenant_id=channel.tenant_id)


def _end(acting: Any, worker: int, message: Any, error: Any) -> Any:
    claim = acting.claim_one(worker)
    acting.attempt(worker, claim)
    acting.tell(worker, acting.failed(claim, error))
    return message
