"""Files that we send: given to the provider before the message, once for each channel, and anew where it forgot."""

import asyncio
import time
from functools import partial
from types import SimpleNamespace
from uuid import UUID

import pytest

from hailgate.core.content import encode_content, kind_of, parse_outbound
from hailgate.core.errors import (
    ChannelUnauthorized,
    ConfigurationError,
    IdempotencyMismatch,
    InputError,
    MessageFault,
    OutcomeUnknown,
    ProviderUnavailable,
    Rejected,
    SendError,
    StoreUnavailable,
)
from hailgate.core.kinds import KindLimits
from hailgate.core.status import Status
from hailgate.messaging.channels.public_urls import record_public_url
from hailgate.messaging.files.attachments import StoredFile, add_upload, read_stored
from hailgate.messaging.models import Attachment, AttachmentState, Message, ProviderFile, WorkState
from hailgate.messaging.outbound import media_refs
from hailgate.messaging.outbound.accept import Accepted, accept_messages
from hailgate.messaging.outbound.failover import declare_dead
from hailgate.messaging.outbound.file_links import PATH, open_file_link
from hailgate.messaging.outbound.media_refs import find_lent
from hailgate.messaging.outbound.new_message import Idempotency
from hailgate.messaging.outbound.timeline import tell_timeline
from hailgate.pipeline import outbound as module
from hailgate.pipeline.uploads import SPARE_LIFE_S, UPLOADS_AT_ONCE
from hailgate.providers.capabilities import TakesFiles
from hostile_files import JPEG, PNG
from messaging.acting import HOLD_S, LEASE_S, channel_row, let_expire, new_message, send_all
from pipeline.stage import until

pytestmark = pytest.mark.anyio

KINDS = {kind: KindLimits() for kind in ("text", "image", "audio", "document", "template", "interactive")}
LIFE = 30 * 86_400.0
NOBODYS = UUID("6f1c1b3e-0000-4000-8000-000000000000")


@pytest.fixture
async def desk(desk, clock):
    desk.played.change(kinds=KINDS, upload_life=LIFE)
    return desk


async def store(desk, content: bytes = PNG, name: str = "Rx 1.png", tenant_id: int | None = None) -> StoredFile:
    async def chunks():
        yield content

    kept = await desk.files.keep(chunks(), 1 << 20)
    return await desk.db(add_upload, tenant_id or desk.channel.tenant_id, kept, name)


def naming(channel, document: dict, to: int = 1, **given):
    content = encode_content(parse_outbound(document))
    return new_message(channel, to=to, **given)._replace(kind=document["type"], content=content)


def picture(channel, file, to: int = 1, **given):
    return naming(channel, {"type": "image", "image": {"attachment": str(file.uid)}}, to, **given)


async def accept(desk, *batch):
    return await desk.db(send_all, desk.channel, batch)


async def handed(desk) -> list[ProviderFile]:
    return await desk.db(lambda: list(ProviderFile.objects.filter(tenant_id=desk.channel.tenant_id)))


# --- the way of a file ------------------------------------------------------------------------------------------------


async def test_a_file_is_given_to_the_provider_and_named_by_its_id(desk):
    file = await store(desk)
    (message,) = await accept(desk, picture(desk.channel, file))
    await desk.carry_out()
    assert desk.provider.uploaded == {"file.1": PNG}
    (taken,) = desk.provider.taken
    assert (taken.content.image.id, taken.content.image.attachment) == ("file.1", None)
    after = await desk.fresh(message)
    assert after.status == Status.SENT
    assert str(file.uid) in after.content  # what is shown is what was asked for
    assert desk.outbound.slots.held == frozenset()


async def test_the_next_messages_name_the_same_id(desk):
    file = await store(desk)
    await accept(desk, picture(desk.channel, file))
    await desk.carry_out()
    await accept(desk, *(picture(desk.channel, file, to) for to in range(2, 6)))
    await desk.carry_out()
    assert [taken.content.image.id for taken in desk.provider.taken] == ["file.1"] * 5
    assert list(desk.provider.uploaded) == ["file.1"]


