"""Files that people sent: fetched apart from their messages, tried again, given up, tried again by hand."""

import asyncio
from uuid import UUID

import msgspec
import pytest

from hailgate.core.delivery import RetryPolicy
from hailgate.core.errors import ChannelUnauthorized, ProviderUnavailable, Rejected
from hailgate.core.media import RemoteMedia
from hailgate.core.slots import open_room
from hailgate.messaging.files.fetch import (
    claim_fetches,
    fetch_again,
    record_fetched,
)
from hailgate.messaging.files.storage import WrittenFile, open_files
from hailgate.messaging.models import Attachment, AttachmentState, Message, Work, WorkKind, WorkState
from hailgate.messaging.outbound.failover import declare_dead
from hailgate.messaging.work.claim import MOST_CRASHES
from hailgate.pipeline.connections import Connections
from hailgate.pipeline.fetches import Fetches
from hailgate.providers import fake
from hostile_files import PNG, png_of
from messaging import acting

pytestmark = pytest.mark.anyio


class Mailroom:
    """One worker's fetches, on a channel whose provider is played."""

    def __init__(self, db, worker, played, channel, folder) -> None:
        self.db, self.worker, self.provider, self.channel, self.folder = db, worker, played.provider, channel, folder
        self.files = open_files(folder, "")
        self.connections = Connections(db, per_host=10, connect=5.0, total=20.0)
        self.fetches = Fetches(
            db, worker, files=self.files, connections=self.connections, policy=RetryPolicy(max_attempts=3, base=60.0)
        )

    async def wrote(self, file_id: str = "f1", **told) -> Attachment:
        """A person sent a picture; returns its row."""
        event = await self.db(lambda: acting.wrote(self.channel, 1, message_id=f"wamid.{file_id}"))
        media = RemoteMedia("image", file_id, **told)
        await self.db(acting.apply, self.channel, msgspec.structs.replace(event, media=media))
        return await self.row(file_id)

    async def row(self, file_id: str = "f1") -> Attachment:
        return await self.db(Attachment.objects.filter(tenant_id=self.channel.tenant_id, provider_id=file_id).get)

    async def work(self) -> list[Work]:
        rows = Work.objects.filter(tenant_id=self.channel.tenant_id, kind=WorkKind.FETCH)
        return await self.db(lambda: list(rows.order_by("id")))

    async def carry_out(self) -> int:
        claimed = await self.db(claim_fetches, self.worker, open_room(100))
        await asyncio.gather(*(self.fetches.fetch(claim, claimed.moment) for claim in claimed.claims))
        return len(claimed.claims)

    @property
    def on_disk(self) -> int:
        return sum(path.is_file() for path in self.folder.rglob("*"))


@pytest.fixture
async def room(db, worker, clock, played, tenant, tmp_path):  # noqa: PLR0917 -- fixtures
    room = Mailroom(db, worker, played, await db(played.add_channel, tenant), tmp_path)
    yield room
    await room.connections.close()


async def test_a_message_is_there_before_its_file_and_the_file_follows(room) -> None:
    room.provider.files["f1"] = PNG
    awaited = await room.wrote(name="../Ada's result.png")
    assert awaited.state == AttachmentState.AWAITED
    message = await room.db(Message.objects.filter(tenant_id=room.channel.tenant_id).get)
    assert awaited.message_id == message.id

    assert await room.carry_out() == 1
    stored = await room.row()
    assert (stored.state, stored.mime, stored.size) == (AttachmentState.STORED, "image/png", len(PNG))
    assert await room.work() == []
    assert b"".join([chunk async for chunk in room.files.read(stored.file, stored.key)]) == PNG


async def test_a_message_without_a_file_makes_no_duty(room) -> None:
    await room.db(lambda: acting.apply(room.channel, acting.wrote(room.channel, 1)))
    assert await room.work() == []


async def test_a_webhook_that_repeats_makes_no_second_file(room) -> None:
    await room.wrote()
    await room.wrote()
    assert len(await room.work()) == 1


async def test_a_download_that_fails_is_tried_again_and_works(room, clock) -> None:
    room.provider.files["f1"] = ProviderUnavailable("Not now.")
    await room.wrote()
    for attempt in (1, 2):
        assert await room.carry_out() == 1
        assert await room.carry_out() == 0
        (work,) = await room.work()
        assert (work.state, work.attempts, work.code) == (WorkState.READY, attempt, "provider_unavailable")
        clock.forward(3600)
    room.provider.files["f1"] = PNG
    await room.carry_out()
    assert (await room.row()).state == AttachmentState.STORED


