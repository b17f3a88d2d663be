"""`hailgate backup`, `restore`, and what a person decides afterwards about all that waited."""

import pytest

from conftest import empty_tables, tenancy
from hailgate.backup.encryption import make_identity
from hailgate.core.status import Status
from hailgate.messaging.models import WorkState
from hailgate.messaging.store.hold import is_held, release
from hailgate.messaging.upkeep.restored import settle_restored
from messaging.acting import HOLD_S, fresh, send, work_of


@pytest.fixture
def keys(tmp_path):
    identity, recipient = make_identity()
    (tmp_path / "identity").write_text(f"# mine\n{identity}\n")
    return str(tmp_path / "identity"), recipient


@pytest.fixture
def released():
    yield
    release()


def test_a_backup_is_made_verified_and_restored(ask, run, channel, keys, released):
    identity, recipient = keys
    file = f"{identity}.age"
    message = send(channel)
    made = ask("backup", "--to", file, "--recipient", recipient)
    assert (made["messages"], made["file"], bool(made["keys"])) == (1, file, True)
    assert ask("backup", "verify", file)["sha256"] == made["sha256"]
    assert ask("backup", "verify", file, "--identity", identity)["rows"] == made["rows"]
    refused = run("restore", file, "--identity", identity)
    assert refused.exit_code == 1
    assert "not empty" in refused.stderr
    tenancy.enforced = False
    empty_tables()
    restored = ask("restore", file, "--identity", identity)
    assert (restored["unknown"], restored["messages"]) == (1, 1)
    assert work_of(message).state == WorkState.PARKED
    assert is_held()


def test_a_backup_without_a_recipient_says_what_to_set(run, tmp_path):
    refused = run("backup", "--to", str(tmp_path / "one.age"))
    assert "HAILGATE_BACKUP_RECIPIENTS" in refused.stderr
    assert not list(tmp_path.iterdir())


def test_keys_can_be_kept_elsewhere(ask, tmp_path, keys):
    assert (
        ask("backup", "--to", str(tmp_path / "one.age"), "--recipient", keys[1], "--keys-kept-elsewhere")["keys"] == []
    )


def test_a_key_pair_is_shown_and_not_stored(ask):
    pair = ask("backup", "key")
    assert pair["identity"].startswith("AGE-SECRET-KEY-1")
    assert pair["recipient"].startswith("age1")


@pytest.mark.parametrize("arguments", [(), ("--in-place", "{file}"), ("{file}",)])
def test_a_restore_that_is_not_fully_said_is_refused(run, tmp_path, arguments):
    file = tmp_path / "one.age"
    file.write_bytes(b"")
    assert run("restore", *(each.format(file=file) for each in arguments)).exit_code == 1


def test_a_database_that_was_brought_back_otherwise_is_settled_in_place(ask, channel, released):
    message = send(channel)
    assert ask("restore", "--in-place") == {"unknown": 1, "turns": 0}
    assert fresh(message).unknown
    [told] = ask("deadletters", "list")
    assert told["reason"].count("It waited") == 1
    assert is_held()


def test_all_that_was_restored_is_settled_at_once(ask, channel):
    waiting = [send(channel, place) for place in (1, 2, 3)]
    settle_restored(HOLD_S)
    assert ask("deadletters", "settle", "--all-restored", "--sent") == {"settled": 3, "sent": True}
    assert {fresh(message).status for message in waiting} == {Status.SENT}
    assert ask("deadletters", "settle", "--all-restored", "--sent")["settled"] == 0


def test_all_that_was_restored_is_sent_again_at_once(ask, run, channel):
    waiting = [send(channel, place) for place in (1, 2)]
    settle_restored(HOLD_S)
    assert ask("deadletters", "revive", "--all-dead") == {"revived": 0}
    assert run("deadletters", "revive", "--all-restored", "--code", "restored").exit_code == 1
    assert ask("deadletters", "revive", "--all-restored", "--channel", channel.name) == {"revived": len(waiting)}
    assert {work_of(message).state for message in waiting} == {WorkState.READY}
