"""From a delivery of the broker to what it comes to: a message to accept, a refusal with its reason, or a wait."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from hailgate.connectors.envelope import Envelope, fingerprint, parse_envelope, whose
from hailgate.connectors.tenants import TenantPending, Tenants
from hailgate.core.cache import Cache
from hailgate.core.content.parts import Mark
from hailgate.core.content.templates import TemplateCall
from hailgate.core.errors import InputError, NotFound
from hailgate.messaging.channels.registry import ChannelView, find_only_channel, get_channel
from hailgate.messaging.outbound.check_request import check_message
from hailgate.messaging.outbound.consumed import Delivery, ToAccept, ToHold, ToRefuse, Understood
from hailgate.messaging.outbound.context import find_context
from hailgate.messaging.outbound.new_message import NewMessage
from hailgate.messaging.outbound.pattern_request import fill_request
from hailgate.messaging.store.ports import Db
from hailgate.messaging.templates.lookup import TemplateQuery, check_calls

SENDER = "rabbitmq"


class _Checked(NamedTuple):
    delivery: Delivery
    message: NewMessage
    fingerprint: str
    channel: ChannelView
    template: TemplateCall | None


class Understanding:
    """``life_s`` is how long a message lives that names no ``expires_at``."""

    def __init__(self, db: Db, tenants: Tenants, *, life_s: float) -> None:
        self._db, self._tenants, self._life_s = db, tenants, life_s
        self._channels: Cache[ChannelView] = Cache(lambda tenant_id, name: db(_find_channel, tenant_id, name))

    async def understand(self, batch: Sequence[Delivery], waiting: frozenset[str] = frozenset()) -> list[Understood]:
        """In order. ``waiting`` are tenants of whom something waits already: what comes after it waits behind it.

        So does what comes after it in this batch, though the answer may have come in between.
        """
        checked, behind = [], set(waiting)
        for delivery in batch:
            checked.append(each := await self._understand_one(delivery, behind))
            if isinstance(each, ToHold):
                behind.add(each.tenant)
        return await self._check_templates(checked)

    async def _understand_one(self, delivery: Delivery, waiting: AbstractSet[str]) -> _Checked | ToRefuse | ToHold:
        tenant_id = 0
        try:
            envelope = parse_envelope(delivery.body, delivery.reference)
            delivery = delivery._replace(reference=str(envelope.id))
            if envelope.tenant in waiting:
                return ToHold(delivery, envelope.tenant)
            tenant_id = await self._tenants.get(envelope.tenant)
            return await self._check(delivery, envelope, tenant_id)
        except TenantPending:
            return ToHold(delivery, envelope.tenant)
        except InputError as refused:
            named = whose(delivery.body)
            delivery = delivery._replace(reference=named.id or delivery.reference)
            return ToRefuse(delivery, tenant_id, refused.code, refused.detail)

    async def _check(self, delivery: Delivery, envelope: Envelope, tenant_id: int) -> _Checked:
        channel = await self._channel(tenant_id, envelope.channel)
        wanted = replace(envelope, channel=channel.name)
        if wanted.pattern is not UNSET:
            wanted = await self._db(fill_request, tenant_id, wanted)
        if wanted.reaction is not UNSET:
            named = await self._quoted(channel, wanted.reaction.message_id, "reaction.message_id")
            wanted = replace(wanted, reaction=Mark(named, wanted.reaction.emoji))
        message = check_message(wanted, channel, tenant_id, "", self._life_s)._replace(sender=SENDER)
        if wanted.context is not UNSET:
            quoted = await self._quoted(channel, wanted.context.message_id, "context.message_id")
            message = message._replace(context_id=quoted)
        return _Checked(delivery, message, fingerprint(envelope), channel, wanted.template or None)

    async def _channel(self, tenant_id: int, named: str) -> ChannelView:
        channel = await self._channels.get((tenant_id, named), tenant_id, named)
        if channel is None:
            rule = "the tenant has no active channel of this id or name" if named else "name one of the tenant's"
            raise InputError(f"channel: {rule}.", code="unknown_channel", field="channel")
        return channel

    async def _quoted(self, channel: ChannelView, message_id: str, field: str) -> str:
        return await self._db(find_context, channel.tenant_id, channel.id, message_id, field)

    async def _check_templates(self, checked: Sequence[_Checked | ToRefuse | ToHold]) -> list[Understood]:
        """All that send one against what is known of them, with one look-up."""
        calls = {
            index: TemplateQuery(each.channel.business_id, each.template, each.message.to.kind)
            for index, each in enumerate(checked)
            if isinstance(each, _Checked) and each.template and each.channel.business_id
        }
        faults = dict(zip(calls, await self._db(check_calls, list(calls.values())), strict=True)) if calls else {}
        return [_settled(each, faults.get(index)) for index, each in enumerate(checked)]


def _settled(each: _Checked | ToRefuse | ToHold, fault: InputError | None) -> Understood:
    if not isinstance(each, _Checked):
        return each
    if fault:
        return ToRefuse(each.delivery, each.message.tenant_id, fault.code, fault.detail)
    return ToAccept(each.delivery, each.message, each.fingerprint)


def _find_channel(tenant_id: int, name: str) -> ChannelView | None:
    """By id or name; without one, the tenant's only one."""
    try:
        return get_channel(tenant_id, name) if name else find_only_channel(tenant_id)
    except (InputError, NotFound):
        return None
