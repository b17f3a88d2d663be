"""Tell many stories and exit with 1 if a promise was broken in any; or one of them, step by step."""

import os
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .theatre import Theatre
    from .world import Story

# So many objects are made before the collector looks for cycles: a story leaves few, and memory holds many.
MOST_UNSEEN = 100_000


def main() -> int:
    parser = ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first of them")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--trace", action="store_true", help="print its steps")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the seeds")
    asked = parser.parse_args()
    if asked.jobs > 1:
        return _tell_in_parallel(range(asked.first, asked.first + asked.seeds), asked.jobs)
    import gc

    with _theatre() as theatre:
        gc.freeze()
        gc.set_threshold(MOST_UNSEEN)
        if asked.seed is not None:
            return _tell_one(theatre, asked.seed, trace=asked.trace)
        return _tell_many(theatre, range(asked.first, asked.first + asked.seeds))


def _tell_in_parallel(seeds: range, jobs: int) -> int:
    share = -(-len(seeds) // jobs)
    shares = [seeds[start : start + share] for start in range(0, len(seeds), share)]
    command = [sys.executable, "-m", "tests.simulation"]
    running = [subprocess.Popen([*command, f"--from={each.start}", f"--seeds={len(each)}"]) for each in shares]
    failed = max(process.wait() for process in running)
    spent = os.times()
    each = (spent.children_user + spent.children_system) * 1000 / len(seeds)
    print(f"{len(seeds)} seeds together, {each:.1f} ms of CPU a seed (user and system, the start of each process too)")
    return failed


@contextmanager
def _theatre() -> Iterator["Theatre"]:
    with tempfile.TemporaryDirectory(prefix="hailgate-simulation-") as home:
        for name in [name for name in os.environ if name.startswith("HAILGATE_")]:
            del os.environ[name]
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "hailgate.settings",
            "HAILGATE_HOME": home,
            "HAILGATE_SECRET_KEYS": "test:c2VhbGVkIGJ5IHRlc3RzIGFuZCBub2JvZHkgZWxzZS4=",
            "HAILGATE_DATABASE_URL": "sqlite:///:memory:",
        }
        import django

        django.setup()
        from hailgate.settings import ENV

        from .theatre import Theatre

        with Theatre.opened(ENV) as theatre:
            yield theatre


def _tell_one(theatre: "Theatre", seed: int, *, trace: bool) -> int:
    world = theatre.world(seed)
    story = world.tell()
    if trace:
        print(f"faults: {world.faults.describe()}")
        for moment, process, what, facts in story.trace:
            for line in facts[0] if what == "committed" else [facts]:
                print(f"{moment:12.6f}  {process:12}  {what}", *line)
    _print_broken(story)
    print(f"seed {seed}: {story.steps} steps, {story.virtual_s:.0f} s of virtual time, trace {story.digest}")
    return 1 if story.broken else 0


def _tell_many(theatre: "Theatre", seeds: range) -> int:
    begun = time.process_time()
    failing = []
    for seed in seeds:
        story = theatre.tell(seed)
        if story.broken:
            failing.append(seed)
            _print_broken(story)
    each = (time.process_time() - begun) * 1000 / max(len(seeds), 1)
    print(f"{len(seeds)} seeds from {seeds.start}, {len(failing)} failing {failing[:20]}, {each:.1f} ms of CPU a seed")
    return 1 if failing else 0


def _print_broken(story: "Story") -> None:
    for sentence in story.broken:
        print(f"seed {story.seed}: {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
