"""Bugs are planted where they were meant, once each, and what is left is still code."""

import ast
from pathlib import Path

import pytest

from hailgate import core

from .equivalents import EQUIVALENT
from .sites import ROOMS, Kind, Room, find_all, find_sites

PACKAGE = Path(core.__file__).parents[1]
ROOM = Room("any", [], [])

CODE = '''
def claim(cursor, tenant_id, worker_id):
    """SELECT nothing: words of a docstring are no statement."""
    if find_alive(cursor, worker_id) is None:
        return None
    rows.lock_conversations(cursor, keys)
    cursor.execute(
        f"UPDATE work SET state = {LEASED}, worker_id = %s WHERE tenant_id = %s AND lease = %s "
        f"AND due_at <= %s + {SKEW} AND NOT attempting ORDER BY due_at, id LIMIT 5{locked(skip=True)}",
        [worker_id, tenant_id, 1, now],
    )
    return Message.objects.filter(tenant_id=tenant_id, uid=uid).get()


async def answer(request):
    await gate.submit(request)
    os.fdatasync(descriptor)
'''


def planted(was: str) -> str:
    (site,) = [site for site in find_sites(ROOM, "a.py", CODE) if site.was == was]
    return site.plant(CODE)


@pytest.mark.parametrize(
    ("kind", "was", "becomes"),
    [
        (Kind.GUARD, "find_alive(cursor, worker_id) is None", "if False:"),
        (Kind.LOCK, "rows.lock_conversations(cursor, keys)", "    None\n"),
        (Kind.LOCK, "{locked(skip=True)}", 'LIMIT 5",'),
        (Kind.TENANT, "tenant_id = %s", "WHERE (TRUE OR CAST(%s AS text) IS NULL) AND lease = %s"),
        (Kind.TENANT, "tenant_id=tenant_id, ", "filter(uid=uid)"),
        (Kind.CONDITION, "lease = %s", 'AND (TRUE OR CAST(%s AS text) IS NULL) "'),
        (Kind.CONDITION, "due_at <= %s + {SKEW}", "AND (TRUE OR CAST(%s AS text) IS NULL) "),
        (Kind.CONDITION, "NOT attempting", "AND (TRUE) ORDER BY"),
        (Kind.ORDER, "ORDER BY due_at, id", "ORDER BY random() LIMIT"),
        (Kind.COMMIT, "await gate.submit(request)", "ensure_future(gate.submit(request))"),
        (Kind.COMMIT, "os.fdatasync(descriptor)", "    None\n"),
    ],
)
def test_each_kind_of_guard_is_taken_out_alone(kind, was, becomes):
    sites = {site.was: site.kind for site in find_sites(ROOM, "a.py", CODE)}
    assert sites[was] is kind
    assert becomes in planted(was)


def test_nothing_else_is_touched():
    """Least of all what a statement sets, and what a docstring says."""
    assert len(find_sites(ROOM, "a.py", CODE)) == 11


def test_every_room_has_places_and_what_is_planted_in_them_is_code():
    sites = find_all(PACKAGE)
    assert {site.room for site in sites} == {room.name for room in ROOMS}
    for site in sites[::7]:
        ast.parse(site.plant((PACKAGE / site.file).read_text("utf-8")))


def test_what_is_called_equivalent_is_still_there():
    """A proof of what is gone, or was written anew, is to be gone through again."""
    assert set(EQUIVALENT) <= {site.id for site in find_all(PACKAGE)}
