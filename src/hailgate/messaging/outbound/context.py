"""Quoting: the message that another one answers or reacts to, by our id of it or by the provider's."""

from hailgate.core.errors import InputError
from hailgate.core.uids import find_uid
from hailgate.messaging.models import Message


def find_context(tenant_id: int, channel_id: int, message_id: str, field: str = "context.message_id") -> str:
    """The provider's id of the message that is meant, by ours. Raises InputError where it has none."""
    uid = find_uid(message_id)
    if uid is None:
        return message_id
    known = Message.objects.filter(tenant_id=tenant_id, channel_id=channel_id, uid=uid)
    provider_id = known.values_list("provider_id", flat=True).first()
    if not provider_id:
        raise InputError(
            f"{field}: no message of this channel with this id has reached the provider.",
            code="unknown_context",
            field=field,
        )
    return provider_id
