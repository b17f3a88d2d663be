"""Files that people sent: a duty of their own beside the message, claimed, stored, tried again or given up.

A file that cannot be had costs nobody the message: its row says why, and can be tried again by hand for as long as the
provider keeps the file.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from hailgate.accounts.seal import sealer
from hailgate.core.delivery import Action, Decision
from hailgate.core.media import InboundMedia, RemoteMedia, StoredInWebhook
from hailgate.core.slots import Room
from hailgate.messaging.files.attachments import LONGEST_NAME
from hailgate.messaging.files.storage import WrittenFile
from hailgate.messaging.models import AttachmentState, WorkKind, WorkState
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.notify import Wake, wake_after_commit
from hailgate.messaging.store.sql import (
    Cursor,
    Row,
    among,
    array,
    atomic_cursor,
    every_tenant,
    fetch,
    fetch_one,
    fetch_value,
    locked,
    now,
)
from hailgate.messaging.store.tables import ATTACHMENT
from hailgate.messaging.work import rows
from hailgate.messaging.work.claim import Batch, Leased, claim_due, lock_held
from hailgate.messaging.work.leases import find_alive
from hailgate.providers import get_provider


class AwaitedFile(NamedTuple):
    """``webhook_id`` is the row of the webhook that told of it, ``kept_s`` how long its provider keeps it."""

    tenant_id: int
    channel_id: int
    message_id: int
    media: InboundMedia
    webhook_id: int
    kept_s: float


class FetchClaim(NamedTuple):
    """A file that this worker may fetch; the counters are those of ``Leased``."""

    id: int
    lease: int
    tenant_id: int
    attachment_id: int
    channel_id: int
    spent: int
    crashes: int
    expires_at: float | None
    media: InboundMedia
    webhook_id: int | None


def await_files(cursor: Cursor, awaited: Sequence[AwaitedFile], moment: float) -> None:
    """Part of the transaction that stores their messages."""
    if not awaited:
        return
    columns = (
        "uid", "tenant_id", "channel_id", "message_id", "state", "kind", "name", "provider_id", "told_sha256", "mime",
        "size", "sha256", "file", "key", "code", "detail", "created_at", "source", "webhook_id",
    )  # fmt: skip
    ids = ATTACHMENT.insert_numbered(cursor, columns, [_row(file, moment) for file in awaited])
    new = [
        rows.NewWork(file.tenant_id, WorkKind.FETCH, id_, file.channel_id, expires_at=moment + file.kept_s)
        for id_, file in zip(ids, awaited, strict=True)
    ]
    rows.enqueue(cursor, new, moment)


def claim_fetches(worker_id: int, room: Room) -> Batch[FetchClaim]:
    return claim_due(WorkKind.FETCH, worker_id, room, _load)


def record_fetched(worker_id: int, claim: FetchClaim, kept: WrittenFile) -> bool:
    """False where the fetch is no longer this worker's: then the file is somebody else's, too."""
    with atomic_cursor() as cursor:
        moment = find_alive(cursor, worker_id)
        if moment is None or not lock_held(cursor, worker_id, [claim]):
            return False
        columns = ("state", "mime", "size", "sha256", "file", "key", "code", "detail", "stored_at")
        values = (AttachmentState.STORED.value, kept.mime, kept.size, kept.sha256, kept.file, kept.key, "", "", moment)
        ATTACHMENT.update(cursor, columns, [(claim.attachment_id, *values)])
        rows.complete(cursor, [claim.id])
        return True


def record_not_fetched(worker_id: int, claim: FetchClaim, decision: Decision) -> bool:
    """Try again when the decision says so; else the row is dead and the attachment says why."""
    with atomic_cursor() as cursor:
        if find_alive(cursor, worker_id) is None or not lock_held(cursor, worker_id, [claim]):
            return False
        code, detail = decision.code[:60], decision.detail[:300]
        spent = claim.spent + (decision.action is not Action.SNOOZE)
        if decision.due_at is not None:
            rows.postpone(cursor, [rows.Postponed(claim.id, decision.due_at, spent, code, detail)])
            return True
        rows.stop(cursor, [rows.Stopped(claim.id, WorkState.DEAD, spent, code, detail)])
        failed = (claim.attachment_id, AttachmentState.FAILED.value, code, detail)
        ATTACHMENT.update(cursor, ("state", "code", "detail"), [failed])
        return True


def fetch_again(tenant_id: int, uid: UUID) -> bool:
    """By hand. False where there is no such file, or it did not fail."""
    with atomic_cursor() as cursor:
        found = fetch_one(
            cursor,
            f"SELECT id, channel_id FROM messaging_attachment WHERE tenant_id = %s AND uid = %s "
            f"AND state = {AttachmentState.FAILED.value}{locked()}",
            [tenant_id, uid.hex],
        )
        if found is None:
            return False
        attachment_id, channel_id = found
        provider = fetch_value(
            cursor,
            "SELECT provider FROM messaging_channel WHERE tenant_id = %s AND id = %s",
            [tenant_id, channel_id],
        )
        kept_s = get_provider(provider).capabilities.media_kept_s
        again = (attachment_id, AttachmentState.AWAITED.value, "", "")
        ATTACHMENT.update(cursor, ("state", "code", "detail"), [again])
        cursor.execute(
            f"UPDATE messaging_work SET state = {WorkState.READY.value}, due_at = 0, attempts = 0, tries = 0, "
            f"expires_at = %s WHERE tenant_id = %s AND kind = {WorkKind.FETCH.value} AND key = %s "
            f"AND state = {WorkState.DEAD.value}",
            [now(cursor) + kept_s, tenant_id, attachment_id],
        )
        wake_after_commit(cursor, Wake.FETCH)
        return True


def _load(cursor: Cursor, leased: Sequence[Leased], _moment: float) -> list[FetchClaim]:
    found = fetch(
        cursor,
        f"SELECT id, kind, provider_id, told_sha256, source, webhook_id FROM messaging_attachment "
        f"WHERE {among('id')} {every_tenant('by key')}",
        [array(row.key for row in leased)],
    )
    files = {id_: (_media(*told), told[-1]) for id_, *told in found}
    return [FetchClaim(*row, *files[row.key]) for row in leased]


def _row(file: AwaitedFile, moment: float) -> Row:
    media, provider_id, webhook_id = file.media, "", None
    if isinstance(media, StoredInWebhook):
        source, webhook_id = media.pointer, file.webhook_id
    else:
        provider_id, source = media.provider_id, media.link
    return (
        uuid7(), file.tenant_id, file.channel_id, file.message_id, AttachmentState.AWAITED.value, media.kind,
        sealer().seal_content(media.name[:LONGEST_NAME]), provider_id, media.sha256, "", 0, "", "", "", "", "", moment,
        sealer().seal(source) if source else "", webhook_id,
    )  # fmt: skip


def _media(kind: str, provider_id: str, sha256: str, source: str, webhook_id: int | None) -> InboundMedia:
    opened = sealer().unseal(source) if source else ""
    if webhook_id is not None:
        return StoredInWebhook(kind, opened, sha256)
    return RemoteMedia(kind, provider_id, sha256, link=opened)
