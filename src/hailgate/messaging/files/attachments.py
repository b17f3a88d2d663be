"""Attachments: the rows of files, who may see one, and links that let a browser see it for five minutes."""

import hmac
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from hailgate.accounts.link_owner import Holder, may_see, parse_holder
from hailgate.accounts.seal import sealer
from hailgate.core.errors import NotFound
from hailgate.core.media import check_size, natural_kind
from hailgate.messaging.files.storage import WrittenFile
from hailgate.messaging.models import Attachment, AttachmentState
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.sql import Row, as_uuid, atomic_cursor, every_tenant, fetch_one, now
from hailgate.messaging.store.tables import ATTACHMENT

LONGEST_NAME = 1000
LINK_S = 300.0


class StoredFile(NamedTuple):
    """An attachment whose bytes we have. ``name`` is what its sender called it: text for people, never a path."""

    id: int
    uid: UUID
    tenant_id: int
    kind: str
    name: str
    mime: str
    size: int
    sha256: str
    file: str
    key: str


STORED_COLUMNS = StoredFile._fields


def check_upload(kept: WrittenFile) -> None:
    """Raises InputError for a file that could be sent as nothing; one too large for its kind goes as a document."""
    check_size(kept.size)


def add_upload(tenant_id: int, kept: WrittenFile, name: str) -> StoredFile:
    """A file that the tenant means to send."""
    uid, kind, name = uuid7(), natural_kind(kept.mime), name[:LONGEST_NAME]
    columns = (
        "uid", "tenant_id", "state", "kind", "name", "provider_id", "told_sha256", "mime", "size", "sha256", "file",
        "key", "code", "detail", "created_at", "stored_at",
    )  # fmt: skip
    with atomic_cursor() as cursor:
        moment = now(cursor)
        row = (
            uid, tenant_id, AttachmentState.STORED.value, kind, sealer().seal_content(name), "", "", kept.mime,
            kept.size, kept.sha256, kept.file, kept.key, "", "", moment, moment,
        )  # fmt: skip
        id_ = ATTACHMENT.insert_numbered(cursor, columns, [row])[0]
    return StoredFile(id_, uid, tenant_id, kind, name, kept.mime, kept.size, kept.sha256, kept.file, kept.key)


def get_stored_file(tenant_id: int, uid: UUID) -> StoredFile:
    """Raises NotFound for one of another tenant, too, and for one whose bytes we do not have, or not any more."""
    found = Attachment.objects.filter(tenant_id=tenant_id, uid=uid).values_list("state", *STORED_COLUMNS).first()
    if found and found[0] == AttachmentState.REMOVED:
        raise NotFound("The file was kept for its days and is removed.", code="media_removed")
    if found is None or found[0] != AttachmentState.STORED:
        raise NotFound
    return read_stored(found[1:])


class FileOfMessage(NamedTuple):
    """``stored`` is None where its bytes are not here; ``awaited`` says that they may still come."""

    message_id: int
    awaited: bool
    stored: StoredFile | None


def find_files_of(tenant_id: int, message_ids: Sequence[int]) -> list[FileOfMessage]:
    """In the order of their messages."""
    found = Attachment.objects.filter(tenant_id=tenant_id, message_id__in=message_ids).order_by("message_id", "id")
    rows = found.values_list("message_id", "state", *STORED_COLUMNS)
    return [
        FileOfMessage(
            message_id,
            state == AttachmentState.AWAITED,
            read_stored(tuple(stored)) if state == AttachmentState.STORED else None,
        )
        for message_id, state, *stored in rows
    ]


def read_stored(row: Row) -> StoredFile:
    """From ``STORED_COLUMNS``, as they are stored."""
    stored = StoredFile._make(row)
    return stored._replace(uid=as_uuid(stored.uid), name=sealer().unseal(stored.name))


# --- links ------------------------------------------------------------------------------------------------------------


class MediaLink(NamedTuple):
    path: str
    expires_at: float


def make_link(tenant_id: int, uid: UUID, holder: Holder) -> MediaLink:
    """To this one file, until it expires or ``holder`` may not see it any more. Raises NotFound."""
    stored = get_stored_file(tenant_id, uid)
    with atomic_cursor(read_only=True) as cursor:
        expires_at = float(int(now(cursor) + LINK_S))
    signed = f"{stored.uid.hex}.{int(expires_at)}.{holder}"
    return MediaLink(f"/media/{signed}.{_signature(signed)}", expires_at)


def get_linked_file(token: str) -> StoredFile:
    """Raises NotFound for a link that is not ours, has expired or lost its holder: who guesses learns nothing."""
    signed, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(signed).encode()):
        raise NotFound
    uid, expires_at, holder = signed.split(".")
    with atomic_cursor(read_only=True) as cursor:
        if not now(cursor) < int(expires_at) <= now(cursor) + LINK_S:
            raise NotFound
        row = fetch_one(
            cursor,
            f"SELECT tenant_id FROM messaging_attachment WHERE uid = %s {every_tenant('the signature is the proof')}",
            [uid],
        )
    if row is None or not may_see(parse_holder(holder), row[0]):
        raise NotFound
    return get_stored_file(row[0], UUID(uid))


def _signature(signed: str) -> str:
    return sealer().digest(f"media link of a holder\0{signed}")
