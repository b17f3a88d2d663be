"""A provider that takes a message and then does not say so."""

import re
from random import Random

from .blueprint import Blueprint
from .case import Case
from .load import Load
from .proxy import Proxy
from .registry import scenario

RATE = 100.0
# Every fifth: with more, five in a row would open the breaker, which is for another day.
EVERY = 5
# A send that takes longer is given up; a message with an unknown outcome holds its conversation for three seconds.
SEND_TIMEOUT_S = 1.0
BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<h1>Sorry.</h1>"
STATUS_LINE = re.compile(rb"^HTTP/1\.1 200")
WITHHELD = {"do": "withhold_status"}


class Mishaps:
    """Spoils every fifth answer to a send: reset, nothing, 502, broken JSON or half an answer, by the dice."""

    kinds = ("reset", "nothing", "bad_gateway", "broken_json", "half")

    def __init__(self, dice: Random) -> None:
        self._dice = dice
        self._answers = 0
        self.done = dict.fromkeys(self.kinds, 0)

    def __call__(self, answer: bytes) -> bytes | None:
        if not STATUS_LINE.match(answer):
            return answer
        self._answers += 1
        if self._answers % EVERY:
            return answer
        kind = self._dice.choice(self.kinds)
        self.done[kind] += 1
        return self._spoil(kind, answer)

    def _spoil(self, kind: str, answer: bytes) -> bytes | None:
        head, _, body = answer.partition(b"\r\n\r\n")
        match kind:
            case "reset":
                return None
            case "nothing":
                return b""
            case "bad_gateway":
                return BAD_GATEWAY
            case "broken_json":
                return head + b"\r\n\r\n" + body[:-2].ljust(len(body))
            case _:
                return head + b"\r\n\r\n" + body[: len(body) // 2]


@scenario("R21")
async def the_provider_accepts_and_does_not_say_so(case: Case) -> None:
    """Accepted, then: a reset, silence, a 502, broken JSON, half an answer; and the same with its statuses withheld.

    Nothing is sent twice. With statuses every outcome is known in the end; without them each is listed for a person.
    """
    mishaps = Mishaps(case.dice)
    simulator = case.stand.blueprint.simulator_port
    async with Proxy(("127.0.0.1", simulator), mishaps) as proxy:
        await case.stand.point_channels_at(proxy.url, Blueprint.places)
        await case.stand.serve(HAILGATE_SEND_TIMEOUT_S=str(SEND_TIMEOUT_S))
        await send_until(case, mishaps, case.times(500))
        await case.settle()
        await case.expect_evidence()
        proven = sum(mishaps.done.values())
        await case.stand.simulator.put_faults(WITHHELD)
        await send_until(case, mishaps, proven + case.times(50, at_least=5))
        verdict = await case.conclude()
    withheld = sum(mishaps.done.values()) - proven
    listed = len(await case.unresolved())
    case.fault(sum(mishaps.done.values()))
    case.note(mishaps=mishaps.done, withheld=withheld, parked_and_listed=listed)
    case.expect(listed == withheld, f"{listed} of {withheld} outcomes without evidence are listed for a person")
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")


async def send_until(case: Case, mishaps: Mishaps, count: int) -> None:
    async with Load(case.client, case.dice, rate=RATE) as load:
        while sum(mishaps.done.values()) < count:
            await load.reaches(load.sent + 1)
