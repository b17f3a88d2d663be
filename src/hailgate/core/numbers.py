"""Spellings of one telephone number: what a country's numbering plan proves, and what may only be suspected.

WhatsApp kept the spelling that a number had when its account was made, so that one person may be called by two numbers.
In a range that is listed here both spellings are one line, and so one person. Elsewhere another spelling is a question
for somebody who knows, never an answer.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple


class Rule(NamedTuple):
    """Numbers that ``pattern`` matches whole have another spelling. ``source`` is who says that it is the same line."""

    pattern: re.Pattern[str]
    respell: str
    source: str


def _rules(source: str, *spellings: tuple[str, str]) -> tuple[Rule, ...]:
    return tuple(Rule(re.compile(pattern), respell, source) for pattern, respell in spellings)


# Mobile numbers got a 9 in front of their eight digits, area by area, from 2012 to 2016. Those eight began with 6 to 9;
# what begins with 2 to 5 is a fixed line, and the mobile number with a 9 before it is another line. Trunked radio (70
# and 77 to 79) kept eight digits. No area has the codes that are left out.
_AREA = r"([14689][1-9]|2[12478]|3[1-578]|5[13-5]|7[13-579])"
_MOBILE = r"((?:[689]\d|7[1-6])\d{6})"
_BRAZIL = _rules(
    "Anatel, Resolução nº 553/2010 (SMP, nono dígito), complete since 2016-11-06",
    (rf"55{_AREA}9{_MOBILE}", r"55\1\2"),
    (rf"55{_AREA}{_MOBILE}", r"55\g<1>9\2"),
)
# The 1 before mobile numbers that are called from abroad is gone since 2019-08-03.
_MEXICO = _rules(
    "IFT, Plan Técnico Fundamental de Numeración (DOF 2018-05-11), in force since 2019-08-03",
    (r"521([2-9]\d{9})", r"52\1"),
    (r"52([2-9]\d{9})", r"521\1"),
)
# From abroad a 9 stands before mobile numbers; area and subscriber are ten digits that one line has.
_ARGENTINA = _rules(
    "Secretaría de Comunicaciones, Resolución 46/1997 (Plan Fundamental de Numeración Nacional)",
    (r"549((?:11|[23]\d)\d{8})", r"54\1"),
    (r"54((?:11|[23]\d)\d{8})", r"549\1"),
)
PROVEN: Final = (*_BRAZIL, *_MEXICO, *_ARGENTINA)

# Spellings that people and providers are known to use for one line, where another line may have the other one.
_SUSPECTED: Final = (
    *_rules(
        "Brazil outside the ranges above",
        (r"55(\d\d)9(\d{8})", r"55\1\2"),
        (r"55(\d\d)(\d{8})", r"55\g<1>9\2"),
    ),
    *_rules("Mexico outside the ranges above", (r"521(\d{10})", r"52\1"), (r"52(\d{10})", r"521\1")),
    *_rules("Argentina outside the ranges above", (r"549(\d{10})", r"54\1"), (r"54(\d{10})", r"549\1")),
    *_rules("Argentina, mobile numbers as they are dialled at home", (r"54(11|\d{3})15(\d{6,8})", r"549\1\2")),
    *_rules(
        "Benin since 2024-11-30: 01 before what was there",
        (r"22901(\d{8})", r"229\1"),
        (r"229(\d{8})", r"22901\1"),
    ),
    *_rules("Côte d'Ivoire since 2021-01-31: 01, 05 or 07 before what was there", (r"2250[157](\d{8})", r"225\1")),
    *_rules(
        "a trunk 0 left in after the country code",
        (r"(2[07]|3[0-469]|4[013-9]|6[0-6]|9[0-58])0(\d{7,10})", r"\1\2"),
    ),
)  # fmt: skip


def proven_spellings(number: str) -> frozenset[str]:
    """What else is surely the line of ``number``, in digits without a plus sign."""
    return frozenset(_respelt(number, PROVEN))


def suspected_spellings(number: str) -> frozenset[str]:
    """What else may be the line of ``number``, and is not proven to be."""
    return frozenset(_respelt(number, _SUSPECTED)) - proven_spellings(number) - {number}


def source_of(one: str, other: str) -> str | None:
    """Who says that these two are one line; None where nobody does."""
    return next((rule.source for rule in PROVEN if other in _respelt(one, (rule,))), None)


def _respelt(number: str, rules: tuple[Rule, ...]) -> Iterator[str]:
    for rule in rules:
        if found := rule.pattern.fullmatch(number):
            yield found.expand(rule.respell)
