"""WhatsApp through Meta's own Cloud API."""

from collections.abc import Mapping
from typing import Final

from hailgate.core.content import OUTBOUND_KINDS
from hailgate.core.limits import Limit
from hailgate.providers.cloud.adapter import SIGNATURE, CloudProvider, CloudReceiver
from hailgate.providers.cloud.config import CloudChannel, CloudHook
from hailgate.providers.contract import Capabilities, ProviderSpec

# What helps to understand a stored webhook later. The rest is the proxy's business.
_KEPT_HEADERS = ("content-type", "user-agent", SIGNATURE)


def _mask(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in _KEPT_HEADERS if name in headers}


SPEC: Final = ProviderSpec(
    name="cloud",
    label="WhatsApp Cloud API",
    hook_config=CloudHook,
    channel_config=CloudChannel,
    capabilities=Capabilities(
        content_kinds=frozenset(OUTBOUND_KINDS),
        text_limit=4096,
        window_seconds=24 * 3600.0,
        # In and out together; Meta raises it to 1,000 by itself. Meta counts by the second: a burst of a whole second
        # would let twice as many out after a rest, and each one too many is refused and waits for a minute.
        channel_limit=Limit.per_second(80, 8),
        pair_limit=Limit(interval=6.0, burst=45),  # the burst is borrowed from the future
        max_webhook_body=4 << 20,  # Meta sends up to 3 MB
        keepalive_seconds=15.0,
        echoes_tracker=True,
        repeats_webhooks=True,  # for a week, less and less often
        upload_life=30 * 86_400.0,
    ),
    account_of=lambda channel: channel.phone_number_id,
    mask=_mask,
    receiver=CloudReceiver,
    connect=CloudProvider,
    templates_at="waba_id",
)
