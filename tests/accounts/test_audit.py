"""What was done by hand is on record with who did it, in one transaction, or neither happened."""

import pytest

from hailgate.accounts.audit import Actor, AuditAction, AuditRecord, audited, find_entries
from hailgate.accounts.keys import add_key
from hailgate.accounts.models import ApiKey

ADA = Actor("operator", "a1", "Ada")


@pytest.fixture
def deed(tenant) -> AuditRecord:
    return AuditRecord(ADA, tenant.pk, AuditAction.KEY_MADE, "key:x")


def test_a_deed_is_recorded_with_who_did_it(tenant, deed):
    audited(deed, add_key, tenant.pk)
    [entry] = find_entries(tenant.pk)
    assert (entry.actor_kind, entry.actor, entry.name) == ("operator", "a1", "Ada")
    assert (entry.action, entry.subject, entry.count) == ("key.made", "key:x", 1)


@pytest.mark.parametrize(("result", "count"), [(None, 1), (True, 1), (7, 7), ([1, 2], 2), ("x", 1)])
def test_how_many_it_was_done_to(tenant, deed, result, count):
    assert audited(deed, lambda: result) == result
    assert find_entries(tenant.pk).get().count == count


@pytest.mark.parametrize("result", [False, 0, []])
def test_what_came_to_nothing_is_not_on_record(tenant, deed, result):
    audited(deed, lambda: result)
    assert not find_entries(tenant.pk)


def test_without_a_record_nothing_is_done(tenant, deed):
    with pytest.raises(TypeError):
        audited(deed._replace(detail=None), add_key, tenant.pk)
    assert not ApiKey.objects.filter(tenant=tenant).exists()