async def test_a_file_that_cannot_be_had_is_listed_and_costs_nobody_the_message(room, clock) -> None:
    room.provider.files["f1"] = ProviderUnavailable("Not now.")
    await room.wrote()
    for _ in range(3):
        await room.carry_out()
        clock.forward(3600)
    failed = await room.row()
    assert (failed.state, failed.code) == (AttachmentState.FAILED, "attempts_exhausted")
    assert [work.state for work in await room.work()] == [WorkState.DEAD]
    assert await room.db(Message.objects.filter(tenant_id=room.channel.tenant_id).count) == 1
    assert await room.carry_out() == 0


async def test_by_hand_it_is_tried_again(room) -> None:
    room.provider.files["f1"] = Rejected("Gone.", code="media_gone")
    failed = await room.wrote()
    assert not await room.db(fetch_again, room.channel.tenant_id, failed.uid)  # it has not failed yet
    await room.carry_out()
    room.provider.files["f1"] = PNG
    assert not await room.db(fetch_again, room.channel.tenant_id + 1, failed.uid)
    assert await room.db(fetch_again, room.channel.tenant_id, failed.uid)
    assert (await room.row()).state == AttachmentState.AWAITED
    assert await room.carry_out() == 1
    assert (await room.row()).state == AttachmentState.STORED
    assert not await room.db(fetch_again, room.channel.tenant_id, UUID(int=1))


async def test_a_lost_token_spends_no_attempt_until_the_provider_forgets_the_file(room, clock) -> None:
    room.provider.files["f1"] = ChannelUnauthorized()
    await room.wrote()
    for _ in range(5):
        assert await room.carry_out() == 1
        clock.forward(3600)
    (work,) = await room.work()
    assert (work.state, work.attempts) == (WorkState.READY, 0)
    clock.forward(fake.SPEC.capabilities.media_kept_s)
    await room.carry_out()
    assert (await room.row()).code == "expired"


@pytest.mark.parametrize("content", [png_of(60_000, 60_000), PNG[:20]])
async def test_a_picture_that_no_browser_should_unfold_is_kept_as_bytes(room, content: bytes) -> None:
    """A person sent it: it is theirs, and can be saved, but is never shown in place."""
    room.provider.files["f1"] = content
    await room.wrote()
    await room.carry_out()
    row = await room.row()
    assert (row.state, row.mime) == (AttachmentState.STORED, "application/octet-stream")


async def test_what_is_too_large_to_be_sent_is_still_received(room) -> None:
    room.provider.files["f1"] = PNG + bytes(17 << 20)
    await room.wrote()
    await room.carry_out()
    row = await room.row()
    assert (row.state, row.mime, row.size) == (AttachmentState.STORED, "image/png", len(PNG) + (17 << 20))


async def test_files_of_one_person_do_not_wait_for_each_other(room) -> None:
    room.provider.files |= {"f1": ProviderUnavailable("Not now."), "f2": PNG}
    await room.wrote("f1")
    await room.wrote("f2")
    assert await room.carry_out() == 2
    assert (await room.row("f2")).state == AttachmentState.STORED


async def test_what_a_dead_worker_fetched_too_late_is_thrown_away(room) -> None:
    room.provider.files["f1"] = PNG
    await room.wrote()
    claimed = await room.db(claim_fetches, room.worker, open_room(1))
    await room.db(acting.let_expire, room.worker)
    await room.db(declare_dead, room.worker, acting.LEASE_S, acting.HOLD_S)
    await room.fetches.fetch(claimed.claims[0], claimed.moment)
    assert room.on_disk == 0
    assert [work.state for work in await room.work()] == [WorkState.READY]
    kept = WrittenFile("00/x", "", "image/png", 1, "")
    assert not await room.db(record_fetched, room.worker, claimed.claims[0], kept)


async def test_a_file_that_ends_its_process_again_and_again_is_given_up(room) -> None:
    await room.wrote()
    change = Work.objects.filter(tenant_id=room.channel.tenant_id).update
    await room.db(lambda: change(tries=MOST_CRASHES))
    await room.carry_out()
    assert (await room.row()).code == "poison"


async def test_one_that_ran_before_is_claimed_alone(room) -> None:
    for file_id in ("f1", "f2", "f3"):
        await room.wrote(file_id)
    first = (await room.work())[0]
    await room.db(lambda: Work.objects.filter(tenant_id=room.channel.tenant_id, id=first.id).update(tries=1))
    claimed = await room.db(claim_fetches, room.worker, open_room(10))
    assert [claim.id for claim in claimed.claims] == [first.id]
