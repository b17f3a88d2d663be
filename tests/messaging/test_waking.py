"""Workers are told of work after the commit that made it, and never of work that was rolled back."""

import pytest
from django.db import connection, transaction

from hailgate.messaging.store.notify import CHANNEL, Wake, on_wake, wake_after_commit, wake_now
from messaging.acting import apply, claim_one, decided, hook_id_of, send, sent, tell, wrote


@pytest.fixture
def heard():
    wakes = []
    undo = on_wake(wakes.append)
    yield wakes
    undo()


def test_an_accepted_message_wakes_delivery(channel, heard):
    send(channel)
    assert heard == [Wake.DELIVER]


def test_a_persons_message_wakes_the_assistant(answering, heard):
    apply(answering, wrote(answering))
    assert heard == [Wake.ANSWER]


def test_a_webhook_wakes_ingest(channel, heard):
    from hailgate.messaging.inbound.receive import ReceivedWebhook, store_webhooks
    from hailgate.messaging.store.ids import uuid7

    store_webhooks([ReceivedWebhook(uuid7(), channel.tenant_id, hook_id_of(channel), "{}", b"{}")])
    assert heard == [Wake.INGEST]


def test_a_finished_head_wakes_delivery_for_its_follower(wide, worker, heard):
    send(wide)
    send(wide)
    one = claim_one(worker)
    heard.clear()
    tell(worker, sent(one))
    assert Wake.DELIVER in heard


def test_nobody_is_woken_before_the_commit(store, heard):
    with transaction.atomic(), connection.cursor() as cursor:
        wake_after_commit(cursor, Wake.DELIVER)
        assert heard == []
    assert heard == [Wake.DELIVER]


def test_nobody_is_woken_for_what_was_rolled_back(store, heard):
    with pytest.raises(KeyError), transaction.atomic(), connection.cursor() as cursor:
        wake_after_commit(cursor, Wake.DELIVER)
        raise KeyError
    assert heard == []


def test_who_no_longer_listens_hears_nothing(store):
    wakes = []
    on_wake(wakes.append)()
    wake_now(Wake.DELIVER)
    assert wakes == []


def test_other_processes_are_told_by_the_same_commit(postgresql):
    import psycopg

    from hailgate.settings import ENV

    with psycopg.connect(ENV.direct or ENV.database, autocommit=True) as listening:
        listening.execute(f"LISTEN {CHANNEL}")
        with transaction.atomic(), connection.cursor() as cursor:
            wake_after_commit(cursor, Wake.ANSWER)
            assert list(listening.notifies(timeout=0.05)) == []
        (told,) = listening.notifies(timeout=5, stop_after=1)
    assert told.payload == Wake.ANSWER


def test_a_retry_is_waited_for_and_wakes_nobody(wide, worker, clock, heard):
    from hailgate.core.delivery import Action

    send(wide)
    one = claim_one(worker)
    heard.clear()
    tell(worker, decided(one, Action.RETRY, clock.now + 60))
    assert heard == []
