"""A notice that equals the hook's last is counted and not stored; anything else is stored."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from hailgate.edge.doors.repeated_notices import LARGEST, QUIET_S, RepeatedNotices
from hailgate.providers import evolution, fake

CONNECTING = b'{"event":"connection.update","instance":"a","data":{"state":"connecting","statusReason":200}}'
OPEN = b'{"event":"connection.update","instance":"a","data":{"state":"open"}}'
MESSAGE = b'{"event":"messages.upsert","instance":"a","data":{}}'


@pytest.fixture
def notices():
    notices = RepeatedNotices(lambda: notices.now)
    notices.now = 0.0
    return notices


HOOK = SimpleNamespace(id=1, spec=evolution.SPEC)


def test_a_storm_is_stored_once_every_few_seconds(notices):
    stored = 0
    for tick in range(28 * 30):
        notices.now = tick / 28
        if not notices.is_repeat(HOOK, CONNECTING):
            notices.note(HOOK, CONNECTING)
            stored += 1
    assert stored == 30 / QUIET_S


@pytest.mark.parametrize("other", [OPEN, MESSAGE, b"", b"{}"])
def test_anything_else_is_stored_and_so_is_the_notice_after_it(notices, other):
    notices.note(HOOK, CONNECTING)
    assert notices.is_repeat(HOOK, CONNECTING)
    assert not notices.is_repeat(HOOK, other)
    notices.note(HOOK, other)
    assert not notices.is_repeat(HOOK, CONNECTING)


def test_a_message_that_is_told_twice_is_no_repeated_notice(notices):
    notices.note(HOOK, MESSAGE)
    assert not notices.is_repeat(HOOK, MESSAGE)


def test_each_hook_has_its_own_last(notices):
    notices.note(HOOK, CONNECTING)
    assert not notices.is_repeat(SimpleNamespace(id=2, spec=evolution.SPEC), CONNECTING)


def test_a_provider_without_such_notices_is_never_kept_waiting(notices):
    plain = SimpleNamespace(id=3, spec=replace(fake.SPEC, repeats=None))
    notices.note(plain, CONNECTING)
    assert not notices.is_repeat(plain, CONNECTING)


def test_what_is_large_is_no_notice(notices):
    large = CONNECTING[:-1] + b" " * LARGEST + b"}"
    notices.note(HOOK, large)
    assert not notices.is_repeat(HOOK, large)
