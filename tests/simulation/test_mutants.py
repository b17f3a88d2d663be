"""The simulation finds the bugs that are planted: a check of the checks."""

import pytest

from .mutants import MUTANTS, Mutant
from .theatre import Theatre

# The slowest to be found needs about fifty stories.
SEEDS = 200


def _found(theatre: Theatre, mutant: Mutant) -> tuple[int, str] | None:
    with mutant.planted():
        for seed in range(SEEDS):
            if broken := theatre.tell(seed, mutant.faults).broken:
                return seed, broken[0]
    return None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_is_found_by_the_promise_that_it_breaks(theatre, mutant):
    found = _found(theatre, mutant)
    assert found is not None
    seed, sentence = found
    assert sentence.startswith(tuple(mutant.broken))
    assert not theatre.tell(seed, mutant.faults).broken


def test_each_of_the_ten_is_planted():
    assert {mutant.number for mutant in MUTANTS} >= set(range(1, 11))
