"""A claim takes what there is room for: a channel at its cap is not looked at, and hides nobody."""

import pytest

from hailgate.core.slots import Pace, Room, Slots, open_room
from hailgate.messaging.channels.checks import claim_checks
from hailgate.messaging.inbound.turns import claim_turns
from hailgate.messaging.models import WorkState
from hailgate.messaging.outbound import claim as module
from hailgate.messaging.outbound.claim import claim_deliveries
from messaging.acting import add_number, apply, change_channel, channel_row, new_message, send, send_all, work, wrote


@pytest.fixture
def other(tenant, hook):
    number = add_number(tenant, hook, 8)
    change_channel(number, rate_interval=1e-4, rate_burst=100_000, pair_burst=0)
    return number


def flood(channel, count):
    return send_all(channel, [new_message(channel, to=place) for place in range(count)])


def room(limits, *, total=100, new=100, new_limit=100):
    left = dict.fromkeys(Pace, 100) | {Pace.NEW: new}
    return Room(total, total, left, {channel: (Pace.QUICK, limit) for channel, limit in limits.items()}, new_limit)


def channels_of(batch):
    counted = {}
    for claim in batch.claims:
        counted[claim.channel_id] = counted.get(claim.channel_id, 0) + 1
    return counted


def test_a_channel_gets_no_more_than_its_room(wide, other, worker):
    flood(wide, 20)
    flood(other, 20)
    assert channels_of(claim_deliveries(worker, room({wide.id: 3}))) == {wide.id: 3, other.id: 20}


def test_a_channel_at_its_cap_is_not_looked_at(wide, other, worker, clock):
    flood(wide, 20)
    before = channel_row(wide).claimed_at
    clock.forward(5)
    send(other)
    assert channels_of(claim_deliveries(worker, room({wide.id: 0}))) == {other.id: 1}
    assert channel_row(wide).claimed_at == before
    assert all(row.state == WorkState.READY for row in work(wide.tenant_id, channel_id=wide.id))


def test_those_without_room_hide_nobody_however_many_they_are(wide, other, worker, monkeypatch):
    """A claim looks at so many channels only, those first that were served longest ago."""
    monkeypatch.setattr(module, "CHANNELS_PER_CLAIM", 1)
    flood(wide, 5)
    send(other)
    change_channel(other, claimed_at=1e9)
    assert channels_of(claim_deliveries(worker, room({wide.id: 0}))) == {other.id: 1}


def test_without_room_for_new_ones_only_known_ones_are_looked_at(wide, other, worker, monkeypatch):
    monkeypatch.setattr(module, "CHANNELS_PER_CLAIM", 1)
    flood(wide, 5)
    send(other)
    change_channel(other, claimed_at=1e9)
    assert channels_of(claim_deliveries(worker, room({other.id: 9}, new=0))) == {other.id: 1}


def test_new_ones_share_what_there_is_for_all_of_them(wide, other, worker):
    flood(wide, 20)
    flood(other, 20)
    claimed = channels_of(claim_deliveries(worker, room({}, new=6, new_limit=4)))
    assert sorted(claimed.values()) == [2, 4]


def test_no_room_at_all_claims_nothing(wide, worker, clock):
    send(wide)
    assert claim_deliveries(worker, open_room(0)).claims == []


def test_turns_of_a_channel_at_its_cap_leave_the_others_theirs(answering, tenant, hook, worker):
    busy = add_number(tenant, hook, 9, answered_by="scripted")
    for person in range(5):
        apply(busy, wrote(busy, person))
    apply(answering, wrote(answering))
    few = room({busy.id: 2}, total=3)
    assert channels_of(claim_turns(worker, few)) == {busy.id: 2}
    assert channels_of(claim_turns(worker, room({busy.id: 0}))) == {answering.id: 1}
    assert claim_turns(worker, room({busy.id: 0})).claims == []


def test_what_a_slow_channel_leaves_is_found_by_whoever_asks_again(wide, other, worker, clock):
    """The whole of it, with the slots of a worker: the first few hang, and the other channel does not wait for them."""
    slots = Slots(64, 0.5)
    flood(wide, 50)
    for claim in claim_deliveries(worker, slots.room(0.0)).claims:
        slots.begin(claim.id, claim.channel_id, 0.0)
    assert 0 < len(slots.held) < 16
    send(other)
    for claim in claim_deliveries(worker, slots.room(5.0)).claims:
        slots.begin(claim.id, claim.channel_id, 5.0)
    assert channel_row(other).claimed_at == clock.now
    assert slots.free >= 64 - 2 * 16


def test_a_check_needs_room_too(worker):
    assert claim_checks(worker, open_room(0)).claims == []
