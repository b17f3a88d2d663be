"""The wall clock jumps by hours and days, under everything that runs."""

import asyncio
import time
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from .case import Case
from .ledgers import TOKEN
from .load import Load
from .processes import Process
from .proxy import Proxy
from .registry import POSTGRESQL, scenario

HOUR_S, DAY_S = 3600, 86_400
JUMPS_S = (HOUR_S, -HOUR_S, 3 * DAY_S, -3 * DAY_S)
RATE = 30.0
CALM_S = (1.0, 2.5)
# Every sixth send is told to wait this long; a knock before that is an early retry.
RETRY_AFTER_S = 3
# The pair is too fast, says the provider: so this message waits, and not the whole channel.
TOO_FAST = {"retry_after": RETRY_AFTER_S, "code": 131056}
THROTTLED = {"match": {"operation": "send", "share": 0.15}, "do": "throttle", "value": TOO_FAST}
EARLY_S = 0.1
# No second sees more knocks than this many times what the load asks for.
STORM = 4.0


class Knocks:
    """When each message knocked at the provider's door, by the monotonic clock of the harness."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)

    def __call__(self, request: bytes) -> None:
        for token in TOKEN.findall(request.decode("latin-1")):
            self.times[token].append(time.monotonic())

    def count_early(self) -> int:
        gaps = (later - earlier for each in self.times.values() for earlier, later in pairwise(each))
        return sum(gap < RETRY_AFTER_S - EARLY_S for gap in gaps)

    def most_in_a_second(self) -> int:
        return max(Counter(int(moment) for each in self.times.values() for moment in each).values(), default=0)


class WallClock:
    """libfaketime reads how far it is off from a file, again and again; the monotonic clock stays as it is."""

    def __init__(self, library: Path, folder: Path) -> None:
        self._file = folder / "clock"
        self.jump(0)
        self.settings: dict[str, Any] = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "0",
        }

    def jump(self, seconds: int) -> None:
        """To so many seconds from the true time."""
        draft = self._file.with_suffix(".draft")
        draft.write_text(f"{seconds:+d}", encoding="ascii")
        draft.replace(self._file)


# On SQLite a web process under libfaketime was seen not to answer, also between jumps: why is not known yet.
@scenario("R17", POSTGRESQL, alone=True)
async def the_wall_clock_jumps(case: Case) -> None:
    """The wall clock of web and worker processes jumps an hour or three days, forth and back, while messages flow.

    Nothing is lost or doubled, no retry comes before its time, and no jump lets loose what waits.
    """
    library = find_libfaketime()
    if library is None:
        case.skip("libfaketime is not installed: `make services` installs it")
        return
    clock, knocks = WallClock(library, case.stand.folder), Knocks()
    async with Proxy(("127.0.0.1", case.stand.blueprint.simulator_port), watch=knocks) as wire:
        await case.stand.point_channels_at(wire.url, case.stand.blueprint.places)
        await case.stand.serve("--no-work", **clock.settings)
        workers = [await case.stand.work(f"worker-{number}", **clock.settings) for number in (1, 2)]
        await case.stand.simulator.put_faults(THROTTLED)
        shown = 0
        async with Load(case.client, case.dice, rate=RATE):
            for number in range(case.times(40, at_least=len(JUMPS_S))):
                away = JUMPS_S[number % len(JUMPS_S)]
                clock.jump(away)
                case.fault()
                await asyncio.sleep(case.dice.uniform(*CALM_S))
                shown += shows(workers[0], away)
        clock.jump(0)
        await case.stand.simulator.put_faults()
        verdict = await case.conclude()
        await case.expect_evidence()
    early, most = knocks.count_early(), knocks.most_in_a_second()
    retried = sum(len(each) > 1 for each in knocks.times.values())
    case.note(jumps_seen=shown, retried=retried, early_retries=early, most_knocks_in_a_second=most)
    case.expect(shown > 0 and retried > 0, "no process saw a jump, or nothing was retried: nothing was shown")
    case.expect(not early, f"{early} retries came before their time")
    case.expect(most <= STORM * RATE, f"{most} knocks in one second at {RATE:.0f} messages a second")
    case.expect(not verdict.failed + verdict.unknown, "a clock made messages fail or unknown")


def find_libfaketime() -> Path | None:
    """The threaded one: Debian keeps it apart from the usual libraries."""
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


def shows(worker: Process, away: int) -> bool:
    """Whether a worker lives in that time: so say the moments of its own log."""
    hour = time.strftime('"time":"%Y-%m-%dT%H', time.gmtime(time.time() + away))
    return hour in worker.log.read_text(encoding="utf-8")
