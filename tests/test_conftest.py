"""The wall around tenants' tables holds, in every thread; examples are chosen by the code alone."""

import pytest
from django.db import connection, connections
from hypothesis import settings

from hailgate.messaging.models import Channel, Conversation
from tenancy import TenantForgotten, check_tenancy


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id FROM messaging_message",
        "SELECT tenant_id FROM messaging_message WHERE id = 1",
        "SELECT tenant_id FROM messaging_message",
        "UPDATE messaging_channel SET tenant_id = 2 WHERE id = 1",
        "DELETE FROM messaging_work WHERE id = 1",
        "SELECT m.id FROM messaging_message m JOIN messaging_channel c ON c.id = m.channel_id",
        "INSERT INTO messaging_work (kind, key) VALUES (1, 2)",
        "SELECT id FROM messaging_message WHERE id = 1 /* every tenant: */",
        'SELECT "messaging_hook"."id" FROM "messaging_hook"',
    ],
)
def test_sql_without_tenant_is_refused(statement: str) -> None:
    with pytest.raises(TenantForgotten):
        check_tenancy(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id FROM messaging_message WHERE tenant_id = 1 AND id = 2",
        "SELECT m.id FROM messaging_message m JOIN messaging_channel c ON c.tenant_id = m.tenant_id",
        "INSERT INTO messaging_work (tenant_id, kind) VALUES (1, 2)",
        'INSERT INTO "messaging_work" ("tenant_id", "kind") VALUES (1, 2)',
        "SELECT id FROM messaging_work WHERE state = 1 /* every tenant: sweep */",
        "SELECT id FROM accounts_apikey WHERE prefix = 'a'",
        "SAVEPOINT s1",
    ],
)
def test_sql_that_names_its_tenant_or_says_why_passes(statement: str) -> None:
    check_tenancy(statement)


def test_orm_without_tenant_is_refused(store: None) -> None:
    with pytest.raises(TenantForgotten):
        Channel.objects.count()


def test_orm_with_tenant_passes(tenant) -> None:
    assert Conversation.objects.filter(tenant_id=tenant.id).count() == 0


async def test_threads_of_the_bridge_are_watched_too(db) -> None:
    with pytest.raises(TenantForgotten):
        await db(Channel.objects.count)


def test_each_connection_is_watched_once_after_a_reconnect(store: None) -> None:
    connection.ensure_connection()
    connections["default"].close()
    connection.ensure_connection()
    assert len(connection.execute_wrappers) == 1


@pytest.mark.parametrize("_round", [1, 2])
def test_a_store_is_empty_whatever_was_there_before(channel, _round: int) -> None:
    assert Channel.objects.filter(tenant_id=channel.tenant_id).count() == 1


def test_examples_are_fixed_unless_a_seed_asks_for_others(pytestconfig: pytest.Config) -> None:
    by_seed = pytestconfig.getoption("hypothesis_seed") is not None
    assert settings.default.derandomize is not by_seed
    assert settings.default.database is None
