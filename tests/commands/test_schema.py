"""Migrations beside processes at work."""

import pytest
from django.db import OperationalError

from hailgate.commands import schema


class StateError(Exception):
    def __init__(self, sqlstate):
        self.sqlstate = sqlstate


@pytest.fixture
def migrated(monkeypatch):
    """Fails with these states, one after the other; what was called."""
    calls = []

    def fail_with(*states):
        left = list(states)

        def call(*_, **__):
            calls.append(1)
            if left:
                raise OperationalError from StateError(left.pop(0))

        monkeypatch.setattr("django.core.management.call_command", call)
        return calls

    return fail_with


def test_a_migration_that_lost_a_deadlock_begins_anew(migrated):
    calls = migrated("40P01", "40P01")
    schema._migrate()
    assert len(calls) == 3


def test_it_does_not_begin_anew_for_ever(migrated):
    calls = migrated(*["40P01"] * 1000)
    with pytest.raises(OperationalError):
        schema._migrate()
    assert len(calls) == schema.TRIES


def test_another_fault_is_told_at_once(migrated):
    calls = migrated("57014", "40P01")
    with pytest.raises(OperationalError):
        schema._migrate()
    assert len(calls) == 1
