"""A file of many megabytes inside a webhook's body: what it costs in memory, and whether anybody waits for it."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from random import Random

from .blueprint import Place, person
from .case import Case
from .latencies import p95
from .processes import Process
from .registry import scenario
from .stand import Stand

MEGABYTE = 1 << 20
SIZES_MB = (30, 100)
MORE_MEMORY_MB = 20.0
DELAY_S = 0.05
EVERY_S = 0.05
CALM_S = 4.0
STORED_WITHIN_S = 90.0
PIECE = 192 * 1024  # whole triples, so that each piece of base64 stands alone
LOOK_S = 0.25


@scenario("LARGE", alone=True, providers=("wppconnect",))
async def a_file_of_many_megabytes_lies_in_a_webhook(case: Case) -> None:
    """A webhook with a file of 30 MB in its body, then one of 100 MB, while people write to the other channels.

    The process that takes them needs 20 MB more at most, the file arrives whole, and the others' webhooks are answered
    within 50 ms of what they take otherwise (95 of 100).
    """
    web = await case.stand.serve("--no-work")
    worker = await case.stand.work("worker")
    idle = await knock_for(case, CALM_S)
    case.note(idle_p95_ms=round(p95(idle) * 1000, 1))
    for size in SIZES_MB:
        await one_file(case, size, web, worker, p95(idle))


async def one_file(case: Case, size_mb: int, web: Process, worker: Process, idle_s: float) -> None:
    before = {process.name: forget_peak(process) for process in (web, worker)}
    content = Random(size_mb).randbytes(size_mb * MEGABYTE)
    knocking = asyncio.create_task(knock_until_cancelled(case, waits := []))
    try:
        begun = time.monotonic()
        case.expect(await post_file(case, f"{size_mb}", content) == 200, f"{size_mb} MB were refused")
        taken_s = time.monotonic() - begun
        attachment = await wait_until_stored(case, f"{size_mb}")
    finally:
        knocking.cancel()
        with suppress(asyncio.CancelledError):
            await knocking
    grown = {name: round(peak_mb(process) - before[name], 1) for name, process in (("web", web), ("worker", worker))}
    delay_s = p95(waits) - idle_s
    case.fault()
    case.note(**{f"file_{size_mb}_mb": {
        "more_memory_mb": grown, "delay_p95_ms": round(delay_s * 1000, 1), "others": len(waits),
        "slowest_ms": round(max(waits, default=0.0) * 1000, 1), "taken_s": round(taken_s, 1),
    }})  # fmt: skip
    case.expect(await case.stand.download(attachment) == content, f"the file of {size_mb} MB is another")
    for name, more in grown.items():
        case.expect(more <= MORE_MEMORY_MB, f"{size_mb} MB made the {name} grow by {more} MB")
    case.expect(delay_s <= DELAY_S, f"webhooks beside {size_mb} MB took {delay_s * 1000:.0f} ms more")


# --- webhooks ---------------------------------------------------------------------------------------------------------


async def post_file(case: Case, name: str, content: bytes) -> int:
    """To the first channel; written piece by piece, so that the one who posts is not what is slow."""
    place = case.stand.blueprint.places[0]
    address = address_of(case.stand, place)
    async with case.stand.session.post(
        address, data=body_of(name, content), headers={"Content-Type": "application/json"}
    ) as answer:
        return answer.status


async def body_of(name: str, content: bytes) -> AsyncIterator[bytes]:
    told = {**message_of(f"large-{name}", person(900)), "type": "document", "mimetype": "application/octet-stream"}
    told |= {"filename": f"{name}.bin", "caption": name, "size": len(content), "body": "@"}
    head, tail = json.dumps(told).encode().split(b'"@"')
    yield head + b'"'
    for start in range(0, len(content), PIECE):
        yield base64.b64encode(content[start : start + PIECE])
    yield b'"' + tail


async def knock_for(case: Case, seconds: float) -> list[float]:
    waits: list[float] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await knock_until_cancelled(case, waits)
    return waits


async def knock_until_cancelled(case: Case, waits: list[float]) -> None:
    """Somebody writes to the other channels, again and again; how long each webhook took."""
    stand = case.stand
    number = len(waits)
    while True:
        number += 1
        place = stand.blueprint.places[1 + number % 3]
        body = {**message_of(f"small-{time.monotonic_ns()}", person(number % 50)), "type": "chat", "body": "Hello"}
        begun = time.monotonic()
        async with stand.session.post(address_of(stand, place), json=body) as answer:
            case.expect(answer.status == 200, f"a small webhook was answered {answer.status}")
        waits.append(time.monotonic() - begun)
        await asyncio.sleep(EVERY_S)


def message_of(name: str, phone: str) -> dict[str, object]:
    chat = f"{phone}@c.us"
    known = {"event": "onmessage", "session": "any", "id": f"false_{chat}_{name}", "from": chat, "chatId": chat}
    return {**known, "fromMe": False, "t": int(time.time()), "notifyName": "Ana"}


def address_of(stand: Stand, place: Place) -> str:
    return stand.web + stand.blueprint.hooks[place.name]["path"]


async def wait_until_stored(case: Case, caption: str) -> str:
    async with asyncio.timeout(STORED_WITHIN_S):
        while True:
            async for conversation in case.stand.pages("/v1/conversations"):
                async for message in case.stand.pages(f"/v1/conversations/{conversation['id']}/messages"):
                    file = message["attachment"]
                    if file and file["state"] == "stored" and (message["content"] or {}).get("caption") == caption:
                        return str(file["id"])
            await asyncio.sleep(LOOK_S)


# --- memory -----------------------------------------------------------------------------------------------------------


def forget_peak(process: Process) -> float:
    """What it holds now, in MB; from here on the kernel notes a new peak."""
    Path(f"/proc/{process.pid}/clear_refs").write_text("5", encoding="ascii")
    return read_mb(process, "VmRSS")


def peak_mb(process: Process) -> float:
    return read_mb(process, "VmHWM")


def read_mb(process: Process, name: str) -> float:
    lines = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024
