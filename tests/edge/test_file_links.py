"""A provider fetches what a message names: GET and HEAD on a path of its own, and nothing that anybody could cache."""

import pytest

from hailgate.messaging.files.attachments import add_upload
from hailgate.messaging.files.storage import open_files
from hailgate.messaging.models import FileLink
from hailgate.messaging.outbound.file_links import make_file_link
from hailgate.settings import ENV
from messaging.acting import send

pytestmark = pytest.mark.anyio

CONTENT = b"%PDF-1.4 a report" * 1000


@pytest.fixture
async def path(db, tenant, channel):
    async def chunks():
        yield CONTENT

    kept = await open_files(ENV.home, "").keep(chunks(), 1 << 20)
    stored = await db(add_upload, tenant.id, kept, "Ada's report.pdf")
    message = await db(lambda: send(channel))
    return await db(make_file_link, message.id, 1, stored, 3600.0)


async def test_a_file_is_fetched_whole_and_kept_by_nobody(site, path, db, tenant):
    answer = await site.get(path)
    assert (answer.status, answer.body) == (200, CONTENT)
    headers = answer.headers
    assert headers["Content-Type"] == "application/pdf"
    assert headers["Content-Length"] == str(len(CONTENT))
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Robots-Tag"] == "noindex"
    assert headers["Content-Disposition"].startswith("attachment; ")
    assert await db(lambda: FileLink.objects.get(tenant_id=tenant.id).fetches) == 1


async def test_a_head_tells_the_same_and_is_no_fetch(site, path, db, tenant):
    answer = await site.ask("HEAD", path)
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", str(len(CONTENT)))
    assert await db(lambda: FileLink.objects.get(tenant_id=tenant.id).fetches) == 0


async def test_an_unknown_link_and_one_that_ended_are_answered_alike(site, path, db, tenant):
    await db(lambda: FileLink.objects.filter(tenant_id=tenant.id).update(expires_at=1.0))
    ended, unknown = await site.get(path), await site.get(f"/files/{'x' * 43}")
    assert (ended.status, unknown.status) == (404, 404)
    same = {"request_id": "", "instance": ""}
    assert ended.json | same == unknown.json | same
    assert (await site.ask("POST", path)).status == 405


async def test_the_path_is_in_no_log(site, path, capture_log):
    await site.get(path)
    await site.get(f"{path}x")
    assert path.rpartition("/")[2] not in str(capture_log)
