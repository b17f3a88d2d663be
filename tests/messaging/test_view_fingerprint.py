"""What a page that is looked at compares with what it saw: its own tenant's, and each thing that it shows."""

import pytest

import given
from hailgate.core.status import Status
from hailgate.messaging.channels.hooks import add_hook
from hailgate.messaging.people import view_fingerprint
from hailgate.messaging.people.view_fingerprint import glance_at_list, glance_at_thread
from messaging.acting import add_number, change, conversation_of, fresh, send


@pytest.fixture
def elsewhere(stranger):
    """A channel of another tenant."""
    return add_number(stranger, add_hook(stranger.id, "cloud", given.HOOK_SETTINGS), 5)


def test_others_push_nothing_of_ours_out_of_view(wide, elsewhere, monkeypatch):
    monkeypatch.setattr(view_fingerprint, "LIST_VIEW", 2)
    message = send(wide)
    before = glance_at_list(wide.tenant_id)
    for to in range(3):
        send(elsewhere, to)
    assert glance_at_list(wide.tenant_id) == before
    change(message, status=Status.SENT)
    assert glance_at_list(wide.tenant_id) != before


def test_a_thread_is_its_own_tenants(wide, elsewhere):
    message = send(wide)
    talk = conversation_of(message).uid
    before = glance_at_thread(wide.tenant_id, talk)
    assert glance_at_thread(elsewhere.tenant_id, talk) is None
    change(fresh(message), status=Status.SENT)
    assert glance_at_thread(wide.tenant_id, talk) != before
