"""Webhooks as their page shows them: what each came to, and what stood in it."""

from contextlib import suppress
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
from django.db.models.functions import Length
from django.utils.translation import gettext as _

from hailgate.accounts.seal import sealer
from hailgate.console.paging import ListPage, page_of
from hailgate.messaging.models import EventOrigin, EventState, WebhookEvent
from hailgate.providers import get_provider

# A body is shown up to here; providers put whole files into some.
LONGEST_BODY: Final = 200_000


class EventRow(NamedTuple):
    uid: str
    at: datetime
    provider: str
    state: str
    word: str
    outcome: str
    size: int
    tries: int
    answered: str
    stored_in_s: float | None
    understood_in_s: float | None


def list_events(tenant_id: int, kind: str, before: int | None) -> ListPage:
    rows = WebhookEvent.objects.filter(tenant_id=tenant_id).select_related("hook").defer("headers", "body")
    states = {"pending": EventState.PENDING, "dead": EventState.DEAD}
    if kind in states:
        rows = rows.filter(state=states[kind])
    page, older = page_of(rows.annotate(small=Length("body")), before)
    return ListPage([show_event(event, event.small) for event in page], older)


def show_event(event: WebhookEvent, small: int) -> EventRow:
    """``small`` is how many bytes of its body lie in the row itself."""
    words = {EventState.PENDING: _("Waiting"), EventState.DONE: _("Understood"), EventState.DEAD: _("Set aside")}
    state = EventState(event.state)
    return EventRow(
        uid=event.uid.hex,
        at=event.received_at,
        provider=get_provider(event.hook.provider).label,
        state=state.name.lower(),
        word=words[state],
        outcome=event.outcome,
        size=event.body_size or small,
        tries=event.tries,
        answered="" if event.origin == EventOrigin.POLL else "200",
        stored_in_s=event.stored_in_s,
        understood_in_s=_between(event.received_at, event.understood_at),
    )


def _between(begun: datetime, ended: datetime | None) -> float | None:
    return None if ended is None else max(0.0, (ended - begun).total_seconds())


def read_body(event: WebhookEvent) -> str:
    """Indented where it is JSON; otherwise as it came. A large one lies in the store of files, and is not shown."""
    if event.body_size:
        return "…"
    raw = sealer().unseal_bytes(bytes(event.body))
    with suppress(msgspec.DecodeError, RecursionError):
        raw = msgspec.json.format(raw, indent=2)
    text = raw.decode("utf-8", "replace")
    return text if len(text) <= LONGEST_BODY else f"{text[:LONGEST_BODY]}\n…"
