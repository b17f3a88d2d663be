"""A kill leaves marks: what surely never left is sent by whoever takes over, and everything else is unknown."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hailgate.core.status import Status
from hailgate.messaging.models import Attempt, WorkState
from hailgate.messaging.outbound.failover import declare_dead
from hailgate.messaging.work import leases, marks
from hailgate.messaging.work.marks import AttemptMark, Marks, is_local
from messaging.acting import HOLD_S, LEASE_S, attempt, claim, deliver, execute, fresh, new_worker, send, work_of

READY, PARKED = WorkState.READY, WorkState.PARKED
HERE = leases.socket.gethostname()

WORKER = """
    import sys
    from pathlib import Path
    from hailgate.messaging.work.leases import LockFile
    lock = LockFile(Path(sys.argv[1]))
    print(lock.path, flush=True)
    for line in sys.stdin:
        verb, *numbers = line.split()
        getattr(lock.marks, verb)(*map(int, numbers))
        print(flush=True)
"""


class Elsewhere:
    """A process that holds a lock file and sets marks in it, as a worker does."""

    def __init__(self, folder: Path) -> None:
        self.running = subprocess.Popen(
            [sys.executable, "-c", f"import django; django.setup()\n{textwrap.dedent(WORKER)}", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": "src"},
        )
        self.lock_file = self.running.stdout.readline().strip()

    def __call__(self, verb: str, *numbers: int) -> None:
        self.running.stdin.write(f"{verb} {' '.join(map(str, numbers))}\n")
        self.running.stdin.flush()
        self.running.stdout.readline()

    def kill(self) -> None:
        self.running.send_signal(signal.SIGKILL)
        self.running.wait()


@pytest.fixture
def elsewhere(tmp_path):
    process = Elsewhere(tmp_path)
    with process.running:
        yield process
        process.running.kill()


def unsent(process: Elsewhere, host: str = HERE) -> frozenset[AttemptMark]:
    return leases.find_unsent(host, process.lock_file)


# --- what a kill leaves -----------------------------------------------------------------------------------------------


def test_only_what_had_not_begun_is_known_to_have_stayed(store, elsewhere):
    for row in (1, 2, 3, 4):
        elsewhere("prepare", row, 7)
    elsewhere("begin", 2)
    elsewhere("clear", 3)
    elsewhere.kill()
    assert unsent(elsewhere) == {(1, 7), (4, 7)}


def test_a_place_is_used_again_with_nothing_left_of_before(store, elsewhere):
    for number in range(1, marks.PLACES + 50):
        elsewhere("prepare", number, 1)
        elsewhere("clear", number)
    elsewhere("prepare", 5, 2)
    elsewhere.kill()
    assert unsent(elsewhere) == {(5, 2)}


def test_of_a_process_that_lives_or_is_frozen_nothing_is_known(store, elsewhere):
    elsewhere("prepare", 1, 1)
    assert unsent(elsewhere) == frozenset()
    elsewhere.running.send_signal(signal.SIGSTOP)
    assert unsent(elsewhere) == frozenset()


def test_of_another_host_nothing_is_known(store, elsewhere):
    elsewhere("prepare", 1, 1)
    elsewhere.kill()
    assert unsent(elsewhere, "another-host") == frozenset()


def test_a_file_that_is_gone_proves_nothing(store, elsewhere):
    elsewhere("prepare", 1, 1)
    elsewhere.kill()
    Path(elsewhere.lock_file).unlink()
    assert unsent(elsewhere) == frozenset()


def test_a_file_of_an_older_boot_proves_nothing(store, elsewhere, tmp_path, monkeypatch):
    """The machine may have died with what its kernel had not yet written."""
    elsewhere("prepare", 1, 1)
    elsewhere.kill()
    later = tmp_path / "boot_id"
    later.write_text("11111111-2222-3333-4444-555555555555\n")
    monkeypatch.setattr(marks, "_BOOT_ID", later)
    assert unsent(elsewhere) == frozenset()


def test_a_copy_proves_nothing(store, elsewhere):
    """The original may have gone on since, elsewhere."""
    elsewhere("prepare", 1, 1)
    elsewhere.kill()
    lock = Path(elsewhere.lock_file)
    content = lock.read_bytes()
    lock.rename(lock.with_suffix(".old"))
    lock.write_bytes(content)
    assert unsent(elsewhere) == frozenset()


@pytest.mark.parametrize(
    "tear",
    [
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda whole: whole[:40], id="half a header"),
        pytest.param(lambda whole: whole[:-1], id="too short"),
        pytest.param(lambda whole: whole + b"\0", id="too long"),
        pytest.param(lambda whole: b"\0" + whole[1:], id="another kind"),
        pytest.param(lambda whole: bytes(len(whole)), id="zeros"),
    ],
)
def test_a_torn_file_proves_nothing(store, elsewhere, tear):
    elsewhere("prepare", 1, 1)
    elsewhere.kill()
    assert unsent(elsewhere) == {(1, 1)}
    lock = Path(elsewhere.lock_file)
    lock.write_bytes(tear(lock.read_bytes()))
    assert unsent(elsewhere) == frozenset()


def test_a_mark_that_is_cut_off_anywhere_proves_nothing():
    """A kill may come between any two bytes, of a new mark as of the one that breaks it."""
    memory = bytearray(marks.SIZE)
    written = Marks(memory)
    written.prepare(0x0102030405060708, 0x090A0B0C)
    (whole,) = marks.find_prepared(memory)
    place = memory.index(bytes.fromhex("0807060504030201"))
    for byte in range(place, place + 16):
        torn = bytearray(memory)
        torn[byte] ^= 0xFF
        assert whole not in marks.find_prepared(torn)
    written.begin(0x0102030405060708)
    assert marks.find_prepared(memory) == frozenset()


def test_a_full_file_marks_no_more_and_says_nothing_wrong():
    memory = bytearray(marks.SIZE)
    crowded = Marks(memory)
    for row in range(1, marks.PLACES + 3):
        crowded.prepare(row, 1)
    crowded.begin(marks.PLACES + 2)
    crowded.clear(marks.PLACES + 2)
    assert marks.find_prepared(memory) == {(row, 1) for row in range(1, marks.PLACES + 1)}


# --- where the file lies ----------------------------------------------------------------------------------------------

MOUNTS = """\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
22 21 0:19 / /dev/shm rw,nosuid shared:2 - tmpfs tmpfs rw
23 21 0:40 / /srv/shared rw - nfs4 server:/export rw,vers=4.2
24 21 254:3 / /srv/with\\040space rw - xfs /dev/vdb rw
25 21 0:41 / /srv/copy rw master:1 - btrfs /dev/vdc rw
26 21 0:42 / /srv/guest rw - 9p host rw
"""


@pytest.mark.parametrize(
    ("path", "local"),
    [
        ("/var/lib/hailgate/workers/a.lock", True),
        ("/dev/shm/a.lock", True),
        ("/srv/with space/a.lock", True),
        ("/srv/shared/workers/a.lock", False),
        ("/srv/sharedness/a.lock", True),
        ("/srv/copy/a.lock", False),
        ("/srv/guest/a.lock", False),
    ],
)
def test_only_a_file_system_that_this_kernel_alone_writes_is_trusted(path, local):
    assert is_local(Path(path), MOUNTS) is local


def test_on_a_network_file_system_no_mark_is_left(store, tmp_path, monkeypatch):
    monkeypatch.setattr(marks, "LOCAL", frozenset())
    lock = leases.LockFile(tmp_path)
    lock.marks.prepare(1, 1)
    assert lock.path.read_bytes() == b""
    lock.release()


# --- what a take-over does with it ------------------------------------------------------------------------------------


def take_over_with(monkeypatch, proven: set[tuple[int, int]], dead: int) -> None:
    monkeypatch.setattr("hailgate.messaging.outbound.failover.process_is_gone", lambda *_: True)
    monkeypatch.setattr("hailgate.messaging.outbound.failover.find_unsent", lambda *_: proven)
    assert declare_dead(dead, LEASE_S, HOLD_S) is not None


def test_what_never_left_is_sent_by_the_next_and_the_rest_is_unknown(wide, worker, monkeypatch):
    stayed, left = send(wide, to=1), send(wide, to=2)
    claims = {one.message_id: one for one in claim(worker)}
    attempt(worker, *claims.values())
    mine = claims[stayed.id]
    take_over_with(monkeypatch, {AttemptMark(mine.id, mine.attempt_no)}, worker)
    row = work_of(stayed)
    assert (row.state, row.attempting, row.worker_id, row.attempts, row.tries) == (READY, False, None, 0, 1)
    assert (work_of(left).state, fresh(left).unknown, fresh(stayed).unknown) == (PARKED, True, False)
    heir = new_worker()
    (again,) = claim(heir)
    assert (again.message_id, again.attempt_no) == (stayed.id, 2)
    deliver(heir, again)
    assert fresh(stayed).status == Status.SENT
    told = (
        Attempt.objects.filter(tenant_id=wide.tenant_id, message_id=stayed.id)
        .order_by("number")
        .values_list("number", "outcome", "code")
    )
    assert list(told) == [(1, "snooze", "lease_lost"), (2, "sent", "")]


@pytest.mark.parametrize("off_by", [(1, 0), (0, 1), (0, -1)], ids=["row", "attempt", "former attempt"])
def test_a_mark_of_another_row_or_attempt_frees_nothing(wide, worker, monkeypatch, off_by):
    message = send(wide)
    (mine,) = claim(worker)
    attempt(worker, mine)
    take_over_with(monkeypatch, {AttemptMark(mine.id + off_by[0], mine.attempt_no + off_by[1])}, worker)
    assert work_of(message).state == PARKED


def test_a_lease_that_ended_by_itself_needs_the_marks_as_well(clock, wide, worker, monkeypatch):
    message = send(wide)
    (mine,) = claim(worker)
    attempt(worker, mine)
    execute(f"UPDATE messaging_worker SET expires_at = 0 WHERE id = {worker}")
    assert declare_dead(worker, LEASE_S, HOLD_S) is not None
    assert work_of(message).state == PARKED
