"""WhatsApp through Meta's own Cloud API."""

from typing import Final

from hailgate.core.address import AddressKind
from hailgate.core.delivery import ProviderWaits
from hailgate.core.limits import Limit
from hailgate.providers.capabilities import Capabilities, TakesFiles
from hailgate.providers.cloud.adapter import SIGNATURE, CloudProvider, CloudReceiver, probe_handshake
from hailgate.providers.cloud.codes import CODES
from hailgate.providers.cloud.config import CloudChannel, CloudHook
from hailgate.providers.cloud.errors import DAY, our_code
from hailgate.providers.cloud.kinds import KINDS
from hailgate.providers.cloud.message_ids import token_of
from hailgate.providers.cloud.versions import warn_of_end
from hailgate.providers.spec import Proof, ProviderSpec, keep_headers

SPEC: Final = ProviderSpec(
    contract=2,
    name="cloud",
    label="WhatsApp Cloud API",
    hook_config=CloudHook,
    channel_config=CloudChannel,
    capabilities=Capabilities(
        kinds=KINDS,
        addresses=frozenset({AddressKind.PHONE, AddressKind.BSUID, AddressKind.GROUP}),
        window_seconds=24 * 3600.0,
        # In and out together; Meta raises it to 1,000 by itself. Meta counts by the second: a burst of a whole second
        # would let twice as many out after a rest, and each one too many is refused and waits for a minute.
        channel_limit=Limit.per_second(80, 8),
        pair_limit=Limit(interval=6.0, burst=45),  # the burst is borrowed from the future
        waits=ProviderWaits(longest=DAY, pair_base=4.0),  # a day after its cap on marketing
        max_webhook_body=4 << 20,  # Meta sends up to 3 MB
        keepalive_seconds=15.0,
        echoes_tracker=True,
        repeats_webhooks=True,  # for a week, less and less often
        takes_files=TakesFiles.BY_ID,
        upload_life=30 * 86_400.0,
        media_kept_s=7 * 86_400.0,
    ),
    proof=Proof.BODY,
    account_of=lambda channel, _: channel.phone_number_id,
    # What helps to understand a stored webhook later. The rest is the proxy's business.
    mask_headers=keep_headers("content-type", "user-agent", SIGNATURE),
    receiver=CloudReceiver,
    connect=CloudProvider,
    handshake_probe=probe_handshake,
    codes=CODES,
    templates_advice="Its token needs whatsapp_business_management.",
    templates_at="waba_id",
    message_token=token_of,
    our_code=our_code,
    warn=lambda channel, now: warn_of_end(channel.version, now),
)
