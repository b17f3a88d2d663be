"""Files that messages name: whether they may, and which of them a channel's provider has already.

Nothing here is asked for messages that name no file.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from hailgate.core.content import NamedFile, decode_outbound, may_name_files, named_files
from hailgate.core.content.refusals import refused
from hailgate.core.errors import ConfigurationError, InputError, TooLarge, UnsupportedMedia
from hailgate.core.kinds import NO_LIMITS, Kinds
from hailgate.core.media import check_fits
from hailgate.messaging.channels.public_urls import has_public_url
from hailgate.messaging.files.attachments import STORED_COLUMNS, StoredFile, read_stored
from hailgate.messaging.models import AttachmentState
from hailgate.messaging.outbound.claim import Claim
from hailgate.messaging.outbound.file_links import NO_PUBLIC_URL
from hailgate.messaging.store.sql import Cursor, Row, among, array, as_uuid, atomic_cursor, every_tenant, fetch, now
from hailgate.messaging.store.tables import PROVIDER_FILE
from hailgate.providers import get_provider
from hailgate.providers.capabilities import Capabilities, TakesFiles

if TYPE_CHECKING:
    from hailgate.messaging.outbound.new_message import NewMessage

VOICE_TYPE = "audio/ogg"


class Lent(NamedTuple):
    """A file that a claimed message names. ``provider_id`` is empty where the provider has to be given it."""

    stored: StoredFile
    provider_id: str
    uploaded_at: float


def find_unsendable(cursor: Cursor, batch: Sequence["NewMessage"]) -> dict[UUID, InputError]:
    """Why messages of a batch cannot be accepted for the files that they name, by the messages' ids."""
    naming = [(message, files) for message in batch if (files := _files_of(message.content))]
    if not naming:
        return {}
    stored = _find_stored(cursor, [(message.tenant_id, file.uid) for message, files in naming for file in files])
    takes = _find_capabilities(cursor, {message.channel_id for message, _ in naming})
    unreachable = not has_public_url(cursor)
    faults: dict[UUID, InputError] = {}
    for message, files in naming:
        own = takes[message.channel_id]
        for file in files:
            if unreachable and own.takes_files is TakesFiles.BY_LINK:
                path = f"{file.path}.attachment"
                faults.setdefault(message.uid, InputError(NO_PUBLIC_URL, code="media_unsupported", field=path))
            elif fault := _find_fault(file, stored.get((message.tenant_id, file.uid)), own.kinds):
                faults.setdefault(message.uid, fault)
    return faults


def _find_capabilities(cursor: Cursor, channel_ids: set[int]) -> dict[int, Capabilities]:
    found = fetch(
        cursor,
        f"SELECT id, provider FROM messaging_channel WHERE {among('id')} {every_tenant('by key')}",
        [array(channel_ids)],
    )
    return {id_: get_provider(provider).capabilities for id_, provider in found}


def find_lent(claims: Sequence[Claim]) -> dict[int, dict[UUID, Lent | None]]:
    """The files that claimed messages name, by the ids of their rows; those without a file are left out.

    None stands for a file that is not stored, or not any more.
    """
    naming = [(claim, files) for claim in claims if (files := _files_of(claim.content))]
    if not naming:
        return {}
    with atomic_cursor(read_only=True) as cursor:
        named = [(claim, (claim.tenant_id, file.uid)) for claim, files in naming for file in files]
        stored = _find_stored(cursor, [key for _, key in named])
        keys = [(stored[key].id, claim.channel_id) for claim, key in named if key in stored]
        columns = ("attachment_id", "channel_id", "provider_id", "uploaded_at")
        found = PROVIDER_FILE.find(cursor, columns, keys, by=("attachment_id", "channel_id"))
    handed = {(attachment_id, channel_id): rest for attachment_id, channel_id, *rest in found}

    def lent(claim: Claim, uid: UUID) -> Lent | None:
        one = stored.get((claim.tenant_id, uid))
        return Lent(one, *handed.get((one.id, claim.channel_id), ("", 0.0))) if one else None

    return {claim.id: {file.uid: lent(claim, file.uid) for file in files} for claim, files in naming}


def record_handed(stored: StoredFile, channel_id: int, provider_id: str) -> None:
    """The channel's provider has the file from now on."""
    columns = ("tenant_id", "attachment_id", "channel_id", "provider_id", "uploaded_at")
    with atomic_cursor() as cursor:
        PROVIDER_FILE.insert(
            cursor,
            columns,
            [(stored.tenant_id, stored.id, channel_id, provider_id, now(cursor))],
            on_conflict="ON CONFLICT (attachment_id, channel_id) DO UPDATE SET provider_id = excluded.provider_id, "
            "uploaded_at = excluded.uploaded_at",
        )


def forget_handed(channel_id: int, lent: Iterable[Lent]) -> None:
    """The provider may not have these any more. One that was handed over anew since has another id, and stays."""
    given = [one for one in lent if one.provider_id]
    with atomic_cursor() as cursor:
        cursor.execute(
            f"DELETE FROM messaging_providerfile WHERE {among('attachment_id')} AND channel_id = %s "
            f"AND {among('provider_id')} {every_tenant('by key')}",
            [array(one.stored.id for one in given), channel_id, array(one.provider_id for one in given)],
        )


def _files_of(content: str) -> list[NamedFile]:
    """None where the content is not readable, which is for others to tell."""
    if not may_name_files(content):
        return []
    try:
        return named_files(decode_outbound(content))
    except InputError:
        return []


def _find_stored(cursor: Cursor, keys: Iterable[tuple[int, UUID]]) -> Mapping[tuple[int, UUID], StoredFile]:
    wanted = set(keys)
    found = fetch(
        cursor,
        f"SELECT {', '.join(STORED_COLUMNS)} FROM messaging_attachment WHERE {among('tenant_id')} AND {among('uid')} "
        f"AND state = {AttachmentState.STORED.value}",
        [array({tenant_id for tenant_id, _ in wanted}), array({uid for _, uid in wanted})],
    )
    stored = (_read(row) for row in found)
    return {(one.tenant_id, one.uid): one for one in stored}


def _read(row: Row) -> StoredFile:
    """One whose key is gone costs nobody else's message: it is nameless, and cannot be read when it is to be sent."""
    try:
        return read_stored(row)
    except ConfigurationError:
        unread = StoredFile._make(row)
        return unread._replace(uid=as_uuid(unread.uid), name="")


def _find_fault(file: NamedFile, stored: StoredFile | None, kinds: Kinds) -> InputError | None:
    path = f"{file.path}.attachment"
    if stored is None:
        return InputError(
            f"{path}: you have no stored file of this id, or not any more; store it with `POST /v1/media`.",
            code="unknown_attachment",
            field=path,
        )
    try:
        check_fits(file.kind, stored.mime, stored.size, kinds.get(file.kind, NO_LIMITS))
    except (UnsupportedMedia, TooLarge) as unfit:
        return refused(path, f"does not fit. {unfit.detail.removesuffix('.')}")
    if file.voice and stored.mime != VOICE_TYPE:
        return refused(
            path, f"is {stored.mime}; a voice note is Ogg with Opus: store it with `POST /v1/media?as=voice`"
        )
    return None
