"""What goes into a backup comes out of it, on either database; and what waited in it is sent by nobody's guess."""

import asyncio
import io
import os

import pytest
from django.db import connection

from conftest import empty_tables, tenancy
from hailgate.backup import restoring
from hailgate.backup.archive import BackupPart, read_archive, write_archive
from hailgate.backup.encryption import decrypted, encrypt, make_identity, parse_identities, parse_recipients
from hailgate.backup.keys import check_has_keys, take_keys
from hailgate.backup.making import MANIFEST_ENDING, Sources, make_backup
from hailgate.backup.opening import opened, verify_closed, verify_open
from hailgate.backup.restoring import RestoreTarget, check_empty, restore
from hailgate.backup.tables import list_tables, migrate_to, read_schema
from hailgate.core.errors import ConfigurationError, Conflict, InputError
from hailgate.core.sessions import SessionState
from hailgate.core.slots import open_room
from hailgate.core.status import Status
from hailgate.env import Environment
from hailgate.messaging.channels.session_views import find_code, find_session
from hailgate.messaging.files.storage import open_files
from hailgate.messaging.inbound.turns import claim_turns
from hailgate.messaging.models import Attachment, AttachmentState, Receipt, Session, WorkKind, WorkState
from hailgate.messaging.outbound.search import RESTORED
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.upkeep.restored import settle_restored
from hailgate.spool.segments import Segments
from messaging.acting import (
    HOLD_S,
    apply,
    attempt,
    change_channel,
    claim_one,
    conversation_of,
    deliver,
    fresh,
    messages,
    new_worker,
    phone,
    send,
    work,
    work_of,
    wrote,
)
from pairing import pairs_phones, show_code

IDENTITY, RECIPIENT = make_identity()
MINE = parse_identities(IDENTITY)
KEYS = ("k1:" + "AB" * 21 + "A=",)


@pytest.fixture
def place(tmp_path):
    return tmp_path / "made" / "one.age"


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def back_up(place, home):
    def back_up(**given):
        sources = {"version": "1", "keys": KEYS, "spool": home / "spool", "files": open_files(home, "")}
        return make_backup(Sources(**sources | given), place, parse_recipients([RECIPIENT]))

    return back_up


@pytest.fixture
def bring_back(place, tmp_path):
    def bring_back(into=tmp_path / "other"):
        with opened(place, MINE) as backup:
            check_empty(into / "spool")
            return restore(backup, backup.parts(), RestoreTarget(into / "spool", open_files(into, "")), HOLD_S)

    return bring_back


def contents():
    return {table.name: table.read_back() for table in list_tables(read_schema())}


def lose_everything():
    tenancy.enforced = False
    empty_tables()
    tenancy.enforced = True


def store_file(home, tenant_id, data: bytes) -> str:
    async def chunks():
        yield data

    kept = asyncio.run(open_files(home, "").keep(chunks(), 1 << 24))
    Attachment.objects.create(
        uid=uuid7(), tenant_id=tenant_id, state=AttachmentState.STORED, kind="document", file=kept.file, key=kept.key,
        created_at=0.0,
    )  # fmt: skip
    return kept.file


# --- there and back ---------------------------------------------------------------------------------------------------


def test_every_row_comes_back_as_it_was(channel, back_up, bring_back):
    send(channel, 1, "one \x00 ünï 🎈".replace("\x00", ""))
    apply(channel, wrote(channel, body="hello", message_id="w1"))
    before = contents()
    manifest = back_up()
    assert manifest.tables == before
    assert manifest.tables["messaging_message"].rows == 2
    lose_everything()
    restored = bring_back()
    assert restored.manifest.tables == before
    changed = {name for name, content in contents().items() if content != before[name]}
    assert changed <= {
        "messaging_message", "messaging_work", "messaging_receipt", "messaging_conversation", "accounts_installation",
    }  # fmt: skip


def test_a_slow_machine_is_not_cut_off_on_its_way_back(channel, back_up, bring_back, monkeypatch):
    """PostgreSQL would end a transaction that idles: between two statements of a migration seconds may pass."""
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL cuts off")
    told = []

    def migrate_and_look(schema):
        told.append(read_time_outs())
        migrate_to(schema)

    monkeypatch.setattr(restoring, "migrate_to", migrate_and_look)
    before = read_time_outs()
    back_up()
    lose_everything()
    bring_back()
    assert (told[0], read_time_outs()) == (["0", "0", "0"], before)
    assert "0" not in before


def read_time_outs():
    found = []
    with connection.cursor() as cursor:
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute(f"SHOW {name}")
            found.append(cursor.fetchone()[0])
    return found


def test_new_rows_come_after_those_that_were_restored(channel, back_up, bring_back):
    last = send(channel).pk
    back_up()
    lose_everything()
    bring_back()
    assert send(channel).pk > last


