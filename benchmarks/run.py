"""One run of the benchmark: its folder, its databases, its pace, and what comes of it."""

import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, Self

from benchmarks.product import Product
from benchmarks.stores import Postgresql, PostgresqlServer, Sqlite, Store, find_postgresql


class Pace(NamedTuple):
    """How long things are measured. ``part`` shrinks counts where it is below 1."""

    rounds: int
    seconds: float
    part: float
    large: bool

    def some(self, count: int) -> int:
        return max(1, round(count * self.part))


class Table(NamedTuple):
    """Rows for people: the first column names a contender."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


class Measured(NamedTuple):
    """``figures`` go by name into the results, ``table`` is printed, ``note`` says what it means."""

    figures: dict[str, float]
    table: Table
    note: str = ""


class Run:
    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.folder = Path(tempfile.mkdtemp(prefix="hailgate-bench-"))
        self.folder.chmod(0o755)  # PostgreSQL's own user has to reach its part of it
        self._numbers = count()
        self.server = PostgresqlServer(self.folder) if find_postgresql() else None

    def stores(self) -> list[Store]:
        """A new database of each kind that is here."""
        number = next(self._numbers)
        sqlite: list[Store] = [Sqlite(self.folder / f"{number}.db")]
        return [self.database(), *sqlite] if self.server else sqlite

    def database(self) -> Postgresql:
        if self.server is None:
            raise RuntimeError("no PostgreSQL server is installed")
        return self.server.database(f"bench_{next(self._numbers)}")

    def product(self, store: Store, api_url: str) -> Product:
        return Product(self.folder / f"home-{next(self._numbers)}", store, api_url)

    def there_and_back(self, contenders: Sequence[str]) -> Iterable[str]:
        """Each once a round, forwards and backwards in turn, so that a trend of the machine hits all alike."""
        for number in range(self.pace.rounds):
            yield from contenders if number % 2 == 0 else reversed(contenders)

    def say(self, what: str) -> None:
        print(f"  {what}", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.server:
            self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def middle(values: Iterable[float]) -> float:
    return float(median(values))
