"""The dialect seam says the same thing to both databases."""

import threading
import time
from uuid import UUID

import pytest
from django.db import DatabaseError, OperationalError, connection
from hypothesis import given, settings
from hypothesis import strategies as st

from hailgate.messaging.models import Suppression
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.sql import (
    among,
    array,
    as_uuid,
    atomic_cursor,
    every_tenant,
    fetch,
    fetch_one,
    fetch_value,
    in_one_flight,
    moment,
    now,
    on_postgresql,
    one_moment,
    use_clock,
)
from hailgate.messaging.store.tables import SUPPRESSION

COLUMNS = ("tenant_id", "digest", "scope", "reason", "at")
UNIQUE = ("tenant_id", "digest", "scope")
digests = st.lists(st.text("ab'\"{}\\,\u00e9\u20ac ", max_size=5), max_size=8)


def rows(tenant, digests):
    return [(tenant.id, digest, "all", "test", 0.0) for digest in digests]


@settings(max_examples=30)
@given(first=digests, second=digests)
def test_inserting_what_is_new_tells_exactly_what_was(tenant, first, second):
    Suppression.objects.filter(tenant_id=tenant.id).delete()
    with atomic_cursor() as cursor:
        one = SUPPRESSION.insert_new(cursor, COLUMNS, rows(tenant, first), unique=UNIQUE)
        two = SUPPRESSION.insert_new(cursor, COLUMNS, rows(tenant, second), unique=UNIQUE)
        found = SUPPRESSION.find(
            cursor, ("digest",), [(tenant.id, digest) for digest in (*first, *second)], by=("tenant_id", "digest")
        )
    assert one == {(tenant.id, digest, "all") for digest in first}
    assert two == {(tenant.id, digest, "all") for digest in {*second} - {*first}}
    assert {row[0] for row in found} == {*first, *second}


def test_numbered_rows_have_rising_ids_in_their_order(tenant):
    with atomic_cursor() as cursor:
        first = SUPPRESSION.insert_numbered(cursor, COLUMNS, rows(tenant, "zyx"))
        second = SUPPRESSION.insert_numbered(cursor, COLUMNS, rows(tenant, "cba"))
    assert [*first, *second] == sorted({*first, *second})
    stored = dict(Suppression.objects.filter(tenant_id=tenant.id).values_list("id", "digest"))
    assert [stored[id_] for id_ in (*first, *second)] == list("zyxcba")


def test_ids_are_never_given_twice(tenant):
    with atomic_cursor() as cursor:
        first = SUPPRESSION.insert_numbered(cursor, COLUMNS, rows(tenant, "ab"))
    Suppression.objects.filter(tenant_id=tenant.id).delete()
    with atomic_cursor() as cursor:
        second = SUPPRESSION.insert_numbered(cursor, COLUMNS, rows(tenant, "cd"))
    assert min(second) > max(first)


def test_an_update_changes_each_row_by_its_key_and_lifts_what_rises(tenant):
    with atomic_cursor() as cursor:
        ids = SUPPRESSION.insert_numbered(cursor, COLUMNS, rows(tenant, "abc"))
        SUPPRESSION.update(cursor, ("reason", "at"), [(ids[0], "x", 5.0), (ids[2], "y", 6.0)])
        SUPPRESSION.update(cursor, ("reason", "at"), [(ids[0], "z", 4.0), (ids[2], "z", 7.0)], rising=("at",))
    found = Suppression.objects.filter(tenant_id=tenant.id).order_by("id").values_list("reason", "at")
    assert [(reason, at.timestamp()) for reason, at in found] == [("z", 5.0), ("test", 0.0), ("z", 7.0)]


def test_empty_batches_are_nothing(store):
    with atomic_cursor() as cursor:
        SUPPRESSION.insert(cursor, COLUMNS, [])
        SUPPRESSION.update(cursor, ("reason",), [])
        assert SUPPRESSION.insert_numbered(cursor, COLUMNS, []) == []
        assert SUPPRESSION.insert_new(cursor, COLUMNS, [], unique=UNIQUE) == set()
        assert SUPPRESSION.find(cursor, ("id",), [], by=("tenant_id", "digest")) == []


@pytest.mark.parametrize("values", [[], [1], [1, 3], [999]])
def test_among_finds_what_is_in_the_array(tenant, values):
    with atomic_cursor() as cursor:
        SUPPRESSION.insert(cursor, COLUMNS, [(tenant.id, "x", str(place), "r", float(place)) for place in range(5)])
        found = fetch(
            cursor,
            f"SELECT scope FROM messaging_suppression WHERE {among('scope')} {every_tenant('test')}",
            [array(map(str, values))],
        )
    assert {row[0] for row in found} == {str(value) for value in values if value < 5}


def test_nothing_found_is_none(store):
    with atomic_cursor(read_only=True) as cursor:
        statement = f"SELECT id FROM messaging_message {every_tenant('test')}"
        assert fetch_one(cursor, statement) is fetch_value(cursor, statement) is None


