"""Old and new programs run side by side as long as the schema fits both, and no longer."""

import json

import pytest
from django.db import migrations

from hailgate.accounts import schema
from hailgate.accounts.models import Installation
from hailgate.accounts.seal import sealer
from hailgate.edge.doors import store_health

# What a program that does not know of it goes on beside.
ADDS = (
    migrations.CreateModel,
    migrations.AddField,
    migrations.AddIndex,
    migrations.RemoveIndex,
    migrations.AlterModelOptions,
    migrations.SeparateDatabaseAndState,
)
# Written before the database kept which programs fit: between releases, when there was no older program.
BEFORE = {"accounts": 6, "messaging": 24}


@pytest.fixture
def installation(store):
    sealer().digest("")
    yield
    Installation.objects.update(oldest_programs="")


def _says(programs):
    Installation.objects.update(oldest_programs=json.dumps(programs))


@pytest.mark.parametrize(
    ("oldest", "outgrown"),
    [
        ({}, False),
        ({"messaging": 22}, False),
        ({"messaging": 24, "accounts": 6}, False),
        ({"messaging": 25}, True),
        ({"messaging": 1, "accounts": 7}, True),
        ({"another": 1}, True),
    ],
)
def test_a_program_fits_where_it_is_not_older_than_what_the_database_names(oldest, outgrown):
    assert schema.outgrown(oldest, {"accounts": 6, "messaging": 24}) is outgrown


def test_a_database_that_was_migrated_further_by_additions_fits(installation):
    """A rolling upgrade: the old program stays ready beside the new one."""
    _says({"accounts": 1, "messaging": 1})
    assert (schema.find_misfit(), store_health.find_store_fault()) == ("", "")


def test_a_program_that_is_too_old_is_unready_and_says_why(installation):
    assert store_health.find_store_fault() == ""
    _says({"messaging": 9_999})
    assert "too old" in schema.find_misfit()
    assert "too old" in store_health.find_store_fault()
    _says({})
    assert store_health.find_store_fault() == ""


def test_the_database_keeps_the_highest_and_an_older_program_does_not_lower_it(installation, monkeypatch):
    monkeypatch.setattr(schema, "oldest_programs", lambda: {"accounts": 2, "messaging": 20})
    schema.keep_oldest_programs()
    monkeypatch.setattr(schema, "oldest_programs", lambda: {"accounts": 3, "messaging": 7})
    schema.keep_oldest_programs()
    assert json.loads(Installation.objects.get().oldest_programs) == {"accounts": 3, "messaging": 20}


def test_a_programs_number_is_that_of_its_newest_migration():
    own = schema.known_programs()
    assert own["accounts"] >= BEFORE["accounts"]
    assert own["messaging"] >= BEFORE["messaging"]


def _brought():
    for app in schema.APPS:
        for name, migration in schema._brought(app).items():
            if schema.number_of(name) > BEFORE[app]:
                yield f"{app}.{name}", migration


def test_a_migration_that_does_more_than_add_names_the_oldest_program_that_still_fits():
    silent = [
        name
        for name, migration in _brought()
        if not hasattr(migration, "oldest_program") and not all(isinstance(each, ADDS) for each in migration.operations)
    ]
    assert silent == []


def test_no_migration_names_a_program_that_is_newer_than_itself():
    named = {name: each.oldest_program for name, each in _brought() if hasattr(each, "oldest_program")}
    assert all(oldest <= schema.number_of(name.partition(".")[2]) for name, oldest in named.items())
