"""What waits to be put in order is looked at again when it has waited long enough, not with the next look round."""

import math
from collections import Counter
from types import SimpleNamespace

import pytest

from hailgate.messaging.inbound.echoes import release_held
from hailgate.messaging.inbound.ingest import Ingested, hooks_with_events
from hailgate.pipeline.ingesting import Ingesting, settles_in

SETTLE_S = 1.0


@pytest.mark.parametrize(
    ("ages", "wait"),
    [
        ((), math.inf),
        ((0.0,), 1.0),
        ((0.25, 0.75, 0.5), 0.25),
        ((1.0, 40.0), math.inf),  # they wait for something else
        ((40.0, 0.5), 0.5),
    ],
)
def test_the_oldest_that_waits_for_its_order_says_when(ages, wait) -> None:
    assert settles_in(ages, SETTLE_S) == wait


def test_where_nothing_overtakes_nothing_is_waited_for() -> None:
    assert settles_in((0.0, 0.5), 0.0) == math.inf


class Wakes:
    def __init__(self) -> None:
        self.waited: list[float] = []

    async def wait(self, _wake, at_most) -> None:
        self.waited.append(at_most)


class Inbound:
    """A hook whose one message is held, then taken."""

    def __init__(self) -> None:
        self.told = [Ingested(0, 0, Counter(), (SETTLE_S - 0.001,)), Ingested(0, 0, Counter())]

    async def ingest(self, _hook_id) -> Ingested:
        return self.told.pop(0) if self.told else Ingested(0, 0, Counter())

    async def hook(self, _hook_id):
        return SimpleNamespace(spec=SimpleNamespace(capabilities=SimpleNamespace(settle_s=SETTLE_S)))


@pytest.mark.anyio
async def test_what_was_held_is_released_when_it_has_settled() -> None:
    asked = []

    async def db(verb, *_):
        asked.append(verb)
        return [1] if verb is hooks_with_events else 0

    wakes = Wakes()
    loop = Ingesting(db, 1, wakes, Inbound())
    await loop.step()
    assert release_held not in asked
    assert 0 <= wakes.waited[0] <= 0.001
    while release_held not in asked:
        await loop.step()
    assert asked.count(release_held) == 1
    assert wakes.waited[-1] == math.inf
