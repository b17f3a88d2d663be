"""Providers, connected: once per version of a channel's credentials, over one transport per provider."""

import pytest

from hailgate.core.errors import NotFound
from hailgate.pipeline.connections import Connections
from messaging.acting import change_channel


@pytest.fixture
async def connections(db):
    connections = Connections(db, per_host=3, connect=1.5, total=2.5)
    yield connections
    await connections.close()


async def test_a_channel_is_connected_once(connections, desk):
    first = await connections.get(desk.channel.id, 1)
    assert await connections.get(desk.channel.id, 1) is first
    assert await connections.get(desk.channel.id) is first
    assert (first.name, first.provider) == ("fake", desk.provider)


async def test_a_new_version_is_connected_anew(connections, desk):
    first = await connections.get(desk.channel.id, 1)
    await desk.db(lambda: change_channel(desk.channel, version=2, marks_read=False))
    second = await connections.get(desk.channel.id, 2)
    assert (first.marks_read, second.marks_read) == (True, False)
    assert await connections.get(desk.channel.id) is second


async def test_channels_of_one_provider_share_their_transport(connections, desk, tenant):
    seen = []
    connect = desk.played.spec.connect

    def note(connection):
        seen.append(connection.transport)
        return connect(connection)

    object.__setattr__(desk.played.spec, "connect", note)
    other = await desk.db(lambda: desk.played.add_channel(tenant, "other", "15550100009"))
    for channel in (desk.channel, other):
        await connections.get(channel.id, 1)
    assert seen[0] is seen[1]


async def test_a_channel_that_is_not_there_is_not_found(connections):
    with pytest.raises(NotFound):
        await connections.get(987_654)


async def test_a_channel_that_could_not_be_read_is_read_again(connections, desk):
    from hailgate.core.errors import ConfigurationError
    from messaging.acting import channel_row

    config = (await desk.db(channel_row, desk.channel)).config
    await desk.db(lambda: change_channel(desk.channel, config="sealed:lost:gAAAA"))
    with pytest.raises(ConfigurationError):
        await connections.get(desk.channel.id, 1)
    await desk.db(lambda: change_channel(desk.channel, config=config))
    assert await connections.get(desk.channel.id, 1)
