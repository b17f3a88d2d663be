"""The spool on disk: what it took is there, whoever dies and whatever the disk says; what it refused is not."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hailgate.core.errors import SpoolUnavailable
from hailgate.spool import segments as module
from hailgate.spool.segments import LIVE, REFUSED, Segments, _name_folder

LIMIT = 10_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def own(root: Path):
    segments = Segments(root, LIMIT, segment_bytes=100)
    yield segments
    segments.close()


def drain(segments: Segments) -> list[bytes]:
    """Everything that waits, in order, as if the store had taken it."""
    taken: list[bytes] = []
    while found := segments.first():
        segment, records = found
        taken += records
        segments.finish(segment)
    return taken


def die(segments: Segments) -> None:
    """As a process that was killed: the kernel closes what it had open, and drops its locks."""
    for descriptor in [segments._descriptor] if segments._current else []:
        os.close(descriptor)
    for folder in filter(None, [segments._own, *segments._adopted]):
        os.close(folder.descriptor)
    segments._current, segments._own, segments._adopted = None, None, []


def live_files(root: Path) -> list[Path]:
    return sorted(root.rglob(f"*{LIVE}"))


# --- what goes well ---------------------------------------------------------------------------------------------------


@given(batches=st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=5), max_size=12), data=st.data())
@hypothesis_settings(max_examples=60, deadline=None)
def test_the_order_is_kept_over_segments_kills_and_restarts(tmp_path_factory, batches, data) -> None:
    """At any time the process may be killed and another begin, or the oldest segment be brought to the store."""
    root = tmp_path_factory.mktemp("spool")
    segments, taken = Segments(root, 1 << 20, segment_bytes=100), []
    for batch in batches:
        segments.append(batch)
        match data.draw(st.sampled_from(["on", "kill", "stop", "bring"])):
            case "kill":
                die(segments)
                segments = Segments(root, 1 << 20, segment_bytes=100)
                segments.adopt()
            case "stop":
                segments.close()
                segments = Segments(root, 1 << 20, segment_bytes=100)
                segments.adopt()
            case "bring" if found := segments.first():
                taken += found[1]
                segments.finish(found[0])
    written = [record for batch in batches for record in batch]
    assert segments.records == len(written) - len(taken)
    assert taken + drain(segments) == written
    assert (segments.records, segments.size) == (0, 0)
    segments.close()
    assert list(root.iterdir()) == []


def test_folders_sort_in_the_order_in_which_processes_began_however_close() -> None:
    moments = [1_796_000_000_000_000_000 + 20 * place for place in range(200)]
    names = [_name_folder(moment) for moment in moments]
    assert names == sorted(names)
    assert len(set(map(len, names))) == 1


def test_it_is_synced_before_it_is_answered_and_its_name_too(own: Segments, monkeypatch) -> None:
    synced: list[str] = []
    for name in ("fsync", "fdatasync"):
        sync = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda fd, sync=sync: (synced.append(str(Path(f"/proc/self/fd/{fd}").readlink())), sync(fd))
        )
    own.append([b"one"])
    segment = live_files(own._root)[0]
    assert synced == [str(own._root.parent), str(own._root), str(segment.parent), str(segment)]
    synced.clear()
    own.append([b"two", b"three"])
    assert synced == [str(segment)]


def test_nobody_else_may_read_it(own: Segments, root: Path) -> None:
    own.append([b"one"])
    assert [path.stat().st_mode & 0o077 for path in [root, *root.rglob("*")]] == [0, 0, 0]


def test_what_is_not_finished_is_given_again(own: Segments) -> None:
    own.append([b"one"])
    assert own.first() == own.first()
    own.append([b"two"])
    assert own.first()[1] == [b"one"]
    assert drain(own) == [b"one", b"two"]


def test_a_living_process_is_left_alone(own: Segments, root: Path) -> None:
    own.append([b"mine"])
    other = Segments(root, LIMIT)
    assert other.adopt() == 0
    assert other.first() is None
    other.close()
    assert drain(own) == [b"mine"]


def test_what_was_adopted_comes_before_what_came_since(own: Segments, root: Path) -> None:
    gone = Segments(root, LIMIT)
    gone.append([b"older"])
    own.append([b"newer"])
    die(gone)
    assert own.adopt() == 1
    assert drain(own) == [b"older", b"newer"]


def test_two_who_look_at_once_adopt_it_once(root: Path) -> None:
    gone = Segments(root, LIMIT)
    gone.append([b"left"])
    die(gone)
    heirs = [Segments(root, LIMIT) for _ in range(3)]
    assert [heir.adopt() for heir in heirs] == [1, 0, 0]
    assert drain(heirs[0]) == [b"left"]
    assert list(root.iterdir()) == []


def test_what_lay_there_before_goes_first_whoever_has_it(own: Segments, root: Path) -> None:
    gone = Segments(root, LIMIT)
    gone.append([b"left"])
    die(gone)
    quicker = Segments(root, LIMIT)
    assert (quicker.adopt(), own.adopt()) == (1, 0)
    own.append([b"newer"])
    assert (own.others_first(), own.first()) == (True, None)
    assert not quicker.others_first()
    assert drain(quicker) == [b"left"]
    assert not own.others_first()
    assert drain(own) == [b"newer"]


def test_what_another_has_kept_since_does_not_go_first(own: Segments, root: Path) -> None:
    own.adopt()
    other = Segments(root, LIMIT)
    other.append([b"later"])
    own.adopt()
    own.append([b"newer"])
    assert drain(own) == [b"newer"]
    other.close()


def test_the_share_of_a_process_that_ended_is_taken_over_and_still_goes_first(own: Segments, root: Path) -> None:
    for text in (b"left", b"behind"):
        gone = Segments(root, LIMIT)
        gone.append([text])
        die(gone)
    quicker = Segments(root, LIMIT)
    quicker.adopt()
    own.adopt()
    own.append([b"newer"])
    assert own.first() is None
    die(quicker)
    assert own.adopt() == 2
    assert drain(own) == [b"left", b"behind", b"newer"]


def test_nobody_waits_for_others_who_do_not_go_on(own: Segments, root: Path) -> None:
    other = Segments(root, LIMIT)
    other.append([b"theirs"])
    own.adopt()
    own.append([b"mine"])
    assert own.first() is None
    own.pass_others()
    assert drain(own) == [b"mine"]
    other.close()


def test_a_torn_end_is_skipped_and_told(own: Segments, root: Path, capture_log) -> None:
    gone = Segments(root, LIMIT)
    gone.append([b"whole"])
    die(gone)
    with live_files(root)[0].open("ab") as file:
        file.write(b"\x08\0\0\0torn")
    assert own.adopt() == 1
    assert drain(own) == [b"whole"]
    assert [(line["event"], line["size"], line["count"]) for line in capture_log] == [("spool.torn", 8, 1)]


def test_what_the_store_refuses_is_kept_aside(own: Segments, root: Path) -> None:
    own.append([b"odd"])
    segment, _ = own.first()
    own.finish(segment, refused=True)
    assert own.first() is None
    assert own.records == own.size == 0
    own.close()
    assert [path.suffix for path in root.glob("*/*")] == [REFUSED]


# --- what goes wrong --------------------------------------------------------------------------------------------------


def failing(function: Callable, number: int, times: int = 1) -> Callable:
    left = [times]

    def fail(*arguments, **options):
        if left[0]:
            left[0] -= 1
            raise OSError(number, os.strerror(number))
        return function(*arguments, **options)

    return fail


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("call", ["write", "fdatasync", "fsync", "open", "mkdir"])
@pytest.mark.parametrize("before", [0, 1])
def test_whatever_the_disk_refuses_is_refused_and_it_heals(own, monkeypatch, call, number, before) -> None:
    if before:
        own.append([b"before"])
        if call in {"fsync", "open", "mkdir"}:
            own._end()  # these are called for a new segment alone
            if call == "mkdir":
                die(own)
    monkeypatch.setattr(os, call, failing(getattr(os, call), number))
    with pytest.raises(SpoolUnavailable) as refused:
        own.append([b"refused"])
    assert refused.value.retry_after >= 1
    assert refused.value.__cause__.errno == number
    assert own.records == before
    own.append([b"after"])
    assert drain(own) == [b"before", b"after"][1 - before :]


def test_a_write_that_stops_half_way_leaves_nothing_behind(own: Segments, monkeypatch) -> None:
    own.append([b"before"])
    write, calls = os.write, []

    def half(descriptor: int, data: memoryview) -> int:
        calls.append(len(data))
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "full")
        return write(descriptor, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(SpoolUnavailable):
        own.append([b"refused" * 5])
    monkeypatch.undo()
    own.append([b"after"])
    die(own)
    heir = Segments(own._root, LIMIT)
    assert heir.adopt() == 2
    assert drain(heir) == [b"before", b"after"]


def test_after_a_failed_sync_nothing_more_goes_into_that_segment(own: Segments, monkeypatch) -> None:
    """A second sync would say that all is well, whatever became of the pages of the first."""
    own.append([b"before"])
    monkeypatch.setattr(os, "fdatasync", failing(os.fdatasync, errno.EIO))
    monkeypatch.setattr(os, "ftruncate", failing(os.ftruncate, errno.EIO))
    with pytest.raises(SpoolUnavailable):
        own.append([b"refused"])
    own.append([b"after"])
    assert len(live_files(own._root)) == 2
    assert drain(own) == [b"before", b"after"]


def test_more_than_the_limit_is_refused_until_some_of_it_is_brought(root: Path) -> None:
    segments = Segments(root, 100, segment_bytes=10)
    segments.append([b"x" * 60])
    with pytest.raises(SpoolUnavailable):
        segments.append([b"y" * 60])
    with pytest.raises(SpoolUnavailable):
        segments.check()
    segments.append([b"z" * 10])
    segments.finish(segments.first()[0])
    segments.check()
    segments.append([b"y" * 60])
    assert drain(segments) == [b"z" * 10, b"y" * 60]


def test_a_folder_that_somebody_removed_is_made_again(own: Segments, root: Path) -> None:
    own.append([b"brought"])
    drain(own)
    for path in root.iterdir():
        path.rmdir()
    root.rmdir()
    with pytest.raises(SpoolUnavailable):
        own.append([b"refused"])
    own.append([b"kept"])
    assert drain(own) == [b"kept"]


def test_a_folder_that_is_none_is_refused(root: Path) -> None:
    root.write_text("a file")
    segments = Segments(root, LIMIT)
    for call in (segments.check, lambda: segments.append([b"x"]), segments.adopt):
        with pytest.raises(SpoolUnavailable):
            call()
    root.unlink()
    segments.check()
    segments.append([b"x"])
    assert drain(segments) == [b"x"]
    segments.close()


def test_a_trial_leaves_nothing_behind(own: Segments, root: Path) -> None:
    own.check()
    own.check()
    assert [path for path in root.rglob("*") if path.is_file()] == []
    own.close()
    assert list(root.iterdir()) == []


def test_what_cannot_be_read_now_is_adopted_when_it_can(own: Segments, root: Path, monkeypatch, capture_log) -> None:
    gone = Segments(root, LIMIT)
    gone.append([b"left"])
    die(gone)
    monkeypatch.setattr(Path, "read_bytes", failing(Path.read_bytes, errno.EIO))
    assert own.adopt() == 0
    assert own.first() is None
    assert own.adopt() == 1
    assert drain(own) == [b"left"]
    assert [(line["event"], line["error"]) for line in capture_log] == [("spool.failed", "EIO")]


def test_a_fault_is_told_by_its_name() -> None:
    assert module.name_of(OSError(errno.ENOSPC, "x")) == "ENOSPC"
    assert module.name_of(ValueError("x")) == "ValueError"
