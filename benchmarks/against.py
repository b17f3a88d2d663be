"""python -m benchmarks.against COMMIT [--alternations 9] [--only sqlite] [--part 1.0] [--most 1.03]

What a message costs the processor, here and at another commit, in alternation: each round of one tree is followed by
the same round of the other, so that whatever else the machine does hits both alike. Each tree is measured by its own
benchmarks, with the packages that it locks itself.
"""

import argparse
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple, Self

import msgspec

from benchmarks.machine import ROOT
from benchmarks.report import show
from benchmarks.run import Measured, Table

ROUNDS: Final = ROOT / "benchmarks" / "peers" / "rounds.py"
RESAMPLED: Final = 4_000


class Compared(NamedTuple):
    """``ratio`` is the median of the ratios of each alternation; its true value lies between ``low`` and ``high``."""

    then: float
    now: float
    ratio: float
    low: float
    high: float


def compare(then: Sequence[float], now: Sequence[float]) -> Compared:
    """Pairs that were measured one after the other. The interval of 95 % is that of the percentile bootstrap."""
    ratios = [ours / theirs for theirs, ours in zip(then, now, strict=True)]
    low, high = interval(ratios)
    return Compared(median(then), median(now), median(ratios), low, high)


def interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Where the middle 95 % of the medians lie of samples drawn anew from ``ratios``."""
    draw = random.Random(0).choices
    medians = sorted(median(draw(ratios, k=len(ratios))) for _ in range(RESAMPLED))
    return medians[RESAMPLED * 25 // 1000], medians[RESAMPLED * 975 // 1000 - 1]


class Tree:
    """A checked-out commit whose products are up; ``with`` ends them."""

    def __init__(self, python: Path, folder: Path, part: float, only: str) -> None:
        rounds = ROUNDS.read_text(encoding="utf-8")
        self._process = subprocess.Popen(
            [python, "-c", rounds, str(part), only],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def contenders(self) -> list[str]:
        """Once they are up and warm."""
        return msgspec.json.decode(self._heard(), type=list[str])

    def spend(self, contender: str) -> float:
        """The microseconds of a message in one round."""
        self._process.stdin.write(f"{contender}\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._heard(), type=float)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()  # it ends its products when nobody asks any more
        self._process.wait()

    def _heard(self) -> str:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the rounds of one tree ended with {self._process.wait()}")
        return line


def alternate(
    then: Tree, now: Tree, contenders: Sequence[str], alternations: int
) -> Iterator[tuple[str, float, float]]:
    """Each contender of both trees, one after the other; who comes first changes every time."""
    for number in range(alternations):
        for contender in contenders:
            spent = {tree: tree.spend(contender) for tree in ((then, now) if number % 2 == 0 else (now, then))}
            print(f"  {number + 1}. {contender}: {spent[then]:.0f} µs, {spent[now]:.0f} now", file=sys.stderr)
            yield contender, spent[then], spent[now]


def measure(then: Path, options: argparse.Namespace) -> dict[str, Compared]:
    rounds: dict[str, list[tuple[float, float]]] = {}
    theirs = Tree(then / ".venv" / "bin" / "python", then, options.part, options.only)
    ours = Tree(Path(sys.executable), ROOT, options.part, options.only)
    with theirs, ours:
        known = set(theirs.contenders())
        both = [name for name in ours.contenders() if name in known]
        for contender, before, after in alternate(theirs, ours, both, options.alternations):
            rounds.setdefault(contender, []).append((before, after))
    return {contender: compare(*zip(*pairs, strict=True)) for contender, pairs in rounds.items()}


def table(compared: dict[str, Compared], commit: str) -> Measured:
    rows = [
        (name, each.then, each.now, f"{each.ratio:.3f}", f"{each.low:.3f} to {each.high:.3f}")
        for name, each in compared.items()
    ]
    return Measured({}, Table(f"Against {commit}", ("", "then µs", "now µs", "ratio", "95 %"), rows), NOTE)


NOTE = (
    "Microseconds of processor time of the product for each message (at the door: each webhook); medians. The ratio is "
    "the median of the alternations' ratios, its interval of 95 % a bootstrap of them."
)


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """In a folder of its own that is gone afterwards, set up as the commit itself does it."""
    with tempfile.TemporaryDirectory(prefix="hailgate-against-") as parent:
        folder = Path(parent) / "then"
        _run("git", "worktree", "add", "--quiet", "--detach", folder, commit, at=ROOT)
        try:
            _run("make", "setup", at=folder)
            yield folder
        finally:
            _run("git", "worktree", "remove", "--force", folder, at=ROOT)


def _run(*command: object, at: Path) -> None:
    subprocess.run(list(map(str, command)), cwd=at, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    options = _options()
    with ExitStack() as stack:
        given = Path(options.commit)
        then = given.resolve() if given.is_dir() else stack.enter_context(checked_out(options.commit))
        compared = measure(then, options)
    print(show(table(compared, options.commit)))
    if dearer := [name for name, each in compared.items() if options.most and each.ratio > options.most]:
        sys.exit(f"dearer than {options.most}: {', '.join(dearer)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.against", description="Processor time, in alternation.")
    parser.add_argument("commit", help="what to compare with; or the folder of a tree that is set up already")
    parser.add_argument("--alternations", type=int, default=9, help="rounds of each contender in each tree")
    parser.add_argument("--part", type=float, default=1.0, help="of the messages of a round")
    parser.add_argument("--only", default="", help="contenders whose name has this in it")
    parser.add_argument("--most", type=float, help="fail where a ratio is higher than this")
    return parser.parse_args()


if __name__ == "__main__":
    main()
