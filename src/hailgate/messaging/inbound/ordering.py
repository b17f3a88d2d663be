"""Order of what came in: where a provider posts each event on its own, some overtake others. Pure.

A chat's messages wait a moment, once, and are then put in order by the provider's time. Whatever comes later keeps the
place in which it arrived, and shows its own time.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple


class Dated(NamedTuple):
    """One message: the ``place`` of its webhook in the batch, when that came, whose chat, and the provider's time."""

    place: int
    received_at: float
    chat: tuple[int, str]
    at: float


def put_in_order(told: Sequence[Dated], settle_s: float, now: float) -> tuple[dict[int, int], frozenset[int]]:
    """What stands in whose place from now on, and the places of what still waits."""
    chats: dict[tuple[int, str], list[Dated]] = defaultdict(list)
    for each in told:
        chats[each.chat].append(each)
    moves: dict[int, int] = {}
    waiting: set[int] = set()
    for said in chats.values():
        places = [each.place for each in said]
        if now - min(each.received_at for each in said) < settle_s:
            waiting.update(places)
        else:
            moves |= dict(zip(places, (each.place for each in sorted(said, key=lambda one: one.at)), strict=True))
    return moves, frozenset(waiting)