async def test_messages_that_wait_for_one_file_wait_for_one_upload(desk):
    file = await store(desk)
    await accept(desk, *(picture(desk.channel, file, to) for to in range(UPLOADS_AT_ONCE + 5)))
    assert await desk.carry_out() == UPLOADS_AT_ONCE + 5
    assert len(desk.provider.taken) == UPLOADS_AT_ONCE + 5
    assert list(desk.provider.uploaded) == ["file.1"]


async def test_what_follows_a_file_in_its_conversation_waits_for_it(desk, clock):
    file, upload = await store(desk), desk.provider.upload_media
    tries = []

    async def failing_once(media):
        tries.append(media)
        if len(tries) == 1:
            raise ProviderUnavailable
        return await upload(media)

    desk.provider.upload_media = failing_once
    await accept(desk, new_message(desk.channel, to=1, body="Your recipe:"), picture(desk.channel, file, 1))
    await accept(desk, new_message(desk.channel, to=1, body="Twice a day.", priority=0))
    for _ in range(6):
        await desk.carry_out()
        clock.forward(60.0)
    assert len(tries) == 2
    taken = [message.content for message in desk.provider.taken]
    assert [one.image.id if kind_of(one) == "image" else one.text.body for one in taken] == [
        "Your recipe:", "file.1", "Twice a day.",
    ]  # fmt: skip


async def test_messages_without_a_file_do_not_wait_for_one(desk):
    file, gate = await store(desk), asyncio.Event()
    upload = desk.provider.upload_media

    async def slow(media):
        await gate.wait()
        return await upload(media)

    desk.provider.upload_media = slow
    await accept(desk, picture(desk.channel, file, 1), new_message(desk.channel, to=2))
    claimed = await desk.claim()
    await desk.outbound.begin(claimed, 0.0)
    await until(lambda: desk.provider.taken)
    assert [taken.content.text.body for taken in desk.provider.taken] == ["hello"]
    gate.set()
    await desk.outbound.drain(5.0)
    assert len(desk.provider.taken) == 2


async def test_nothing_is_asked_for_messages_that_name_no_file(desk, monkeypatch):
    asked = []
    monkeypatch.setattr("hailgate.pipeline.uploads.find_lent", lambda claims: asked.append(claims) or {})
    body = 'A "quoted" {"attachment":"6f1c1b3e-0000-4000-8000-000000000000"} is only text.'
    await accept(desk, new_message(desk.channel, body=body))
    await desk.carry_out()
    assert [taken.content.text.body for taken in desk.provider.taken] == [body]
    assert asked == []


async def test_a_document_goes_by_the_name_of_its_file(desk):
    file = await store(desk, name="../Rx 1.png")
    for given in ({}, {"filename": "result.png"}):
        document = {"type": "document", "document": {"attachment": str(file.uid), **given}}
        await accept(desk, naming(desk.channel, document))
        await desk.carry_out()
    assert [taken.content.document.filename for taken in desk.provider.taken] == ["Rx 1.png", "result.png"]


@pytest.mark.parametrize(
    ("document", "find"),
    [
        (
            {
                "type": "template",
                "template": {
                    "name": "n",
                    "language": {"code": "en"},
                    "components": [{"type": "header", "parameters": [{"type": "image", "image": {"attachment": ...}}]}],
                },
            },
            lambda content: content.template.components[0].parameters[0].image,
        ),
        (
            {
                "type": "interactive",
                "interactive": {
                    "type": "button",
                    "header": {"type": "image", "image": {"attachment": ...}},
                    "body": {"text": "?"},
                    "action": {"buttons": [{"type": "reply", "reply": {"id": "1", "title": "Yes"}}]},
                },
            },
            lambda content: content.interactive.header.image,
        ),
    ],
)
async def test_headers_name_files_too(desk, document, find):
    file = await store(desk)
    filled = _filled(document, str(file.uid))
    await accept(desk, naming(desk.channel, filled))
    await desk.carry_out()
    (taken,) = desk.provider.taken
    assert find(taken.content).id == "file.1"