def test_files_come_back_byte_for_byte(channel, home, tmp_path, back_up, bring_back):
    name = store_file(home, channel.tenant_id, b"%PDF-1.4 " + os.urandom(9 << 20))
    gone = store_file(home, channel.tenant_id, b"%PDF-1.4 short")
    (home / "media" / gone).unlink()
    manifest = back_up()
    assert (manifest.files, manifest.missing) == (1, 1)
    lose_everything()
    bring_back()
    assert (tmp_path / "other/media" / name).read_bytes() == (home / "media" / name).read_bytes()


def test_webhooks_that_wait_on_disk_come_back(channel, home, tmp_path, back_up, bring_back):
    waiting = Segments(home / "spool", 1 << 20)
    waiting.append([b"first", b"second"])
    assert back_up().spooled == 2
    waiting.close()
    lose_everything()
    bring_back()
    adopted = Segments(tmp_path / "other/spool", 1 << 20)
    assert adopted.adopt() == 2
    assert adopted.first()[1] == [b"first", b"second"]
    adopted.close()


def test_a_store_that_holds_anything_is_left_alone(channel, back_up, bring_back):
    send(channel)
    back_up()
    before = contents()
    with pytest.raises(Conflict, match="not empty"):
        bring_back()
    assert contents() == before


def test_a_spool_that_holds_webhooks_is_left_alone(store, tmp_path):
    waiting = Segments(tmp_path / "spool", 1 << 20)
    waiting.append([b"first"])
    with pytest.raises(Conflict):
        check_empty(tmp_path / "spool")
    waiting.close()


def test_who_was_signed_in_is_not_so_afterwards(channel, back_up):
    assert not {"django_session", "accounts_signinlink"} & set(back_up().tables)


def test_a_code_to_pair_with_is_in_no_backup(channel, back_up, bring_back, monkeypatch):
    pairs_phones(monkeypatch)
    show_code(channel)
    assert find_code(channel.tenant_id, channel.id) is not None
    back_up()
    lose_everything()
    bring_back()
    session = Session.objects.get(tenant_id=channel.tenant_id)
    assert (session.code, session.code_until) == ("", None)
    assert find_session(channel.tenant_id, channel.id).state is SessionState.PAIRING


# --- what may have happened since -------------------------------------------------------------------------------------


def test_all_that_waited_is_unknown(channel, back_up, bring_back):
    worker = new_worker()
    under_way = send(channel, 1)
    attempt(worker, claim_one(worker))
    waits, scheduled = send(channel, 2), send(channel, 3, send_at=4_000_000_000.0)
    left = [under_way, waits, scheduled]
    back_up()
    lose_everything()
    restored = bring_back()
    assert restored.settled.unknown == len(left)
    for message in left:
        row = work_of(message)
        assert (row.state, row.code, row.worker_id) == (WorkState.PARKED, RESTORED, None)
        assert fresh(message).unknown
        assert Receipt.objects.filter(tenant_id=message.tenant_id, message_id=message.pk, event="unknown").exists()
    assert not [row for row in work(channel.tenant_id) if row.state == WorkState.READY]


def test_what_had_ended_stays_as_it_was(channel, back_up, bring_back):
    worker = new_worker()
    done = send(channel)
    deliver(worker, claim_one(worker))
    back_up()
    lose_everything()
    assert bring_back().settled.unknown == 0
    assert (fresh(done).status, fresh(done).unknown) == (Status.SENT, False)


def test_nobody_answers_what_people_wrote_before(channel, back_up, bring_back):
    change_channel(channel, answered_by="echo")
    apply(channel, wrote(channel, message_id="w1"))
    assert [row.kind for row in work(channel.tenant_id)] == [WorkKind.TURN]
    back_up()
    lose_everything()
    assert bring_back().settled.turns == 1
    assert not work(channel.tenant_id)
    conversation = conversation_of(messages(channel.tenant_id)[0])
    assert conversation.answered_id == conversation.last_inbound_id


def test_a_webhook_of_before_that_is_understood_afterwards_is_not_answered(channel):
    settle_restored(HOLD_S)
    change_channel(channel, answered_by="echo")
    apply(channel, wrote(channel, message_id="w1", at=1_000_000_000.0))
    apply(channel, wrote(channel, phone(2), message_id="w2"))
    claimed = claim_turns(new_worker(), open_room(10)).claims
    assert [turn.lines[-1].provider_id for turn in claimed] == ["w2"]
    assert [row.state for row in work(channel.tenant_id)] == [WorkState.LEASED]


# --- who may open it --------------------------------------------------------------------------------------------------


def test_only_the_identity_opens_it(channel, back_up, place):
    send(channel, body="a secret of theirs")
    back_up()
    assert b"a secret of theirs" not in place.read_bytes()
    assert verify_open(place, MINE).rows > 0
    with pytest.raises(InputError, match="does not open"):
        verify_open(place, parse_identities(make_identity()[0]))


