"""Receiving: a webhook is stored raw before it is answered."""

import time
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from hailgate.accounts.seal import sealer
from hailgate.messaging.models import EventOrigin
from hailgate.messaging.store.notify import Wake, wake_after_commit, wake_now, wake_others
from hailgate.messaging.store.sql import (
    among,
    array,
    as_uuid,
    atomic_cursor,
    every_tenant,
    fetch,
    fetch_one,
    in_one_flight,
    moment,
    now,
)
from hailgate.messaging.store.tables import EVENT

COLUMNS = ("uid", "tenant_id", "hook_id", "headers", "body")
# Left to their defaults where every call of a batch was a plain POST to the hook itself.
REQUEST = ("method", "path", "query", "body_file", "body_key", "body_size", "body_sha256")
UNTOUCHED = {"state": "0", "tries": "0", "outcome": "''"}


class LargeBody(NamedTuple):
    """A body in the store of files: its name there, its sealed key, and size and SHA-256 of the plain bytes."""

    file: str = ""
    key: str = ""
    size: int = 0
    sha256: str = ""


SMALL = LargeBody()


class ReceivedWebhook(NamedTuple):
    """A verified call of a provider.

    ``headers`` is JSON of those that may be kept, ``path`` what stood behind the hook's token, ``query`` the raw query.
    ``body`` is empty where a large one lies in the store of files. ``begun`` is the monotonic time at which it came,
    where somebody wants to know how long it took.
    """

    uid: UUID
    tenant_id: int
    hook_id: int
    headers: str
    body: bytes
    method: str = "POST"
    path: str = ""
    query: str = ""
    large: LargeBody = SMALL
    begun: float | None = None


class SpooledWebhook(NamedTuple):
    """One that lay on disk while the store was away: body and query as they are stored, perhaps sealed."""

    uid: UUID
    tenant_id: int
    hook_id: int
    received_at: float
    headers: str
    body: bytes
    method: str = "POST"
    path: str = ""
    query: str = ""
    large: LargeBody = SMALL


def store_webhooks(batch: Sequence[ReceivedWebhook]) -> list[bool]:
    """Exactly one row each; True once committed."""
    return _store(batch, EventOrigin.WEBHOOK)


def store_polled(batch: Sequence[ReceivedWebhook]) -> list[bool]:
    """Answers to questions of ours, which go the same way from here on."""
    return _store(batch, EventOrigin.POLL)


def _store(batch: Sequence[ReceivedWebhook], origin: EventOrigin) -> list[bool]:
    seal = sealer().seal_bytes
    plain = all(map(_is_plain, batch))
    rows = [
        (h.uid, h.tenant_id, h.hook_id, h.headers, seal(h.body), _took(h.begun), *(() if plain else _request(h)))
        for h in batch
    ]
    columns = (*COLUMNS, "stored_in_s", *(() if plain else REQUEST))
    with in_one_flight() as cursor:
        same = {**UNTOUCHED, "received_at": moment(), "origin": str(origin.value)}
        EVENT.insert(cursor, columns, rows, same=same, on_conflict="ON CONFLICT (uid) DO NOTHING")
        wake_others(cursor, Wake.INGEST)
    wake_now(Wake.INGEST)
    return [True] * len(batch)


def _took(begun: float | None) -> float | None:
    return None if begun is None else time.monotonic() - begun


def _is_plain(hook: ReceivedWebhook) -> bool:
    return hook[5:9] == _PLAIN


_PLAIN = ("POST", "", "", SMALL)


def _request(hook: ReceivedWebhook) -> tuple[object, ...]:
    return (hook.method, hook.path, sealer().seal_content(hook.query), *hook.large)


def spool_webhook(webhook: ReceivedWebhook, received_at: float) -> SpooledWebhook:
    """Sealed as its row would be."""
    uid, tenant_id, hook_id, headers, body, method, path, query, large, _ = webhook
    seal = sealer()
    return SpooledWebhook(
        uid,
        tenant_id,
        hook_id,
        received_at,
        headers,
        seal.seal_bytes(body),
        method,
        path,
        seal.seal_content(query),
        large,
    )


def store_spooled(batch: Sequence[SpooledWebhook]) -> list[bool]:
    """As ``store_webhooks``. One that is there already stays as it is: its process may have ended half way."""
    with atomic_cursor() as cursor:
        latest = now(cursor)  # of the store; the clock of whoever received it may be ahead
        rows = [
            (
                each.uid, each.tenant_id, each.hook_id, each.headers, each.body, each.method, each.path, each.query,
                *each.large, min(each.received_at, latest),
            )
            for each in batch
        ]  # fmt: skip
        columns = (*COLUMNS, *REQUEST, "received_at")
        EVENT.insert(cursor, columns, rows, same=UNTOUCHED, on_conflict="ON CONFLICT (uid) DO NOTHING")
        wake_after_commit(cursor, Wake.INGEST)
    return [True] * len(batch)


def find_stored(batch: Sequence[ReceivedWebhook]) -> list[bool | None]:
    """Which of a batch are stored, asked after a COMMIT that was not answered."""
    with atomic_cursor(read_only=True) as cursor:
        found = fetch(
            cursor,
            f"SELECT uid FROM messaging_webhookevent WHERE {among('uid')} {every_tenant('by key')}",
            [array(hook.uid for hook in batch)],
        )
    known = {as_uuid(row[0]) for row in found}
    return [True if hook.uid in known else None for hook in batch]


def find_webhook_body(event_id: int) -> tuple[bytes, LargeBody] | None:
    """As it came; empty where a large one lies in the store of files."""
    with atomic_cursor(read_only=True) as cursor:
        row = fetch_one(
            cursor,
            f"SELECT body, body_file, body_key, body_size, body_sha256 FROM messaging_webhookevent WHERE id = %s "
            f"{every_tenant('by key')}",
            [event_id],
        )
    if row is None:
        return None
    body, *large = row
    return sealer().unseal_bytes(bytes(body)), LargeBody(*large)
