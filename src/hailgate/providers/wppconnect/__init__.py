"""WhatsApp through a WPPConnect Server of one's own (2.10.4): a browser that is paired with a phone."""

from functools import partial
from typing import Final

from msgspec.structs import replace

from hailgate.core.address import AddressKind
from hailgate.core.content.interactive import POLL_BODY_LIMIT
from hailgate.core.json_stream import JsonMask
from hailgate.core.kinds import KindLimits
from hailgate.core.limits import Limit
from hailgate.providers.capabilities import Capabilities, TakesFiles
from hailgate.providers.phone_files import PHONE_FILES
from hailgate.providers.spec import Proof, ProviderSpec, keep_headers
from hailgate.providers.wppconnect.adapter import WppProvider, WppReceiver
from hailgate.providers.wppconnect.codes import CODES
from hailgate.providers.wppconnect.config import WppChannel, WppHook
from hailgate.providers.wppconnect.message_ids import token_of

TEXT: Final = KindLimits(text=4096, mentions=True)
KINDS: Final = {
    "text": TEXT,
    **PHONE_FILES,
    "sticker": replace(PHONE_FILES["sticker"], quotable=False),
    "location": KindLimits(quotable=False),
    "contacts": KindLimits(quotable=False),
    "reaction": KindLimits(quotable=False),
    "interactive.list": KindLimits(text=4096, quotable=False),
    "interactive.poll": KindLimits(text=POLL_BODY_LIMIT, quotable=False),
    "interactive.button": KindLimits(text=1024, degrades_to="text"),  # phones often do not show its buttons
    "interactive.cta_url": KindLimits(text=1024, degrades_to="text"),
}

SPEC: Final = ProviderSpec(
    contract=2,
    name="wppconnect",
    label="WPPConnect Server",
    hook_config=WppHook,
    channel_config=WppChannel,
    capabilities=Capabilities(
        kinds=KINDS,
        addresses=frozenset({AddressKind.PHONE, AddressKind.LID, AddressKind.JID, AddressKind.GROUP}),
        # WhatsApp bans numbers that write like machines: twenty a minute is what people get away with.
        channel_limit=Limit(interval=3.0, burst=5),
        max_webhook_body=140 << 20,  # a file of 100 MB in base64
        keepalive_seconds=3.0,  # Node closes idle connections after five seconds
        echoes_tracker=False,
        takes_files=TakesFiles.INLINE,
        media_kept_s=7 * 86_400.0,  # for as long as the session lives; no longer is waited for
        repeats_webhooks=False,
        echoes_sends=True,  # as onselfmessage, where that is switched on
        pairs_session=True,
        finds_sent=True,
        polls_inbound=True,
    ),
    proof=Proof.URL,
    account_of=lambda channel, _: channel.session,
    mask_headers=keep_headers("content-type", "user-agent"),
    # Whoever has a code has the phone's messages; it is asked for where it is needed, and stored nowhere else.
    mask_body=partial(JsonMask, {"/qrcode", "/urlcode", "/phoneCode"}),
    receiver=WppReceiver,
    connect=WppProvider,
    codes=CODES,
    message_token=token_of,
)
