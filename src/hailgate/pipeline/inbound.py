"""Ingest: a hook's stored webhooks are taken, understood away from the store, and applied in one transaction."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from functools import partial

from hailgate.core.embedded_files import Skimmer
from hailgate.core.errors import NotFound
from hailgate.core.events import ProviderEvent
from hailgate.messaging.channels.hooks import HookView, get_hook
from hailgate.messaging.files.encryption import FileDamaged
from hailgate.messaging.files.storage import Files
from hailgate.messaging.inbound.call_turns import Debounce
from hailgate.messaging.inbound.ingest import (
    Ingested,
    Refused,
    StoredRequest,
    TakenWebhook,
    Understood,
    apply_webhooks,
    take_webhooks,
    understand_webhooks,
)
from hailgate.messaging.models import EventState
from hailgate.messaging.store.ports import Db
from hailgate.pipeline.bridge import in_thread
from hailgate.pipeline.faultpoints import crash_on
from hailgate.providers.contract import WebhookRequest

# Beyond this a body holds files; what is left without them is far smaller.
LARGEST_WHOLE = 4 << 20
LARGEST_SKIMMED = 16 << 20


class Inbound:
    """The way in, for one worker.

    ``debounce`` is how long an assistant waits for a person to finish, ``url`` where providers reach us.
    """

    def __init__(self, db: Db, worker_id: int, *, files: Files, debounce: Debounce, url: str) -> None:
        self._db, self._worker_id, self._files = db, worker_id, files
        self._debounce, self._url = debounce, url
        self._hooks: dict[int, HookView] = {}

    async def ingest(self, hook_id: int) -> Ingested:
        hook = await self.hook(hook_id)
        taken = await self._db(take_webhooks, self._worker_id, hook_id)
        if not taken:
            return Ingested(0, 0, Counter())
        whole = [await self._whole(one) if one.large.file else one for one in taken]
        understood = await in_thread(_understood, whole, partial(_parse, hook, self._url))
        return await self._db(apply_webhooks, self._worker_id, hook_id, understood, self._debounce)

    async def hook(self, hook_id: int) -> HookView:
        if hook_id not in self._hooks:
            self._hooks[hook_id] = await self._db(get_hook, hook_id)
        return self._hooks[hook_id]

    async def _whole(self, taken: TakenWebhook) -> TakenWebhook | Refused:
        """With its body, of which files are left out where it is too large for memory."""
        pieces = self._files.read(taken.large.file, taken.large.key)
        try:
            body = await _gather(pieces, skim=taken.large.size > LARGEST_WHOLE)
        except (NotFound, FileDamaged) as lost:
            return Refused(taken.id, EventState.DEAD, f"its body is lost: {lost.detail}")
        except _TooMuch:
            return Refused(taken.id, EventState.DEAD, "not understood: it is too large, also without its files")
        return taken._replace(body=body)


class _TooMuch(Exception):  # noqa: N818
    pass


async def _gather(pieces: AsyncIterator[bytes], *, skim: bool) -> bytes:
    skimmer = Skimmer() if skim else None
    body = bytearray()
    async for piece in pieces:
        body += skimmer.feed(piece) if skimmer else piece
        if len(body) > LARGEST_SKIMMED:
            raise _TooMuch
    return bytes(body + skimmer.end()) if skimmer else bytes(body)


def _understood(taken: Sequence[TakenWebhook | Refused], parse: partial[Sequence[ProviderEvent]]) -> list[Understood]:
    understood: list[Understood] = []
    for one in taken:
        understood += [one] if isinstance(one, Refused) else understand_webhooks([one], parse)
    return understood


def _parse(hook: HookView, url: str, stored: StoredRequest) -> Sequence[ProviderEvent]:
    """The request as the edge received it."""
    crash_on("webhook", stored.body)
    where = f"{url}{hook.path.reveal()}{stored.path}"
    return hook.receiver.parse(
        WebhookRequest(
            url=f"{where}?{stored.query}" if stored.query else where,
            method=stored.method,
            query=stored.query,
            headers=stored.headers,
            body=stored.body,
        )
    )