def _filled(value, uid):
    if isinstance(value, dict):
        return {name: uid if item is ... else _filled(item, uid) for name, item in value.items()}
    return [_filled(item, uid) for item in value] if isinstance(value, list) else value


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "state", "spent"),
    [
        (ProviderUnavailable("Not now."), WorkState.READY, 0),
        (OutcomeUnknown("Half an answer."), WorkState.READY, 0),
        (ChannelUnauthorized(), WorkState.READY, 0),
        (Rejected("Not such a file.", code="file_refused"), WorkState.DEAD, 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_an_upload_that_fails_ends_as_a_send_would_and_is_seen(desk, error, state, spent):
    (message,) = await accept(desk, picture(desk.channel, await store(desk)))
    desk.provider.plan_uploads(error)
    await desk.carry_out()
    row = await desk.row_of(message)
    assert (row.state, row.attempts, row.knocks) == (state, spent, 1)
    assert desk.provider.tried == []
    found = Message.objects.select_related("channel", "conversation").filter(tenant_id=message.tenant_id, id=message.id)
    told = await desk.db(lambda: tell_timeline(found.get()))
    assert ("sending", 1) in [(happening.event, happening.attempt) for happening in told]
    said = {happening.code for happening in told if happening.code and happening.event != "waiting"}
    assert said <= {error.code, ProviderUnavailable.code}
    assert desk.outbound.slots.held == frozenset()
    assert not (await desk.fresh(message)).unknown


async def test_no_cap_by_the_providers_code_ends_an_upload_within_minutes(desk, clock):
    """To repeat it harms nobody, whomever the code blames."""
    (message,) = await accept(desk, picture(desk.channel, await store(desk)))
    began = clock.now
    while clock.now < began + 540:
        desk.provider.plan_uploads(MessageFault("Not now.", max_attempts=2))
        await desk.carry_out()
        row = await desk.row_of(message)
        assert (row.state, row.code) == (WorkState.READY, "message_fault")
        clock.now = row.due_at
    await desk.carry_out()
    assert (await desk.fresh(message)).status == Status.SENT


async def test_a_provider_that_takes_no_files_counts_against_the_breaker(desk):
    for to in range(3):
        await accept(desk, picture(desk.channel, await store(desk), to))
        desk.provider.plan_uploads(ProviderUnavailable("Not now."))
        await desk.carry_out()
    assert (await desk.db(channel_row, desk.channel)).breaker_failures == 3


@pytest.mark.parametrize("gone", ["file", "row"])
async def test_a_file_that_was_removed_since_ends_the_message_with_the_reason(desk, gone):
    file = await store(desk)
    (message,) = await accept(desk, picture(desk.channel, file))
    if gone == "file":
        await desk.files.drop(file.file)
    else:
        found = Attachment.objects.filter(tenant_id=file.tenant_id, id=file.id)
        await desk.db(lambda: found.update(state=AttachmentState.REMOVED))
    await desk.carry_out()
    assert (await desk.fresh(message)).code == "file_removed"


async def test_a_store_of_files_that_is_away_is_not_the_providers_fault(desk):
    (message,) = await accept(desk, picture(desk.channel, await store(desk)))

    async def away(_file, _key):
        raise StoreUnavailable("The store of files does not answer.")
        yield b""

    desk.files.read = away
    await desk.carry_out()
    row = await desk.row_of(message)
    assert (row.state, row.code, row.attempts) == (WorkState.READY, "file_unavailable", 0)
    assert (await desk.db(channel_row, desk.channel)).breaker_failures == 0


async def test_a_file_whose_key_is_gone_costs_nobody_elses_message(desk, monkeypatch):
    lost, good = await store(desk, name="lost.png"), await store(desk, JPEG)

    def gone(row):
        raise ConfigurationError(["This key is not here."])

    batch = [picture(desk.channel, lost, 1), picture(desk.channel, good, 2)]
    first, second = await accept(desk, *batch)
    read = desk.files.read
    monkeypatch.setattr(media_refs, "read_stored", lambda row: (gone if lost.file in row else read_stored)(row))
    monkeypatch.setattr(desk.files, "read", lambda file, key: gone(file) if file == lost.file else read(file, key))
    await desk.carry_out()
    assert (await desk.row_of(first)).code == "file_unavailable"
    assert (await desk.fresh(second)).status == Status.SENT


async def test_a_file_that_the_provider_forgot_is_given_anew(desk, clock):
    file = await store(desk)
    await accept(desk, picture(desk.channel, file))
    await desk.carry_out()
    (message,) = await accept(desk, picture(desk.channel, file))
    desk.provider.plan(Rejected("A parameter is not supported.", provider_code="100"))
    await desk.carry_out()
    assert (await desk.row_of(message)).code == "file_forgotten"
    clock.forward(3600)
    await desk.carry_out()
    assert (await desk.fresh(message)).status == Status.SENT
    assert [row.provider_id for row in await handed(desk)] == ["file.2"]


async def test_a_refusal_of_a_message_with_a_new_file_is_the_messages_own(desk):
    (message,) = await accept(desk, picture(desk.channel, await store(desk)))
    desk.provider.plan(Rejected("No."))
    await desk.carry_out()
    assert (await desk.row_of(message)).state == WorkState.DEAD


async def test_an_id_near_the_end_of_its_life_is_not_used_any_more(desk, clock):
    file = await store(desk)
    for wait in (0.0, LIFE - SPARE_LIFE_S - 60.0, 120.0):
        clock.forward(wait)
        await accept(desk, picture(desk.channel, file))
        await desk.carry_out()
    assert [taken.content.image.id for taken in desk.provider.taken] == ["file.1", "file.1", "file.2"]


async def test_whoever_is_killed_between_upload_and_send_costs_one_more_upload(desk, worker):
    """Nothing of an attempt is on record then, so that the message is sent again and not parked as unknown."""
    (message,) = await accept(desk, picture(desk.channel, await store(desk)))
    began = asyncio.Event()

    async def never_answered(_media):
        began.set()
        await asyncio.Event().wait()

    desk.provider.upload_media, upload = never_answered, desk.provider.upload_media
    await desk.outbound.begin(await desk.claim(), 0.0)
    await began.wait()
    await desk.outbound.abandon()
    assert await desk.attempts() == []
    desk.provider.upload_media = upload
    await desk.db(let_expire, worker)
    await desk.db(declare_dead, worker, LEASE_S, HOLD_S)
    row = await desk.row_of(message)
    assert (row.state, row.knocks) == (WorkState.READY, 0)


@pytest.fixture
async def expiring(desk, clock, monkeypatch):
    """A message that expires while its file is being uploaded."""
    file = await store(desk)
    (message,) = await accept(desk, picture(desk.channel, file, expires_at=clock.now + 60.0))
    upload = desk.provider.upload_media
    later = time.monotonic() + 61.0

    async def slow(media):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: later))
        return await upload(media)

    desk.provider.upload_media = slow
    return message


