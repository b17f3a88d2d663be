"""What has been kept for its days goes: the row first, then the file, by one worker at a time, and nothing else."""

import os
import time

import pytest

from hailgate.core.errors import NotFound
from hailgate.core.events import Change
from hailgate.messaging.files.attachments import add_upload, get_stored_file
from hailgate.messaging.files.storage import open_files
from hailgate.messaging.inbound.receive import LargeBody, ReceivedWebhook, store_webhooks
from hailgate.messaging.models import Amendment, Attachment, AttachmentState, EventState, ProviderFile, WebhookEvent
from hailgate.messaging.outbound.failover import declare_dead
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.upkeep import retention as module
from hailgate.messaging.upkeep.alarm_checks import keeps_house
from hailgate.messaging.upkeep.purge import DAY_S
from hailgate.messaging.upkeep.retention import PRUNED, list_undropped, prune_amendments, remove_outlived
from hailgate.pipeline.retention import EVERY_S, ORPHANS_AFTER_S, Retention
from messaging.acting import HOLD_S, LEASE_S, apply, hook_id_of, let_expire, messages, new_worker, send
from messaging.test_amending import changed, deleted, edited, first, says

pytestmark = pytest.mark.anyio

KEPT_DAYS = 30
OLD_S = ORPHANS_AFTER_S + 3600.0


class Attic:
    """The files of one tenant, and the worker who looks after them."""

    def __init__(self, db, worker, tenant, home, kept_days=KEPT_DAYS) -> None:
        self.db, self.tenant, self.folder = db, tenant, home / "media"
        self.files = open_files(home, "")
        self.retention = Retention(db, worker, files=self.files, kept_days=kept_days)

    async def keep(self, content: bytes = b"a file"):
        async def chunks():
            yield content

        return await self.files.keep(chunks(), 1000)

    async def store(self, content: bytes = b"a file"):
        kept = await self.keep(content)
        return await self.db(add_upload, self.tenant.id, kept, "x.txt")

    async def states(self) -> list[AttachmentState]:
        rows = Attachment.objects.filter(tenant_id=self.tenant.id).order_by("id")
        return await self.db(lambda: [AttachmentState(state) for state in rows.values_list("state", flat=True)])

    async def sweep_all_folders(self, monkeypatch) -> None:
        began = time.time()
        for turn in range(256):
            monkeypatch.setattr("hailgate.pipeline.retention.time", Fixed(began + turn * EVERY_S))
            await self.retention.sweep()

    def lay(self, name: str, age_s: float) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"sealed")
        self.age(name, age_s)

    def age(self, name: str, age_s: float) -> None:
        at = time.time() - age_s
        os.utime(self.folder / name, (at, at))

    @property
    def on_disk(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}


class Fixed:
    def __init__(self, at: float) -> None:
        self._at = at

    def time(self) -> float:
        return self._at


@pytest.fixture
async def attic(db, worker, clock, tenant, tmp_path):
    return Attic(db, worker, tenant, tmp_path)


REMOVED, STORED = AttachmentState.REMOVED, AttachmentState.STORED


async def test_a_file_that_outlived_its_days_is_removed_and_the_others_stay(attic, clock):
    old = await attic.store()
    clock.forward(KEPT_DAYS * DAY_S - 60.0)
    young = await attic.store()
    await attic.retention.sweep()
    assert await attic.states() == [STORED, STORED]
    clock.forward(120.0)
    await attic.retention.sweep()
    assert await attic.states() == [REMOVED, STORED]
    assert attic.on_disk == {young.file}
    with pytest.raises(NotFound) as gone:
        await attic.db(get_stored_file, attic.tenant.id, old.uid)
    assert (gone.value.code, "removed" in gone.value.detail) == ("media_removed", True)


async def test_what_providers_were_given_of_it_is_forgotten_with_it(attic, clock):
    old = await attic.store()
    given = {"tenant_id": attic.tenant.id, "attachment_id": old.id, "channel_id": 1, "provider_id": "4711"}
    await attic.db(lambda: ProviderFile.objects.create(**given, uploaded_at=clock.now))
    clock.forward(KEPT_DAYS * DAY_S + 60.0)
    await attic.retention.sweep()
    assert not await attic.db(ProviderFile.objects.filter(tenant_id=attic.tenant.id).exists)


async def test_more_than_a_batch_goes_in_several(attic, clock, monkeypatch):
    for name in ("hailgate.messaging.upkeep.retention.BATCH", "hailgate.pipeline.retention.BATCH"):
        monkeypatch.setattr(name, 3)
    for _ in range(8):
        await attic.store()
    clock.forward(KEPT_DAYS * DAY_S + 60.0)
    await attic.retention.sweep()
    assert set(await attic.states()) == {REMOVED}
    assert attic.on_disk == set()


async def test_whoever_is_killed_after_the_row_leaves_a_file_that_is_found(attic, clock):
    """And that nobody can read in the meantime: its key went first."""
    await attic.store()
    clock.forward(KEPT_DAYS * DAY_S + 60.0)
    assert await attic.db(remove_outlived, KEPT_DAYS * DAY_S) == 1
    (row,) = await attic.db(lambda: list(Attachment.objects.filter(tenant_id=attic.tenant.id)))
    assert (row.state, row.key) == (REMOVED, "")
    assert len(attic.on_disk) == 1
    await attic.retention.sweep()
    assert attic.on_disk == set()
    assert await attic.db(list_undropped) == []


async def test_for_ever_is_for_ever(attic, db, worker, tenant, tmp_path, clock):  # noqa: PLR0917 -- fixtures
    await attic.store()
    clock.forward(100 * 365 * DAY_S)
    await Attic(db, worker, tenant, tmp_path, kept_days=0).retention.sweep()
    assert await attic.states() == [STORED]


