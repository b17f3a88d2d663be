"""Who acts: a worker that is alive, a clock that is turned, a channel that no limit holds back.

Django is not ready yet when this is read: what needs it is imported where it is used.
"""

import pytest


@pytest.fixture
def clock(store):
    from messaging.acting import Clock

    return Clock()


@pytest.fixture
def worker(store) -> int:
    from messaging.acting import new_worker

    return new_worker()


@pytest.fixture
def answering(tenant, hook):
    """A channel that the scripted assistant answers."""
    from messaging.acting import add_number

    return add_number(tenant, hook, 7, answered_by="scripted")


@pytest.fixture
def wide(channel):
    """A channel whose limits nobody reaches."""
    from messaging.acting import change_channel

    change_channel(channel, rate_interval=1e-4, rate_burst=100_000, pair_burst=0)
    return channel


@pytest.fixture
def postgresql(store) -> None:
    """For what only several writers at once can show."""
    from django.db import connection

    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer")


@pytest.fixture
def django_executes():
    """``with django_executes() as statements``: what this thread says to the database, in order."""
    from contextlib import contextmanager

    from django.db import connection

    @contextmanager
    def listen():
        statements: list[str] = []

        def note(execute, statement, params, many, context):
            statements.append(str(statement).strip())
            return execute(statement, params, many, context)

        with connection.execute_wrapper(note):
            yield statements

    return listen
