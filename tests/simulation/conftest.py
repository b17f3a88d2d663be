from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .theatre import Theatre


@pytest.fixture(scope="module")  # not longer: while it is open, the whole process lives in simulated surroundings
def theatre() -> "Iterator[Theatre]":
    from hailgate.settings import ENV

    from .theatre import Theatre

    with Theatre.opened(ENV) as theatre:
        yield theatre