def test_what_was_written_is_read_back(store, back_up, place):
    manifest = back_up()
    assert verify_closed(place).sha256 == manifest.sha256
    assert (place.stat().st_mode & 0o777, place.stat().st_size) == (0o600, manifest.size)
    with place.open("r+b") as file:
        file.seek(-20, os.SEEK_END)
        file.write(b"x")
    with pytest.raises(InputError, match="another than in its manifest"):
        verify_closed(place)
    with pytest.raises(InputError):
        verify_open(place, MINE)


@pytest.mark.parametrize("kept", [0, 100, 3000])
def test_a_backup_that_ends_early_is_not_restored(channel, kept, back_up, place, bring_back):
    send(channel)
    back_up()
    place.write_bytes(place.read_bytes()[:kept])
    lose_everything()
    with pytest.raises(InputError):
        bring_back()
    assert not messages(channel.tenant_id)


def forged(place, change) -> None:
    """The backup with its parts changed, under the same keys."""
    with place.open("rb") as source, decrypted(source, MINE) as plain:
        parts = list(read_archive(plain))
    with place.open("wb") as sink:
        encrypt(write_archive(change(parts)), sink, parse_recipients([RECIPIENT]))


@pytest.mark.parametrize(
    "forgery",
    [
        (lambda parts: parts[:-1], "ends before its manifest"),
        (lambda parts: [parts[0], *parts[2:]], "not what its manifest says"),
        (lambda parts: [BackupPart("head", b"{}"), *parts[1:]], "cannot be read"),
        (lambda parts: [parts[0], BackupPart("spool/../../up", b""), *parts[1:]], "none of ours"),
        (lambda parts: [parts[0], BackupPart("files/../../up", b"x"), *parts[1:]], "none of ours"),
        (lambda parts: [parts[0], BackupPart("more", b""), *parts[1:]], "does not know"),
        (lambda parts: parts[1:], "no backup"),
    ],
)
def test_what_is_not_as_it_was_written_is_not_restored(channel, place, back_up, bring_back, forgery):
    change, says = forgery
    send(channel)
    back_up()
    forged(place, change)
    lose_everything()
    with pytest.raises(InputError, match=says):
        bring_back()
    assert not messages(channel.tenant_id)


def test_a_backup_of_a_newer_version_says_so(store, place, back_up, bring_back):
    back_up()
    forged(place, lambda parts: [BackupPart("head", parts[0].data.replace(b"0001_initial", b"9999_later")), *parts[1:]])
    lose_everything()
    with pytest.raises(ConfigurationError, match="newer version"):
        bring_back()


def test_keys_that_came_along_are_kept_behind_those_that_are_there(tmp_path):
    env = Environment(home=tmp_path / "home", secret_keys=())
    with pytest.raises(InputError, match="kept elsewhere"):
        check_has_keys(env)
    take_keys(b"a:1\nb:2", env)
    take_keys(b"c:3\na:1", env)
    assert (env.home / "secret_keys").read_text().split() == ["a:1", "b:2", "c:3"]
    check_has_keys(env)


def test_keys_that_are_set_have_to_be_those_of_the_backup(tmp_path):
    env = Environment(home=tmp_path, secret_keys=KEYS)
    take_keys(KEYS[0].encode(), env)
    assert not (tmp_path / "secret_keys").exists()
    with pytest.raises(InputError, match="lacks keys of the backup"):
        take_keys(b"other:" + b"B" * 43 + b"=", env)


@pytest.mark.parametrize("text", ["", "# nothing\n", "AGE-SECRET-KEY-1NONSENSE"])
def test_what_is_no_identity_is_refused(text):
    with pytest.raises(InputError):
        parse_identities(text)


@pytest.mark.parametrize("keys", [[], ["age1nonsense"], ["AGE-SECRET-KEY-1X"]])
def test_what_is_no_recipient_is_refused(keys):
    with pytest.raises(ConfigurationError):
        parse_recipients(keys)


def test_a_fault_while_it_is_written_leaves_nothing(store, place, back_up):
    class Broken:
        async def read_sealed(self, _file):
            raise OSError("gone")
            yield b""

    Attachment.objects.create(
        uid=uuid7(), tenant_id=1, state=AttachmentState.STORED, kind="x", file="ab/" + "0" * 62, created_at=0.0
    )
    with pytest.raises(OSError, match="gone"):
        back_up(files=Broken())
    assert list(place.parent.iterdir()) == []


def test_an_archive_is_the_same_afterwards():
    parts = [BackupPart("a", b"1"), BackupPart("a", b""), BackupPart("b/c", b"2" * 3_000_000)]
    assert list(read_archive(io.BytesIO(b"".join(write_archive(parts))))) == parts


def test_the_manifest_lies_beside_it_without_a_secret(store, place, back_up):
    back_up()
    beside = place.with_name(place.name + MANIFEST_ENDING).read_text()
    assert KEYS[0].partition(":")[2] not in beside
    assert '"k1"' in beside
