"""Template lists: the templates of an account, read from its provider page by page and brought into its business."""

from typing import TYPE_CHECKING

from hailgate.core.errors import OutcomeUnknown, ProviderUnavailable, Rejected, SendError, StoreUnavailable
from hailgate.messaging.templates.sync import ClaimedAccount, record_list, record_not_listed
from hailgate.providers.contract import ListsTemplates, Provider
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log, where

if TYPE_CHECKING:
    from hailgate.core.templates import TemplateDefinition
    from hailgate.messaging.store.ports import Db
    from hailgate.pipeline.connections import Connections

# An account may have 6,000 templates in all languages; a list that goes on after that goes round.
MOST_PAGES = 500


class TemplateLister:
    """Carries out lists for one worker."""

    def __init__(self, db: "Db", connections: "Connections") -> None:
        self._db, self._connections = db, connections

    async def bring(self, claimed: ClaimedAccount) -> None:
        try:
            connected = await self._connections.get(claimed.channel_id)
            listed = await list_templates(connected.provider)
        except StoreUnavailable:
            raise
        except SendError as error:
            await self._failed(claimed, error)
        except Exception as bug:  # noqa: BLE001 -- of one business; all others go on
            log.error(Event.PROVIDER_ERROR, channel=claimed.channel_id, error=type(bug).__name__, at=where(bug))
            await self._failed(claimed, ProviderUnavailable("The templates could not be listed."))
        else:
            synced = await self._db(record_list, claimed, listed)
            log.info(Event.TEMPLATES_LISTED, channel=claimed.channel_id, count=synced.templates)

    async def _failed(self, claimed: ClaimedAccount, error: SendError) -> None:
        await self._db(record_not_listed, claimed, error)
        log.warning(Event.TEMPLATES_NOT_LISTED, channel=claimed.channel_id, code=error.code, attempt=claimed.tries)


async def list_templates(provider: Provider) -> "list[TemplateDefinition]":
    """All of them. Raises SendError."""
    if not isinstance(provider, ListsTemplates):
        raise Rejected("This channel's provider has no templates.", code="templates_unsupported")
    found: list[TemplateDefinition] = []
    after = None
    for _ in range(MOST_PAGES):
        try:
            page = await provider.list_templates(after)
        except OutcomeUnknown as unclear:  # to ask twice for a list does no harm
            raise ProviderUnavailable(unclear.detail) from None
        found += page.templates
        if page.after is None:
            return found
        after = page.after
    raise ProviderUnavailable("The provider's list of templates does not end.")
