"""Many stories break no promise, no kind of fault is left out, and each story is the same every time it is told."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .dialects import DIALECTS
from .faults import WORST

# What a run of the suite has time for; `make simulate` tells thousands.
SEEDS = 400
PATIENCE_S = 10.0
ROOT = Path(__file__).parents[2]


def test_no_promise_is_broken(theatre):
    begun = time.monotonic()
    for seed in range(SEEDS):
        story = theatre.tell(seed)
        assert not story.broken, f"python -m tests.simulation --seed {seed} --trace"
        if time.monotonic() - begun > PATIENCE_S:
            break


@pytest.mark.parametrize("kind", WORST)
def test_a_fault_strikes_and_breaks_no_promise(theatre, kind):
    for seed in range(30):
        world = theatre.world(seed, [kind])
        assert not world.tell().broken
        if kind in world.faults.struck:
            return
    pytest.fail("it never struck")


def test_a_seed_draws_its_provider(theatre):
    assert {theatre.world(seed).dialect.provider for seed in range(30)} == set(DIALECTS)


@pytest.mark.parametrize("seed", [3, 14, 159])
def test_a_seed_is_the_same_story_each_time(theatre, seed):
    first = theatre.tell(seed)
    theatre.tell(seed + 1)
    assert theatre.tell(seed) == first


def test_a_seed_is_the_same_story_in_another_process(theatre):
    story = theatre.tell(26)
    told = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seed", "26", "--trace"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "26"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told.splitlines()[-1].endswith(story.digest)
    assert "committed work insert" in told


def test_different_seeds_are_different_stories(theatre):
    assert len({theatre.tell(seed).digest for seed in range(20)}) == 20