async def test_one_worker_sweeps_and_the_next_one_after_it(attic, worker, clock):
    second = await attic.db(new_worker)
    assert [await attic.db(keeps_house, one) for one in (worker, second)] == [True, False]
    await attic.store()
    clock.forward(KEPT_DAYS * DAY_S + 60.0)
    idle = Retention(attic.db, second, files=attic.files, kept_days=KEPT_DAYS)
    await idle.sweep()
    assert await attic.states() == [STORED]
    await attic.db(let_expire, worker)
    await attic.db(declare_dead, worker, LEASE_S, HOLD_S)
    await idle.sweep()
    assert await attic.states() == [REMOVED]


# --- files that no row knows ------------------------------------------------------------------------------------------


async def test_a_file_that_was_never_recorded_goes_after_a_day_and_what_is_not_ours_stays(attic, monkeypatch):
    known = await attic.store()
    folder = known.file[:2]
    attic.age(known.file, OLD_S)
    orphan, young, half = (f"{folder}/{digit * 62}" for digit in "abc")
    foreign = f"{folder}/notes.txt"
    for name, age in ((orphan, OLD_S), (young, 60.0), (foreign, OLD_S)):
        attic.lay(name, age)
    await attic.sweep_all_folders(monkeypatch)
    assert attic.on_disk == {known.file, young, foreign}
    attic.lay(f"{half}#1", OLD_S)  # what a kill leaves of an upload that was not whole
    await attic.sweep_all_folders(monkeypatch)
    assert attic.on_disk == {known.file, young, foreign}


async def test_files_of_another_database_are_left_alone(attic, monkeypatch):
    """Whoever starts with an empty database by mistake finds their files again."""
    known = await attic.store()
    attic.age(known.file, OLD_S)
    theirs = {f"{known.file[:2]}/{digit * 62}" for digit in "ab"} | {"00/" + "c" * 62}
    for name in theirs:
        attic.lay(name, OLD_S)
    await attic.sweep_all_folders(monkeypatch)
    assert attic.on_disk == theirs | {known.file}


async def test_a_removed_file_is_no_orphan_before_it_is_dropped(attic, clock, monkeypatch):
    old = await attic.store()
    await attic.db(remove_outlived, -60.0)
    assert await attic.db(module.find_orphans, [old.file]) == []


# --- what people took back --------------------------------------------------------------------------------------------


async def test_what_was_deleted_or_corrected_is_forgotten_and_that_it_was_is_not(db, channel, clock):
    await db(lambda: apply(channel, first(channel, "helo"), edited(channel, "hallo", at=6.0)))
    await db(lambda: apply(channel, edited(channel, "hello", at=7.0), changed(channel, Change.REACTION, emoji="👍")))
    assert await db(prune_amendments, 60.0) == 0
    clock.forward(61.0)
    assert await db(prune_amendments, 60.0) == 2
    assert await db(prune_amendments, 60.0) == 0
    rows = await db(lambda: list(Amendment.objects.filter(tenant_id=channel.tenant_id).order_by("id")))
    assert [(row.content, row.before) for row in rows] == [("", PRUNED), ("", PRUNED), ("👍", "")]
    assert (await db(says, channel))["text"]["body"] == "hello"
    await db(lambda: apply(channel, edited(channel, "too late", at=6.5)))
    assert (await db(says, channel))["text"]["body"] == "hello"
    await db(lambda: apply(channel, deleted(channel, at=8.0)))
    assert await db(says, channel) == {"type": "deleted"}


async def test_messages_of_ours_are_not_touched(db, channel, clock):
    await db(lambda: send(channel))
    clock.forward(61.0)
    assert await db(prune_amendments, 60.0) == 0
    assert [row.kind for row in await db(messages, channel.tenant_id)] == ["text"]


async def large_webhook(attic, channel, state=EventState.DONE):
    """A webhook whose body lies in the store of files."""
    kept = await attic.keep(b"large")
    large = LargeBody(kept.file, kept.key, kept.size, kept.sha256)
    received = ReceivedWebhook(uuid7(), channel.tenant_id, await attic.db(hook_id_of, channel), "{}", b"", large=large)
    await attic.db(store_webhooks, [received])
    rows = WebhookEvent.objects.filter(tenant_id=channel.tenant_id, uid=received.uid)
    await attic.db(lambda: rows.update(state=state))
    return kept, rows


@pytest.mark.parametrize("state", EventState)
async def test_a_large_body_goes_a_day_after_it_was_understood(attic, channel, clock, state):
    kept, rows = await large_webhook(attic, channel, state)
    await attic.retention.sweep()
    assert kept.file in attic.on_disk
    clock.forward(module.LARGE_BODY_LIFE_S + 1)
    await attic.retention.sweep()
    gone = state is EventState.DONE
    assert (kept.file in attic.on_disk) is not gone
    assert await attic.db(lambda: rows.get().body_file) == ("" if gone else kept.file)
    assert await attic.db(lambda: rows.get().body_size) == kept.size


async def test_a_large_body_is_no_orphan_while_a_row_knows_it(attic, channel):
    kept, rows = await large_webhook(attic, channel)
    assert await attic.db(module.find_orphans, [kept.file]) == []
    await attic.db(rows.delete)
    await attic.store()
    known = (await attic.db(lambda: list(Attachment.objects.filter(tenant_id=channel.tenant_id))))[0].file
    assert await attic.db(module.find_orphans, [kept.file, known]) == [kept.file]