async def test_a_message_that_expires_during_its_upload_is_not_sent(desk, expiring):
    await desk.carry_out()
    assert (await desk.fresh(expiring)).code == "expired"
    assert desk.provider.tried == []


async def test_what_is_refused_after_its_upload_keeps_its_slot_until_that_is_on_record(desk, expiring):
    """Else a look round would give it back as a stray meanwhile."""
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def slow_store(verb, *arguments):
        asked.set()
        await may_answer.wait()
        return await desk.db(verb, *arguments)

    outbound = desk.new_outbound(outcomes_db=slow_store)
    await outbound.begin(await desk.claim(), time.monotonic())
    await asked.wait()
    assert not outbound.freed.is_set()
    may_answer.set()
    await outbound.drain(5.0)
    assert outbound.freed.is_set()
    assert (await desk.fresh(expiring)).code == "expired"


# --- at the door ------------------------------------------------------------------------------------------------------


async def test_a_message_with_a_file_that_is_not_there_is_refused_and_the_others_are_stored(desk):
    mine = await store(desk)
    good, bad = picture(desk.channel, mine, 1), picture(desk.channel, mine._replace(uid=NOBODYS), 2)
    answers = await desk.db(accept_messages, [bad, good, new_message(desk.channel, to=3)])
    assert [type(answer) for answer in answers] == [InputError, Accepted, Accepted]
    assert (answers[0].code, answers[0].field) == ("unknown_attachment", "image.attachment")


async def test_a_file_of_another_tenant_is_not_there(desk, stranger):
    theirs = await store(desk, tenant_id=stranger.id)
    (answer,) = await desk.db(accept_messages, [picture(desk.channel, theirs)])
    assert answer.code == "unknown_attachment"
    claims = [claim._replace(tenant_id=stranger.id) for claim in (await desk.claim()).claims]
    assert await desk.db(find_lent, claims) == {}


