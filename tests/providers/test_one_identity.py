"""One number is one person, however a caller or a provider writes it."""

from collections.abc import Callable, Sequence
from random import Random

from hailgate.core.address import Address, AddressKind, parse_address
from hailgate.providers.cloud.people import named
from hailgate.providers.jids import parse_jid
from hailgate.providers.twilio.webhook import parse_address as parse_twilio

PEOPLE = 1_000
# As people write, and as pages and address books do.
BETWEEN = ("", " ", "-", ".", "  ", " - ", "\u00a0", "\u202f", "\u2011", "\u2013", "\u200b")
BEFORE = ("", " ", "\u202a")
CALLING_CODES = ("1", "44", "49", "52", "54", "55", "91", "351", "1876")
# With fewer digits than their numbers have, bare digits are taken for a number of the country one is in.
LONG_NUMBERS = ("52", "54", "55")


def numbers() -> list[str]:
    dice = Random(1000)
    drawn: set[str] = set()
    while len(drawn) < PEOPLE:
        code = dice.choice(CALLING_CODES)
        pairs = 5 if code in LONG_NUMBERS else dice.choice((4, 5))
        rest = "".join(dice.choice("123456789") + dice.choice("0123456789") for _ in range(pairs))
        drawn.add(code + rest)
    return sorted(drawn)


def written_oddly(number: str, dice: Random) -> str:
    """With a plus, and anything that people write between digits; part of it in parentheses."""
    pieces, rest = [], number
    while rest:
        cut = dice.randint(1, 4)
        pieces.append(f"({rest[:cut]})" if pieces and dice.random() < 0.2 else rest[:cut])
        rest = rest[cut:]
    return f"{dice.choice(BEFORE)}+{dice.choice(BETWEEN).join(pieces)}{dice.choice(('', ' '))}"


def spellings(number: str, dice: Random) -> Sequence[tuple[Callable[[str], Address | None], str]]:
    callers = [(parse_address, written_oddly(number, dice)) for _ in range(5)]
    providers = [
        (parse_twilio, f"whatsapp:+{number}"), (parse_twilio, f"whatsapp:{number}"), (parse_twilio, f"+{number}"),
        (parse_jid, f"{number}@s.whatsapp.net"), (parse_jid, f"{number}@c.us"), (parse_jid, number),
        (parse_jid, f"{number}:{dice.randint(1, 99)}@s.whatsapp.net"),
        (lambda told: named(told)[0], number),
    ]  # fmt: skip
    return [*callers, (parse_address, number), (parse_address, f"+{number}"), *providers]


def test_a_thousand_numbers_written_in_odd_ways_are_one_identity_each() -> None:
    dice = Random(7)
    found = {number: {read(text) for read, text in spellings(number, dice)} for number in numbers()}
    ways = len(spellings("15550100042", dice))
    print(f"{len(found)} numbers in {ways} spellings each: {sum(map(len, found.values()))} identities")
    assert found == {number: {Address(AddressKind.PHONE, number)} for number in found}
    assert len(found) == PEOPLE
