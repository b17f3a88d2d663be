"""Files of a turn: read where a vendor may see them, waited for shortly, and named where they are left out."""

import asyncio

import pytest

from hailgate.assistant.files import LARGEST
from hailgate.messaging.assistants.registry import add_assistant, draft_version, publish_version
from hailgate.messaging.files.attachments import add_upload
from hailgate.messaging.files.storage import open_files
from hailgate.messaging.models import Attachment, AttachmentState, Message
from hailgate.pipeline import turn_files
from hostile_files import PNG
from pipeline.test_turns import Counter


@pytest.fixture
async def counter(desk, tenant, tmp_path, monkeypatch):
    monkeypatch.setattr(turn_files, "PATIENCE_S", 0.4)
    channel = await desk.db(lambda: desk.played.add_channel(tenant, "answered", answered_by="clinic"))
    given = {"vendor": "openai", "model": "one", "api_key": "k", "file_vendors": "openai", "emergency_words": "pain"}
    await desk.db(add_assistant, tenant.pk, "clinic", given)
    Counter.files = open_files(tmp_path, "")
    counter = Counter(desk.db, desk.worker, desk.played, channel)
    yield counter
    await counter.close()
    Counter.files = None


async def chunks(data):
    yield data


async def hear_picture(counter, data=PNG, *, state=AttachmentState.STORED, body="What is this?"):
    """A message with words and a picture, which is here unless it is said otherwise."""
    await counter.hear(body)
    kept = await counter.files.keep(chunks(data), 100 << 20, any_picture=True)

    def attach():
        message = Message.objects.filter(tenant_id=counter.channel.tenant_id, direction=1).latest("id")
        Message.objects.filter(tenant_id=counter.channel.tenant_id, id=message.pk).update(kind="image")
        stored = add_upload(counter.channel.tenant_id, kept, "")
        mine = Attachment.objects.filter(tenant_id=counter.channel.tenant_id, id=stored.id)
        mine.update(message_id=message.pk, state=state)
        return mine

    return await counter.db(attach)


async def asked(counter):
    await counter.answer()
    return counter.models.calls[-1]


async def test_a_picture_goes_with_the_question(counter):
    await hear_picture(counter)
    call = await asked(counter)
    assert ([file.data for file in call.files], call.files[0].mime) == ([PNG], "image/png")
    assert call.lines[-1].text.endswith("[image: attached]")


async def test_no_file_is_read_for_a_vendor_that_is_not_allowed(counter, tenant, monkeypatch):
    await counter.db(draft_version, tenant.pk, "clinic", {"file_vendors": ""})
    await counter.db(publish_version, tenant.pk, "clinic")
    await hear_picture(counter)
    monkeypatch.setattr(counter.files, "read", None)
    call = await asked(counter)
    assert (call.files, call.lines[-1].text[-18:]) == ((), "[image: not shown]")


async def test_one_that_comes_a_moment_later_is_waited_for(counter):
    mine = await hear_picture(counter, state=AttachmentState.AWAITED)
    answering = asyncio.create_task(asked(counter))
    await asyncio.sleep(0.1)
    await counter.db(lambda: mine.update(state=AttachmentState.STORED))
    assert (await answering).files


@pytest.mark.parametrize(
    ("state", "why"), [(AttachmentState.AWAITED, "it has not arrived"), (AttachmentState.FAILED, "it has not arrived")]
)
async def test_one_that_does_not_come_is_named(counter, state, why):
    await hear_picture(counter, state=state)
    call = await asked(counter)
    assert (call.files, call.lines[-1].text.endswith(f"[image: not shown, {why}]")) == ((), True)


async def test_one_that_is_too_large_is_named_and_not_read(counter):
    await hear_picture(counter, PNG + bytes(LARGEST))
    assert (await asked(counter)).lines[-1].text.endswith("[image: not shown, too large]")


async def test_one_whose_bytes_are_gone_is_named(counter):
    mine = await hear_picture(counter)
    await counter.files.drop((await counter.db(mine.get)).file)
    assert (await asked(counter)).lines[-1].text.endswith("[image: not shown, it cannot be read]")


async def test_an_emergency_waits_for_no_file(counter, monkeypatch):
    monkeypatch.setattr(turn_files, "PATIENCE_S", 60.0)
    await hear_picture(counter, state=AttachmentState.AWAITED, body="I have chest pain")
    async with asyncio.timeout(10.0):
        await counter.answer()
    assert counter.models.calls == []
