"""Finding messages by channel, status, time and metadata, in bounded time however many there are.

A look walks an index from the newest message to older ones and passes at most `WALK` of them. What it found until then
is a page, and where it stopped is where the next look begins: a page may be short, or empty, and not the last.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from django.db.models import Q, QuerySet

from hailgate.accounts.fields import earliest
from hailgate.core.errors import InputError
from hailgate.core.limits import CLOCK_SKEW
from hailgate.core.status import Status
from hailgate.messaging.models import Channel, Direction, Message
from hailgate.messaging.store.sql import atomic_cursor, every_tenant, fetch_value

# Passing so many entries of an index takes a few milliseconds, on either database.
WALK: Final = 10_000
# Of a tenant with more, one has to be named: each is walked apart.
MOST_CHANNELS: Final = 20
# Nothing points from metadata to messages: those of the window are read.
LONGEST_WINDOW: Final = timedelta(days=31)
NEVER: Final = 1 << 62


class Wanted(NamedTuple):
    """What all the messages have in common. `until` is not included; each pair of `metadata` is a key and its value."""

    channel_id: int | None = None
    direction: Direction | None = None
    status: Status | None = None
    since: datetime | None = None
    until: datetime | None = None
    metadata: Mapping[str, str] = {}


class FoundMessage(NamedTuple):
    """Newest first. `older_than` is where the next look begins; None where there is nothing more."""

    messages: list[Message]
    older_than: int | None


def find_messages(tenant_id: int, wanted: Wanted, older_than: int | None, limit: int) -> FoundMessage:
    """Raises InputError for what could not be found within a bounded look."""
    first, last = _ids_of(wanted)
    before = min(last, older_than or NEVER)
    walks = _walks(tenant_id, wanted)
    if wanted.metadata and _stop_of(walks[0], first, last, WALK) > first:
        raise InputError(
            f"metadata: more than {WALK} messages lie in this time; name a shorter one with `since` and `until`.",
            field="metadata",
        )
    found: list[Message] = []
    reached = first
    for rows in walks:
        stop = _stop_of(rows, first, before, WALK // len(walks))
        reached = max(reached, stop)
        matching = _matching(rows.filter(id__gte=stop, id__lt=before), wanted)
        found += islice(matching, limit + 1)
    found = sorted((message for message in found if message.id >= reached), key=lambda each: -each.id)
    page = found[:limit]
    if len(found) > limit:
        return FoundMessage(page, page[-1].id)
    return FoundMessage(page, reached if reached > first else None)


def _ids_of(wanted: Wanted) -> tuple[int, int]:
    """Between which ids messages of that time lie, for certain: ids and times rise together, but for a clock's skew."""
    skew = timedelta(seconds=CLOCK_SKEW)
    first = _first_id_from(wanted.since - skew) if wanted.since else 0
    last = _first_id_from(wanted.until + skew) if wanted.until else NEVER
    return first, last


def _first_id_from(moment: datetime) -> int:
    """Ids for the outside begin with the time at which they were made (RFC 9562, version 7)."""
    milliseconds = max(0, int(moment.timestamp() * 1000))
    with atomic_cursor(read_only=True) as cursor:
        id_ = fetch_value(
            cursor,
            f"SELECT id FROM messaging_message WHERE uid >= %s {every_tenant('ids alone')} ORDER BY uid LIMIT 1",
            [UUID(int=milliseconds << 80).hex],
        )
    return NEVER if id_ is None else int(id_)


def _walks(tenant_id: int, wanted: Wanted) -> Sequence["QuerySet[Message]"]:
    """The rows of one index each: those of a status, or those of a channel."""
    ours = Message.objects.filter(tenant_id=tenant_id)
    if wanted.status is not None and not wanted.metadata:
        return [ours.filter(direction=Direction.OUTBOUND, status=wanted.status)]
    if wanted.channel_id is not None:
        return [ours.filter(channel_id=wanted.channel_id)]
    channels = list(Channel.objects.filter(tenant_id=tenant_id).values_list("id", flat=True)[: MOST_CHANNELS + 1])
    if len(channels) > MOST_CHANNELS:
        raise InputError(f"channel: name one, since there are more than {MOST_CHANNELS}.", field="channel")
    return [ours.filter(channel_id=channel_id) for channel_id in channels]


def _stop_of(rows: "QuerySet[Message]", first: int, before: int, most: int) -> int:
    """How far down a walk over `most` rows comes."""
    passed = rows.filter(id__gte=first, id__lt=before).order_by("-id").values_list("id", flat=True)
    return next(iter(passed[most : most + 1]), first - 1) + 1


def _matching(rows: "QuerySet[Message]", wanted: Wanted) -> Iterator[Message]:
    exact: dict[str, Any] = {
        "channel_id": wanted.channel_id,
        "direction": wanted.direction,
        "status": wanted.status,
        "accepted_at__gte": wanted.since and earliest(wanted.since),
        "accepted_at__lt": wanted.until and earliest(wanted.until),
    }
    rows = rows.filter(**{name: value for name, value in exact.items() if value is not None})
    for key, value in wanted.metadata.items():
        rows = rows.filter(_may_hold(key, value))
    found: Iterable[Message] = rows.select_related("conversation", "channel").order_by("-id").iterator(chunk_size=200)
    return (message for message in found if holds(message.metadata, wanted.metadata))


def _may_hold(key: str, value: str) -> Q:
    """What the database can tell of compact JSON without reading it."""
    name = msgspec.json.encode(key).decode()
    written = msgspec.json.encode(value).decode()
    return Q(metadata__contains=f"{name}:{written}") | Q(metadata__contains=f"{name}:{value}")


def holds(metadata: str, pairs: Mapping[str, str]) -> bool:
    if not pairs:
        return True
    known = msgspec.json.decode(metadata) if metadata else {}
    return all(key in known and _as_text(known[key]) == value for key, value in pairs.items())


def _as_text(value: object) -> str:
    """As one would write it in a URL: a text as it is, everything else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
