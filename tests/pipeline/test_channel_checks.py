"""A channel that was shut out is asked whether it can send, and goes on once it can."""

import pytest

from hailgate.core.errors import ChannelRefused
from hailgate.core.slots import open_room
from hailgate.messaging.channels.checks import FIRST_CHECK_S, claim_checks, enqueue_checks
from hailgate.messaging.store.sql import atomic_cursor
from hailgate.pipeline.channel_checks import ChannelChecks
from hailgate.pipeline.connections import Connections
from hailgate.providers.contract import ChannelHealth
from messaging.acting import change_channel, channel_row

pytestmark = pytest.mark.anyio

WELL = ChannelHealth(ok=True, detail="Fine.")
DEAF = ChannelHealth(ok=False, detail="Its webhook leads elsewhere.", sends=True)
ILL = ChannelHealth(ok=False, detail="The address answered 403.")


def shut_out(channel, clock):
    change_channel(channel, paused_at=clock.now, paused_reason=ChannelRefused.code)
    with atomic_cursor() as cursor:
        enqueue_checks(cursor, [(channel.tenant_id, channel.id)], clock.now)
    clock.forward(FIRST_CHECK_S)


@pytest.mark.parametrize(("health", "goes_on"), [(WELL, True), (DEAF, True), (ILL, False)])
async def test_it_goes_on_once_it_can_send_whatever_else_is_wrong_with_it(desk, clock, health, goes_on):
    await desk.db(shut_out, desk.channel, clock)
    (one,) = (await desk.db(claim_checks, desk.worker, open_room(10))).claims
    connections = Connections(desk.db, per_host=10, connect=5.0, total=20.0)
    desk.provider.health = health
    await ChannelChecks(desk.db, desk.worker, connections).check(one)
    await connections.close()
    row = await desk.db(channel_row, desk.channel)
    assert (row.paused_at is None) == goes_on
