"""Each fault of a database has a sentence of its own, that says what to do and holds nothing of the driver's."""

import sqlite3

import psycopg
import pytest
from django.db import OperationalError

from hailgate.messaging.store.faults import explain_fault, find_connection_fault

SQLITE = {
    "unable to open database file": "does its folder exist",
    "attempt to write a readonly database": "file can only be read",
    "file is not a database": "no SQLite database",
    "database disk image is malformed": "is damaged",
    "database or disk is full": "disk of the database's file is full",
    "disk I/O error": "disk of the database's file fails",
    "database is locked": "Another process holds the database's file",
}
POSTGRESQL = {
    'connection failed: FATAL:  password authentication failed for user "hunter2"': "refuses the password",
    "connection to server at 10.0.0.1, port 5432 failed: fe_sendauth: no password supplied": "has none",
    'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "hunter2", database "hunter2"': "pg_hba.conf",
    'connection failed: FATAL:  role "hunter2" does not exist': "does not know the user",
    'connection failed: FATAL:  database "hunter2" does not exist': "has no database of the name",
    "connection failed: connection to server at 10.0.0.1, port 5432 failed: Connection refused": "is it running?",
    "failed to resolve host 'hunter2.example': [Errno -2] Name or service not known": "host of HAILGATE_DATABASE_URL",
    "FATAL:  sorry, too many clients already": "takes no more connections",
    "FATAL:  the database system is starting up": "starting or stopping",
    "permission denied for table messaging_work": "lacks rights",
    "cannot execute UPDATE in a read-only transaction": "takes no writes",
    "could not extend file base/5/1: No space left on device": "disk of the database server is full",
    "could not read block 3 in file base/5/1: Input/output error": "disk of the database server fails",
    "canceling statement due to lock timeout": "Another process holds what is needed",
    "canceling statement due to statement timeout": "longer for a statement",
    "terminating connection due to administrator command": "ended the connection",
    "server closed the connection unexpectedly": "connection to the database server broke",
    "connection timeout expired": "does not answer in time",
    "server does not support SSL, but SSL was required": "no secure connection",
}


@pytest.mark.parametrize(("said", "expected"), [*SQLITE.items(), *POSTGRESQL.items()])
def test_each_fault_has_its_own_sentence(said, expected):
    driver = sqlite3.OperationalError(said) if said in SQLITE else psycopg.OperationalError(said)
    failed = OperationalError(said)
    failed.__cause__ = driver
    assert expected in explain_fault(failed)
    assert "hunter2" not in explain_fault(failed)
    assert "10.0.0.1" not in explain_fault(failed)


def test_all_sentences_differ():
    said = {explain_fault(OperationalError(each)) for each in (*SQLITE, *POSTGRESQL)}
    assert len(said) == len(SQLITE) + len(POSTGRESQL)


def test_any_other_fault_names_its_kind():
    assert "OperationalError" in explain_fault(OperationalError("something new"))


def test_a_server_that_answers_has_no_fault_of_connection(store):
    assert find_connection_fault() is None


def test_a_database_that_is_absent_is_told_though_the_pool_hides_it(postgresql, monkeypatch):
    from django.db import connection

    parameters = connection.get_connection_params()
    monkeypatch.setattr(connection, "get_connection_params", lambda: parameters | {"dbname": "hailgate_nowhere"})
    assert "no database of the name" in explain_fault(find_connection_fault())