@pytest.mark.parametrize(
    ("content", "document", "rule"),
    [
        (PNG, {"type": "audio", "audio": {"voice": True}}, "media?as=voice"),
        (b"\xff\xfb\x90\x64" + bytes(4000), {"type": "audio", "audio": {"voice": True}}, "media?as=voice"),
    ],
)
async def test_a_file_that_does_not_fit_is_refused_with_the_rule(desk, content, document, rule):
    file = await store(desk, content)
    document[document["type"]]["attachment"] = str(file.uid)
    (answer,) = await desk.db(accept_messages, [naming(desk.channel, document)])
    assert (answer.status, answer.field) == (422, f"{document['type']}.attachment")
    assert rule in answer.detail


async def test_a_repeat_gets_the_first_answer_whatever_became_of_the_file(desk):
    file = await store(desk, JPEG)
    key = Idempotency("k", "f")
    first, again, other = (picture(desk.channel, file, idempotency=key) for _ in range(3))
    (accepted,) = await desk.db(accept_messages, [first])
    found = Attachment.objects.filter(tenant_id=file.tenant_id, id=file.id)
    await desk.db(lambda: found.update(state=AttachmentState.REMOVED))
    assert await desk.db(accept_messages, [again]) == [accepted]
    (mismatch,) = await desk.db(accept_messages, [other._replace(idempotency=Idempotency("k", "g"))])
    assert isinstance(mismatch, IdempotencyMismatch)
    (refused,) = await desk.db(accept_messages, [picture(desk.channel, file, idempotency=Idempotency("k2", "f"))])
    assert refused.code == "unknown_attachment"
    assert not isinstance(refused, SendError)


# --- providers that take files in another way -------------------------------------------------------------------------


async def test_a_file_travels_inside_the_call_where_the_provider_takes_it_so(desk):
    desk.played.change(kinds=KINDS, takes_files=TakesFiles.INLINE)
    file = await store(desk)
    await accept(desk, picture(desk.channel, file))
    await desk.carry_out()
    (taken,) = desk.provider.taken
    assert taken.content.image.attachment == str(file.uid)
    media = taken.files[str(file.uid)]
    content = b"".join([chunk async for chunk in media.chunks()])
    assert (media.name, media.mime, content) == ("Rx 1.png", "image/png", PNG)
    assert desk.provider.uploaded == {}


async def test_a_file_is_named_by_a_link_of_ours_where_the_provider_fetches_it(desk):
    desk.played.change(kinds=KINDS, takes_files=TakesFiles.BY_LINK, link_life_s=3600.0)
    await desk.db(record_public_url, "https://wa.example")
    file = await store(desk)
    await accept(desk, picture(desk.channel, file))
    await desk.carry_out(desk.new_outbound(public_url="https://wa.example"))
    (taken,) = desk.provider.taken
    prefix = f"https://wa.example{PATH}/"
    assert (taken.content.image.link[: len(prefix)], taken.content.image.attachment) == (prefix, None)
    opened = await desk.db(partial(open_file_link, taken.content.image.link.removeprefix(prefix), counts=True))
    assert opened.uid == file.uid


async def test_without_a_public_address_a_file_behind_a_link_is_refused_before_it_is_accepted(desk):
    desk.played.change(kinds=KINDS, takes_files=TakesFiles.BY_LINK)
    await desk.db(record_public_url, "")
    file = await store(desk)
    (refused,) = await desk.db(accept_messages, [picture(desk.channel, file)])
    assert (refused.code, refused.field) == ("media_unsupported", "image.attachment")
    assert "HAILGATE_PUBLIC_URL" in refused.detail


async def test_what_a_channel_does_not_take_is_refused_before_it_is_accepted(desk):
    desk.played.change(kinds=KINDS | {"image": KindLimits(bytes=len(PNG) - 1)})
    file = await store(desk)
    (refused,) = await desk.db(accept_messages, [picture(desk.channel, file)])
    assert f"at most {len(PNG) - 1} bytes" in refused.detail
