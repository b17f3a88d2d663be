"""Likeness: whether a message that a provider lists or echoes may be one of ours, by what it holds. Pure.

A place is told by its coordinates and a card by its numbers: names are what each server makes of them.
"""

from collections.abc import Iterable
from typing import Final

from hailgate.core.content.inbound import ReceivedCard, ReceivedPlace
from hailgate.core.content.parts import Card, Place

NEAR: Final = 1e-4
# What numbers have in common however they are written: with their country or as at home.
LAST_DIGITS: Final = 8


def same_place(ours: Place | ReceivedPlace, theirs: ReceivedPlace) -> bool:
    return max(abs(ours.latitude - theirs.latitude), abs(ours.longitude - theirs.longitude)) < NEAR


def same_cards(ours: Iterable[Card | ReceivedCard], theirs: Iterable[ReceivedCard]) -> bool:
    """A server may leave out some of a card's numbers, and adds none."""
    told = _numbers(theirs)
    return bool(told) and told <= _numbers(ours)


def _numbers(cards: Iterable[Card | ReceivedCard]) -> set[str]:
    written = (told for card in cards for phone in card.phones for told in (phone.wa_id, phone.phone) if told)
    digits = ("".join(letter for letter in told if letter.isascii() and letter.isdigit()) for told in written)
    return {each[-LAST_DIGITS:] for each in digits if each}
