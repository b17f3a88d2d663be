"""When figures are bad enough for an alarm."""

import re
from pathlib import Path

import pytest

from hailgate.core.alarms import Alarm, Growth, is_disk_low

MB, GB = 1024**2, 1024**3


@pytest.mark.parametrize(
    ("total", "free", "low"),
    [(100 * GB, 4 * GB, True), (100 * GB, 6 * GB, False), (2 * GB, 600 * MB, False), (2 * GB, 400 * MB, True),
     (4_000 * GB, 6 * GB, False), (4_000 * GB, 4 * GB, True), (10 * GB, 0, True)],
)  # fmt: skip
def test_a_disk_is_low_by_share_and_by_room(total: int, free: int, low: bool) -> None:
    assert is_disk_low(total, free) is low


def test_growth_is_counted_from_the_least_within_the_window() -> None:
    growth: Growth[str] = Growth(20, 900)
    assert growth.note({"a": 500}, 0) == set()  # what was there before is no news
    assert growth.note({"a": 519}, 60) == set()
    assert growth.note({"a": 520, "b": 30}, 120) == {"a"} | {"b"}
    assert growth.note({"a": 10, "b": 30}, 180) == {"b"}  # revived: nothing to worry about
    assert growth.note({"a": 31, "b": 30}, 240) == {"a"} | {"b"}
    assert growth.note({"a": 31, "b": 30}, 240 + 901) == set()


@pytest.mark.parametrize("alarm", Alarm)
def test_every_alarm_says_what_and_what_to_do_in_words_that_name_nobody(alarm: Alarm) -> None:
    assert alarm.sentence.endswith(".")
    assert alarm.advice.endswith(".")
    assert alarm.name.lower() == alarm.value
    assert not re.search(r"\d{5,}", alarm.sentence + alarm.advice)


def test_every_alarm_is_in_the_guide() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "how-to" / "monitor.md").read_text()
    assert {f"| `{alarm.value}` |" for alarm in Alarm if f"| `{alarm.value}` |" not in guide} == set()
