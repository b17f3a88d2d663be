"""WhatsApp through Twilio's Messages API."""

from typing import Final

from hailgate.core.address import AddressKind
from hailgate.core.limits import Limit
from hailgate.providers.capabilities import Capabilities, TakesFiles
from hailgate.providers.spec import Proof, ProviderSpec, keep_headers
from hailgate.providers.twilio.adapter import TwilioProvider, TwilioReceiver
from hailgate.providers.twilio.codes import CODES
from hailgate.providers.twilio.config import TwilioChannel, TwilioHook
from hailgate.providers.twilio.errors import our_code
from hailgate.providers.twilio.kinds import KINDS
from hailgate.providers.twilio.signature import SETTINGS, SIGNATURE
from hailgate.providers.twilio.wire import CONTENT_SID

SPEC: Final = ProviderSpec(
    contract=2,
    name="twilio",
    label="Twilio",
    hook_config=TwilioHook,
    channel_config=TwilioChannel,
    capabilities=Capabilities(
        kinds=KINDS,
        addresses=frozenset({AddressKind.PHONE, AddressKind.BSUID}),
        window_seconds=24 * 3600.0,
        channel_limit=Limit.per_second(10, 10),  # 80 on newer pages, 10 on older ones: what is refused slows it down
        max_webhook_body=1 << 20,
        webhook_methods=frozenset({"GET", "POST"}),
        keepalive_seconds=15.0,
        echoes_tracker=True,
        takes_files=TakesFiles.BY_LINK,
        link_life_s=10 * 3600.0,  # as long as a message may wait in Twilio's queue
        media_kept_s=30 * 86_400.0,  # until the account deletes it; later attempts help nobody
        finds_sent=True,
    ),
    proof=Proof.URL_AND_FORM,
    account_of=lambda _, number: number,
    mask_headers=keep_headers("content-type", "user-agent", "i-twilio-idempotency-token", SIGNATURE, SETTINGS),
    receiver=TwilioReceiver,
    connect=TwilioProvider,
    needs_public_url=True,
    codes=CODES,
    templates_advice="Its credentials must be allowed to read contents.",
    templates_at="account_sid",
    template_id=CONTENT_SID,
    our_code=our_code,
)
