"""Files of messages: links for browsers, those that could not be fetched, and fetching them again."""

from datetime import UTC, datetime

from django.http import HttpRequest
from ninja import Router

from hailgate.api.access import holder_of, parse_id, tenant_of
from hailgate.api.paging import Limit, Place, page_of
from hailgate.api.presenters import show_attachment
from hailgate.api.schemas.common import Page
from hailgate.api.schemas.media import AttachmentOut, MediaLinkOut
from hailgate.core.errors import NotFound
from hailgate.messaging.files.attachments import make_link
from hailgate.messaging.files.fetch import fetch_again
from hailgate.messaging.models import Attachment, AttachmentState
from hailgate.messaging.store.sqlite_writer import write

router = Router(tags=["Media"])


@router.post("/media/{media_id}/link", response=MediaLinkOut, operation_id="make_media_link")
def make_media_link(request: HttpRequest, media_id: str) -> MediaLinkOut:
    """A link to one file for a browser, which has no key. It works for five minutes, as long as the key does."""
    link = make_link(tenant_of(request), parse_id(media_id), holder_of(request))
    return MediaLinkOut(url=link.path, expires_at=datetime.fromtimestamp(link.expires_at, UTC))


@router.get("/failed-media", response=Page[AttachmentOut], operation_id="list_failed_media")
def list_failed_media(request: HttpRequest, limit: Limit = 50, cursor: Place = None) -> Page[AttachmentOut]:
    """Files that people sent and that could not be fetched, with the reason. Newest first."""
    tenant_id = tenant_of(request)
    failed = Attachment.objects.filter(tenant_id=tenant_id, state=AttachmentState.FAILED)
    page, older = page_of(failed, "id", limit, cursor, "failed media", tenant_id)
    return Page[AttachmentOut](items=[show_attachment(attachment) for attachment in page], next=older)


@router.post("/media/{media_id}/fetch", response=AttachmentOut, operation_id="fetch_media_again")
def fetch_media_again(request: HttpRequest, media_id: str) -> AttachmentOut:
    """Try again to fetch a file that failed, for as long as the provider keeps it: for some days only."""
    tenant_id, uid = tenant_of(request), parse_id(media_id)
    if not write(fetch_again, tenant_id, uid):
        raise NotFound
    return show_attachment(Attachment.objects.get(tenant_id=tenant_id, uid=uid))