def test_the_stores_time_is_now_and_goes_forward(store):
    with atomic_cursor(read_only=True) as cursor:
        first, second = now(cursor), now(cursor)
    assert abs(first - time.time()) < 60
    assert second >= first


def test_a_wall_clock_that_jumps_moves_no_due_time_on_sqlite(store, monkeypatch):
    if on_postgresql():
        pytest.skip("PostgreSQL has a clock of its own")
    with atomic_cursor(read_only=True) as cursor:
        before = now(cursor)
        monkeypatch.setattr(time, "time", lambda: before + 86_400)
        assert now(cursor) - before < 60


def test_an_own_clock_takes_the_place_of_the_stores(store):
    use_clock(lambda: 42.0)
    with atomic_cursor(read_only=True) as cursor:
        assert now(cursor) == 42.0
    use_clock(None)
    with atomic_cursor(read_only=True) as cursor:
        assert now(cursor) > 1_000_000_000


# --- ids --------------------------------------------------------------------------------------------------------------


def test_ids_for_the_outside_are_uuids_of_version_7_and_rise_with_time(monkeypatch):
    at = 1_800_000_000_000_000_000
    made = []
    for step in range(100):
        monkeypatch.setattr(time, "time_ns", lambda step=step: at + step * 1_000_000)
        made.append(uuid7())
    assert {(uid.version, uid.variant) for uid in made} == {(7, "specified in RFC 4122")}
    assert made == sorted(made)
    assert made[5].int >> 80 == at // 1_000_000 + 5


def test_ids_of_one_instant_differ(monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert len({uuid7() for _ in range(1000)}) == 1000


def test_a_uuid_is_read_from_either_form():
    uid = uuid7()
    assert as_uuid(uid) == as_uuid(uid.hex) == as_uuid(str(uid)) == uid
    assert isinstance(as_uuid(uid.hex), UUID)


def test_what_is_read_at_one_moment_is_not_torn_by_a_commit_in_between(tenant):
    count = Suppression.objects.filter(tenant_id=tenant.id).count

    def write():
        with atomic_cursor() as cursor:
            SUPPRESSION.insert(cursor, COLUMNS, rows(tenant, ["a"]))
        connection.close()

    with one_moment():
        before = count()
        writer = threading.Thread(target=write)
        writer.start()
        writer.join()
        assert count() == before == 0
    assert count() == 1


def suppressed(tenant):
    return Suppression.objects.filter(tenant_id=tenant.id).count()


@given(own=st.floats(1e9, 2e9) | st.none())
def test_the_moment_of_a_statement_is_the_stores_time(store, own):
    use_clock(own and (lambda: own))
    with atomic_cursor(read_only=True) as cursor:
        before, told, after = now(cursor), fetch_value(cursor, f"SELECT {moment()}"), now(cursor)
    assert before <= float(told) <= after


def test_one_flight_is_committed_when_it_is_over_and_the_same_in_every_row(tenant):
    with in_one_flight() as cursor:
        for name in ("a", "b"):
            rows_ = [(tenant.id, name + name), (tenant.id, name)]
            same = {"scope": "'all'", "reason": "''", "at": moment()}
            SUPPRESSION.insert(cursor, ("tenant_id", "digest"), rows_, same=same)
    assert connection.get_autocommit()
    assert suppressed(tenant) == 4
    assert set(Suppression.objects.filter(tenant_id=tenant.id).values_list("scope", "reason")) == {("all", "")}


def test_one_flight_lands_whole_or_not_at_all_and_the_connection_goes_on(tenant):
    with pytest.raises(DatabaseError), in_one_flight() as cursor:
        SUPPRESSION.insert(cursor, COLUMNS, rows(tenant, ["a"]))
        SUPPRESSION.insert(cursor, COLUMNS, rows(tenant, ["b", "b"]))
        SUPPRESSION.insert(cursor, COLUMNS, rows(tenant, ["c"]))
    assert suppressed(tenant) == 0
    with in_one_flight() as cursor:
        SUPPRESSION.insert(cursor, COLUMNS, rows(tenant, ["a"]))
    assert suppressed(tenant) == 1


def test_an_exception_in_one_flight_writes_nothing(tenant):
    with pytest.raises(KeyError), in_one_flight() as cursor:
        SUPPRESSION.insert(cursor, COLUMNS, rows(tenant, ["a"]))
        raise KeyError
    assert suppressed(tenant) == 0


def test_one_flight_is_part_of_the_callers_transaction(tenant):
    with pytest.raises(KeyError), atomic_cursor():
        with in_one_flight() as cursor:
            SUPPRESSION.insert(cursor, COLUMNS, rows(tenant, ["a"]))
        assert suppressed(tenant) == 1
        raise KeyError
    assert suppressed(tenant) == 0


def test_a_connection_that_ends_during_one_flight_is_told(tenant):
    if not on_postgresql():
        return
    with pytest.raises(OperationalError), in_one_flight() as cursor:
        SUPPRESSION.insert(cursor, COLUMNS, rows(tenant, ["a"]))
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    connection.close()
    assert suppressed(tenant) == 0
