"""The cache in front of the store: fresh for seconds, bounded, and of use while the store is away."""

import asyncio

import pytest

from hailgate.core.cache import Cache
from hailgate.core.errors import StoreUnavailable

pytestmark = pytest.mark.anyio


class Shelf:
    """A store of one value that can be away, and counts how often it is asked. Its clock is turned by hand."""

    def __init__(self) -> None:
        self.value: str | None = "old"
        self.asked = 0
        self.now = 0.0
        self.away = False

    async def load(self, *_: object) -> str | None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailable
        return self.value

    def cache(self, size: int = 10) -> Cache[str]:
        return Cache(self.load, size=size, clock=lambda: self.now)


async def test_a_value_is_asked_for_once_in_five_seconds() -> None:
    shelf = Shelf()
    cache = shelf.cache()
    assert [await cache.get("k") for _ in range(3)] == ["old"] * 3
    shelf.now = 4.9
    await cache.get("k")
    assert shelf.asked == 1
    shelf.now, shelf.value = 5.1, "new"
    assert await cache.get("k") == "new"


async def test_absence_is_remembered_for_two_seconds() -> None:
    shelf = Shelf()
    shelf.value = None
    cache = shelf.cache()
    assert await cache.get("k") is None
    shelf.value = "made meanwhile"
    assert await cache.get("k") is None
    shelf.now = 2.1
    assert await cache.get("k") == "made meanwhile"


async def test_many_who_ask_at_once_cost_one_look_up() -> None:
    shelf = Shelf()
    cache = shelf.cache()
    assert await asyncio.gather(*(cache.get("k") for _ in range(50))) == ["old"] * 50
    assert shelf.asked == 1


async def test_an_old_value_serves_while_the_store_is_away() -> None:
    shelf = Shelf()
    cache = shelf.cache()
    await cache.get("k")
    shelf.now, shelf.away = 3_600.0, True
    assert await cache.get("k") == "old"
    assert await cache.get("k") == "old"
    assert shelf.asked == 2
    shelf.now, shelf.away, shelf.value = 3_601.1, False, "new"
    assert await cache.get("k") == "new"


async def test_what_the_store_said_a_day_ago_serves_no_more() -> None:
    """However often it was asked for meanwhile."""
    shelf = Shelf()
    cache = shelf.cache()
    await cache.get("k")
    shelf.away = True
    for hour in range(1, 25):
        shelf.now = hour * 3_600.0
        assert await cache.get("k") == "old"
    shelf.now += 10.0
    with pytest.raises(StoreUnavailable):
        await cache.get("k")


async def test_what_is_known_to_be_withdrawn_is_not_believed_while_the_store_is_away() -> None:
    shelf = Shelf()
    cache = shelf.cache()
    await cache.get("k")
    shelf.now, shelf.value = 6.0, None
    assert await cache.get("k") is None
    shelf.now, shelf.away = 10.0, True
    with pytest.raises(StoreUnavailable):
        await cache.get("k")


async def test_what_was_told_in_advance_serves_while_the_store_is_away_until_it_is_forgotten() -> None:
    shelf = Shelf()
    cache = shelf.cache()
    cache.put("k", "told")
    assert (await cache.get("k"), shelf.asked) == ("told", 0)
    shelf.now, shelf.away = 10.0, True
    assert await cache.get("k") == "told"
    cache.forget("k")
    cache.forget("k")
    with pytest.raises(StoreUnavailable):
        await cache.get("k")


async def test_what_was_never_known_cannot_be_served_while_the_store_is_away() -> None:
    shelf = Shelf()
    shelf.value = None
    cache = shelf.cache()
    await cache.get("absent")
    shelf.now, shelf.away = 10.0, True
    for key in ("absent", "never asked"):
        with pytest.raises(StoreUnavailable):
            await cache.get(key)


async def test_the_least_recently_used_goes_first() -> None:
    shelf = Shelf()
    cache = shelf.cache(size=2)
    for key in ("a", "b", "a", "c"):
        await cache.get(key)
    asked = shelf.asked
    await cache.get("a")
    assert shelf.asked == asked
    await cache.get("b")
    assert shelf.asked == asked + 1


async def test_one_who_leaves_does_not_end_the_look_up_of_others() -> None:
    shelf = Shelf()
    cache = shelf.cache()
    leaving = asyncio.create_task(cache.get("k"))
    staying = asyncio.create_task(cache.get("k"))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == "old"
