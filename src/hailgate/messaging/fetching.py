"""Files that people sent: a duty of their own beside the message, claimed, stored, tried again or given up.

A file that cannot be had costs nobody the message: its row says why, and can be tried again by hand for as long as the
provider keeps the file.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from hailgate.accounts.seal import sealer
from hailgate.core.delivery import Action, Decision
from hailgate.core.media import RemoteMedia
from hailgate.messaging import rows
from hailgate.messaging.files import Kept
from hailgate.messaging.ids import uuid7
from hailgate.messaging.leases import find_alive
from hailgate.messaging.media import LONGEST_NAME
from hailgate.messaging.models import AttachmentState, WorkKind, WorkState
from hailgate.messaging.queue import look_for
from hailgate.messaging.sql import (
    Cursor,
    Row,
    among,
    array,
    atomic_cursor,
    every_tenant,
    fetch,
    fetch_value,
    locked,
    now,
)
from hailgate.messaging.tables import ATTACHMENT
from hailgate.messaging.waking import Wake, wake_after_commit

# Meta keeps what people send for seven days; afterwards no attempt can succeed.
KEPT_BY_PROVIDER_S = 7 * 86_400.0


class AwaitedFile(NamedTuple):
    tenant_id: int
    channel_id: int
    message_id: int
    media: RemoteMedia


class FetchClaim(NamedTuple):
    """A file that this worker may fetch. ``tries`` counts the runs that told no outcome."""

    id: int
    lease: int
    tenant_id: int
    attachment_id: int
    channel_id: int
    attempts: int
    tries: int
    expires_at: float | None
    media: RemoteMedia


class FetchesClaimed(NamedTuple):
    claims: list[FetchClaim]
    moment: float
    again_at: float | None


def await_files(cursor: Cursor, awaited: Sequence[AwaitedFile], moment: float) -> None:
    """Part of the transaction that stores their messages."""
    if not awaited:
        return
    columns = (
        "uid", "tenant_id", "channel_id", "message_id", "state", "kind", "name", "provider_id", "told_sha256", "mime",
        "size", "sha256", "file", "key", "code", "detail", "created_at",
    )  # fmt: skip
    seal = sealer().seal_content
    stored = [
        (
            uuid7(), tenant_id, channel_id, message_id, AttachmentState.AWAITED.value, media.kind,
            seal(media.name[:LONGEST_NAME]), media.provider_id, media.sha256, "", 0, "", "", "", "", "", moment,
        )
        for tenant_id, channel_id, message_id, media in awaited
    ]  # fmt: skip
    ids = ATTACHMENT.insert_numbered(cursor, columns, stored)
    expires_at = moment + KEPT_BY_PROVIDER_S
    new = [
        rows.NewWork(file.tenant_id, WorkKind.FETCH, id_, file.channel_id, expires_at=expires_at)
        for id_, file in zip(ids, awaited, strict=True)
    ]
    rows.enqueue(cursor, new, moment)


def claim_fetches(worker_id: int, limit: int) -> FetchesClaimed:
    """Lease up to ``limit`` due fetches; one that ran before without an end is taken alone."""
    look = look_for(WorkKind.FETCH)
    if limit and look.due:
        with atomic_cursor() as cursor:
            moment = find_alive(cursor, worker_id)
            if moment is not None:
                return FetchesClaimed(_lease_due(cursor, worker_id, limit, moment), moment, None)
    return FetchesClaimed([], look.moment, look.earliest if limit else None)


def record_fetched(worker_id: int, claim: FetchClaim, kept: Kept) -> bool:
    """False where the fetch is no longer this worker's: then the file is somebody else's, too."""
    with atomic_cursor() as cursor:
        moment = find_alive(cursor, worker_id)
        if moment is None or not _is_held(cursor, worker_id, claim):
            return False
        columns = ("state", "mime", "size", "sha256", "file", "key", "code", "detail", "stored_at")
        values = (AttachmentState.STORED.value, kept.mime, kept.size, kept.sha256, kept.file, kept.key, "", "", moment)
        ATTACHMENT.update(cursor, columns, [(claim.attachment_id, *values)])
        rows.complete(cursor, [claim.id])
        return True


def record_not_fetched(worker_id: int, claim: FetchClaim, decision: Decision) -> bool:
    """Try again when the decision says so; else the row is dead and the attachment says why."""
    with atomic_cursor() as cursor:
        if find_alive(cursor, worker_id) is None or not _is_held(cursor, worker_id, claim):
            return False
        code, detail = decision.code[:60], decision.detail[:300]
        spent = claim.attempts + (decision.action is not Action.SNOOZE)
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
        attachment_id = fetch_value(
            cursor,
            f"SELECT id FROM messaging_attachment WHERE tenant_id = %s AND uid = %s "
            f"AND state = {AttachmentState.FAILED.value}{locked()}",
            [tenant_id, uid.hex],
        )
        if attachment_id is None:
            return False
        again = (attachment_id, AttachmentState.AWAITED.value, "", "")
        ATTACHMENT.update(cursor, ("state", "code", "detail"), [again])
        cursor.execute(
            f"UPDATE messaging_work SET state = {WorkState.READY.value}, due_at = 0, attempts = 0, tries = 0, "
            f"expires_at = %s WHERE tenant_id = %s AND kind = {WorkKind.FETCH.value} AND key = %s "
            f"AND state = {WorkState.DEAD.value}",
            [now(cursor) + KEPT_BY_PROVIDER_S, tenant_id, attachment_id],
        )
        wake_after_commit(cursor, Wake.FETCH)
        return True


def _lease_due(cursor: Cursor, worker_id: int, limit: int, moment: float) -> list[FetchClaim]:
    due = fetch(
        cursor,
        f"SELECT work.id, work.lease + 1, work.tenant_id, work.key, work.channel_id, work.attempts, work.tries + 1, "
        f"work.expires_at, attachment.kind, attachment.provider_id, attachment.told_sha256 FROM messaging_work work "
        f"JOIN messaging_attachment attachment ON attachment.id = work.key "
        f"WHERE work.kind = {WorkKind.FETCH.value} AND work.state = {WorkState.READY.value} AND work.due_at <= %s "
        f"{every_tenant('claim')} ORDER BY work.due_at, work.id LIMIT %s{locked(of='work', skip=True)}",
        [moment, limit],
    )
    claims = [_claim(row) for row in due]
    if suspects := [claim for claim in claims if claim.tries > 1]:
        claims = suspects[:1]
    cursor.execute(
        f"UPDATE messaging_work SET state = {WorkState.LEASED.value}, worker_id = %s, lease = lease + 1, "
        f"tries = tries + 1 WHERE {among('id')} {every_tenant('claim')}",
        [worker_id, array(claim.id for claim in claims)],
    )
    return claims


def _claim(row: Row) -> FetchClaim:
    *facts, kind, provider_id, told_sha256 = row
    return FetchClaim._make((*facts, RemoteMedia(kind, provider_id, told_sha256)))


def _is_held(cursor: Cursor, worker_id: int, claim: FetchClaim) -> bool:
    found = fetch_value(
        cursor,
        f"SELECT id FROM messaging_work WHERE id = %s AND worker_id = %s AND lease = %s "
        f"AND state = {WorkState.LEASED.value} {every_tenant('own rows')}{locked()}",
        [claim.id, worker_id, claim.lease],
    )
    return found is not None
