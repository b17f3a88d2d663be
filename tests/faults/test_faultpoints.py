"""Fault points: armed by the environment alone, and nothing at all otherwise."""

import os
import signal
import subprocess
import sys

import pytest

from hailgate.pipeline.faultpoints import POINTS, faultpoint, parse_armed

PASS_THRICE = """
from hailgate.pipeline.faultpoints import faultpoint
for number in (1, 2, 3):
    faultpoint("before_first_byte")
    print(number, flush=True)
"""


@pytest.mark.parametrize(
    ("text", "armed"),
    [
        ("", {}),
        ("before_first_byte", {"before_first_byte": 1}),
        ("before_first_byte:7", {"before_first_byte": 7}),
        (" after_intent_commit:2, after_provider_answer ", {"after_intent_commit": 2, "after_provider_answer": 1}),
    ],
)
def test_points_are_armed_by_name_and_passing(text, armed):
    assert parse_armed(text) == armed


@pytest.mark.parametrize("text", ["before_lunch", "before_first_byte:soon"])
def test_a_point_that_does_not_exist_or_a_passing_that_is_no_number_is_refused(text):
    with pytest.raises(ValueError):
        parse_armed(text)


def test_nothing_is_armed_here():
    for point in POINTS:
        faultpoint(point)


@pytest.mark.parametrize(
    ("armed", "passed", "ending"),
    [
        ("", ["1", "2", "3"], 0),
        ("before_first_byte:2", ["1"], -signal.SIGKILL),
        ("before_outcome_commit", ["1", "2", "3"], 0),
    ],
)
def test_the_armed_passing_ends_the_process_at_once(armed, passed, ending):
    environment = {**os.environ, "HAILGATE_FAULTPOINTS": armed}
    ran = subprocess.run(
        [sys.executable, "-c", PASS_THRICE], env=environment, capture_output=True, text=True, check=False, timeout=30
    )
    assert (ran.stdout.split(), ran.returncode) == (passed, ending)


SWALLOW = """
import sys
from hailgate.pipeline.faultpoints import crash_on
crash_on("turn", "harmless")
crash_on("turn", b"\\xff harmless")
crash_on("webhook", sys.argv[1].encode())
crash_on("turn", sys.argv[1])
print("alive")
"""


@pytest.mark.parametrize(
    ("mark", "content", "ending"),
    [
        ("", "-turn", 0),
        ("deadly", "this is deadly-turn", -signal.SIGKILL),
        ("deadly", "this is deadly-webhook", -signal.SIGKILL),
        ("deadly", "this is deadly-delivery and deadly", 0),
    ],
)
def test_content_kills_only_with_the_armed_mark_and_where_it_is_meant_to(mark, content, ending):
    environment = {**os.environ, "HAILGATE_POISON": mark}
    ran = subprocess.run(
        [sys.executable, "-c", SWALLOW, content], env=environment, capture_output=True, check=False, timeout=30
    )
    assert ran.returncode == ending, ran.stderr
