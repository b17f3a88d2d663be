"""A look before a claim: what becomes due while it is being taken is not overlooked until the next poll."""

import pytest

from hailgate.core.delivery import Action
from hailgate.core.slots import open_room
from hailgate.messaging.models import WorkKind
from hailgate.messaging.outbound.claim import claim_deliveries
from hailgate.messaging.store import sql
from hailgate.messaging.work.claim import look_for
from messaging.acting import attempt, claim_one, decided, send, tell


@pytest.mark.parametrize("early", [0.0, 1e-6, 1e-3])
def test_a_row_that_becomes_due_during_the_look_is_due_or_announced(wide, worker, clock, early):
    send(wide)
    one = claim_one(worker)
    attempt(worker, one)
    due_at = clock.now + 10
    tell(worker, decided(one, Action.RETRY, due_at))
    moments = iter([due_at - early, due_at + 1e-3, due_at + 2e-3])
    sql.use_clock(lambda: next(moments))
    look = look_for(WorkKind.DELIVERY)
    assert look.due or look.earliest == due_at


def test_a_claim_that_comes_too_early_says_when_to_come_again(wide, worker, clock):
    send(wide)
    one = claim_one(worker)
    attempt(worker, one)
    tell(worker, decided(one, Action.RETRY, clock.now + 10))
    assert claim_deliveries(worker, open_room(10)).again_at == clock.now + 10


def test_nothing_to_do_is_never_due(store):
    look = look_for(WorkKind.TURN)
    assert (look.due, look.earliest) == (False, None)
