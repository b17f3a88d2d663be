"""WhatsApp through an Evolution API server of one's own (2.3.6, 2.3.7, 2.4): a client that is paired with a phone."""

from functools import partial
from typing import Final

from msgspec.structs import replace

from hailgate.core.address import AddressKind
from hailgate.core.content.interactive import POLL_BODY_LIMIT
from hailgate.core.json_stream import JsonMask
from hailgate.core.kinds import KindLimits
from hailgate.core.limits import Limit
from hailgate.providers.capabilities import Capabilities, TakesFiles
from hailgate.providers.evolution.adapter import EvolutionProvider, EvolutionReceiver
from hailgate.providers.evolution.codes import CODES
from hailgate.providers.evolution.config import EvolutionChannel, EvolutionHook
from hailgate.providers.evolution.webhook import repeats
from hailgate.providers.phone_files import PHONE_FILES
from hailgate.providers.spec import Proof, ProviderSpec, keep_headers

KINDS: Final = {
    "text": KindLimits(text=4096, mentions=True, mentions_all=True),
    **PHONE_FILES,
    # Each is decoded here before the server may see it: one that it cannot decode ends it.
    "audio": replace(PHONE_FILES["audio"], voice_by_link=False),
    "location": KindLimits(),
    "contacts": KindLimits(),
    "reaction": KindLimits(quotable=False),
    "interactive.list": KindLimits(text=4096, degrades_to="text"),
    "interactive.button": KindLimits(text=1024, degrades_to="text"),
    "interactive.cta_url": KindLimits(text=1024, degrades_to="text"),
    "interactive.poll": KindLimits(text=POLL_BODY_LIMIT, options=10),
}
NATIVE: Final = {kind: replace(limits, degrades_to=None) for kind, limits in KINDS.items()}
# The instance's key travels in every webhook, and whoever has a code has the phone's messages.
MASKED: Final = frozenset({
    "/apikey", "/api_key", "/data/qrcode/code", "/data/qrcode/base64", "/data/qrcode/pairingCode",
})  # fmt: skip

SPEC: Final = ProviderSpec(
    contract=2,
    name="evolution",
    label="Evolution API",  # its licence wants administrators told that it is used: this is shown with the channel
    hook_config=EvolutionHook,
    channel_config=EvolutionChannel,
    capabilities=Capabilities(
        kinds=KINDS,
        addresses=frozenset({AddressKind.PHONE, AddressKind.LID, AddressKind.JID, AddressKind.GROUP}),
        # WhatsApp bans numbers that write like machines: twenty a minute is what people get away with.
        channel_limit=Limit(interval=3.0, burst=5),
        max_webhook_body=140 << 20,  # a file of 100 MB in base64
        keepalive_seconds=3.0,  # Node closes idle connections after five seconds
        echoes_tracker=False,
        takes_files=TakesFiles.INLINE,
        repeats_webhooks=False,  # for minutes, in memory, and never what was refused
        echoes_sends=True,
        breaks_on_voice=True,  # the whole server ends, and every instance with it
        settle_s=1.0,  # each event is posted on its own, and some overtake others
        pairs_session=True,
        deletes_session=True,
        finds_sent=True,
        polls_inbound=True,
    ),
    proof=Proof.HEADER,
    account_of=lambda channel, _: channel.instance,
    mask_headers=keep_headers("content-type", "user-agent", "x-event-type", "x-instance-name", "x-timestamp"),
    mask_body=partial(JsonMask, MASKED),
    repeats=repeats,
    receiver=EvolutionReceiver,
    connect=EvolutionProvider,
    needs_public_url=True,
    kinds_of=lambda channel: NATIVE if channel.native_menus else KINDS,
    codes=CODES,
)
