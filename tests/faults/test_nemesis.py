"""What a trace of failing system calls is read as."""

import pytest

from .nemesis import Call, Syncs, judge_syncs, read_trace

LOG = "/data/it/hailgate.db-wal"
WRITE = Call("pwrite64", 9, LOG, failed=False)
SYNC = Call("fdatasync", 9, LOG, failed=False)
FAILED = Call("fdatasync", 9, LOG, failed=True)
CLOSE = Call("close", 9, LOG, failed=False)
ELSEWHERE = Call("fdatasync", 8, "/data/it/hailgate.db", failed=True)


def test_calls_are_read_with_their_file_and_ending():
    lines = [
        '4711 pwrite64(9</data/it/hailgate.db-wal>, "..."..., 4096, 0) = 4096',
        "4711 fdatasync(9</data/it/hailgate.db-wal>) = -1 EIO (Input/output error) (INJECTED)",
        "4711 close(9</data/it/hailgate.db-wal>) = 0",
        "4711 +++ killed by SIGKILL +++",
    ]
    assert read_trace(lines) == [WRITE, FAILED, CLOSE]


def test_a_call_that_another_thread_interrupted_is_put_together():
    lines = [
        "4711 fdatasync(9</data/it/hailgate.db-wal> <unfinished ...>",
        "4712 fdatasync(8</data/it/hailgate.db>) = -1 EIO (Input/output error) (INJECTED)",
        "4711 <... fdatasync resumed>) = 0",
    ]
    assert read_trace(lines) == [ELSEWHERE, SYNC]


@pytest.mark.parametrize(
    ("calls", "found"),
    [
        ([WRITE, SYNC], Syncs(0, 0)),
        ([WRITE, FAILED, CLOSE, WRITE, SYNC], Syncs(1, 0)),
        ([WRITE, FAILED, SYNC], Syncs(1, 1)),
        ([WRITE, FAILED, WRITE, SYNC, CLOSE], Syncs(1, 2)),
        ([WRITE, SYNC, FAILED, WRITE, SYNC], Syncs(0, 0)),  # a checkpoint's own
        ([WRITE, SYNC, ELSEWHERE, WRITE, SYNC], Syncs(0, 0)),
    ],
)
def test_a_log_whose_sync_failed_is_closed_before_anything_else(calls, found):
    assert judge_syncs(calls) == found
