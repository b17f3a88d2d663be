"""Files that people send, while their provider does not give them out."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from hailgate.providers import get_provider

from .blueprint import Blueprint, Place, person
from .case import Case, batches
from .meta import webhook
from .registry import EVERY, scenario
from .stand import gather_all

SENDERS_AT_ONCE = 8
REPEATS = 3
STORED_WITHIN_S = 60.0
FETCHED_WITHIN_S = 600.0  # the pauses have grown while nothing was to be had
LOOK_S = 0.5
# Every way in which a download ends without its file, each for a share of them.
BROKEN: tuple[Mapping[str, Any], ...] = (
    {"match": {"operation": "download", "share": 0.4}, "do": "error"},
    {"match": {"operation": "download", "share": 0.5}, "do": "reset_before_read"},
    {"match": {"operation": "download"}, "do": "error", "value": {"status": 500}},
)
TOLD_AGAIN: Mapping[str, Any] = {"match": {"operation": "inbound"}, "do": "duplicate_inbound", "value": REPEATS + 1}
# Of a server that otherwise puts each file into its webhook: then nothing is left to fetch.
FILES_APART: Mapping[str, Mapping[str, str]] = {"wppconnect": {"auto_download": "false"}}


class Sent(NamedTuple):
    """A person's message with a file, by the provider's ids of both."""

    place: Place
    phone: str
    message_id: str
    file_id: str
    content: bytes


@scenario("R39", limit_s=7_200, providers=EVERY)
async def files_cannot_be_fetched_for_a_while(case: Case) -> None:
    """Every download fails while people send files, their webhooks are repeated and the server is killed.

    Each message stands at once and once; each file follows by itself when the provider is well, whole and once.
    """
    stand = case.stand
    stand.environment |= {"HAILGATE_RETRY_BASE_S": "0.5"}
    if apart := FILES_APART.get(stand.blueprint.provider):
        places = (*stand.blueprint.places, stand.blueprint.assistant)
        terms = [stand.blueprint.terms(place, stand.web) for place in places]
        await stand.simulator.put_channels(
            [{**each, "credentials": {**each["credentials"], **apart}} for each in terms]
        )
    whole = await stand.serve()
    await stand.simulator.put_faults(*BROKEN, TOLD_AGAIN)
    sent: list[Sent] = []
    for numbers in batches(range(case.times(1000, at_least=30)), SENDERS_AT_ONCE):
        sent += await gather_all(*(send_file(case, number) for number in numbers))
        case.fault(len(numbers))
    if not get_provider(stand.blueprint.provider).capabilities.repeats_webhooks:
        await wait_for_messages(case, sent)  # what is posted to a server that is down is not posted again
    await case.kill(whole)
    await whole.start()
    await whole.ready()
    await wait_for_messages(case, sent)
    for few in batches(sent if stand.blueprint.provider == "cloud" else [], SENDERS_AT_ONCE):
        await gather_all(*(repeat(case, each) for each in few))
    early = Counter(message["attachment"]["state"] for message in await received(case))
    case.expect(not early["stored"], f"{early['stored']} files came while every download failed")
    await stand.simulator.put_faults()
    begun = time.monotonic()
    messages = await wait_for_files(case, len(sent))
    took = time.monotonic() - begun
    await expect_whole(case, sent, messages)
    case.note(files=len(sent), before=dict(early), all_fetched_after_s=round(took, 1))


async def send_file(case: Case, number: int) -> Sent:
    place, phone = Blueprint.places[number % len(Blueprint.places)], person(5000 + number % 40)
    content = f"the file of message {number}\n".encode() * 50
    simulator = case.stand.simulator
    file_id = await simulator.put_file(phone, content, "text/plain")
    message_id = await simulator.send(phone, place.number, {"type": "document", "document": {"id": file_id}})
    return Sent(place, phone, message_id, file_id, content)


async def repeat(case: Case, sent: Sent) -> None:
    """Meta tells of the message again after the kill: what was seen before is no reason not to fetch its file."""
    told = {"from": sent.phone, "id": sent.message_id, "timestamp": str(int(time.time())), "type": "document"}
    people = [{"profile": {"name": "Ada"}, "wa_id": sent.phone}]
    body = webhook(sent.place, contacts=people, messages=[{**told, "document": {"id": sent.file_id}}])
    for _ in range(REPEATS):
        status = await case.stand.post_webhook(body)
        case.expect(status == 200, f"a webhook was answered with {status}")


async def wait_for_messages(case: Case, sent: list[Sent]) -> None:
    deadline, wanted = time.monotonic() + STORED_WITHIN_S, {each.message_id for each in sent}
    while missing := wanted - {message["provider_id"] for message in await received(case)}:
        if time.monotonic() > deadline:
            case.expect(False, f"{len(missing)} messages were not stored without their files")
            return
        await asyncio.sleep(LOOK_S)


async def wait_for_files(case: Case, count: int) -> list[dict[str, Any]]:
    deadline = time.monotonic() + FETCHED_WITHIN_S
    while True:
        messages = await received(case)
        stored = sum(message["attachment"]["state"] == "stored" for message in messages)
        if stored >= count or time.monotonic() > deadline:
            return messages
        await asyncio.sleep(LOOK_S)


async def received(case: Case) -> list[dict[str, Any]]:
    """What stands in the conversations, with a file."""
    return [
        message
        async for conversation in case.stand.pages("/v1/conversations")
        async for message in case.stand.pages(f"/v1/conversations/{conversation['id']}/messages")
        if message["attachment"]
    ]


async def expect_whole(case: Case, sent: list[Sent], messages: list[dict[str, Any]]) -> None:
    states = Counter(message["attachment"]["state"] for message in messages)
    case.expect(states == {"stored": len(sent)}, f"files ended as {dict(states)}")
    counted = Counter(message["provider_id"] for message in messages)
    case.expect(set(counted.values()) <= {1}, "a message stands more than once")
    known = {message["provider_id"]: message["attachment"]["id"] for message in messages}
    for few in batches([each for each in sent if each.message_id in known], SENDERS_AT_ONCE):
        found = await gather_all(*(case.stand.download(known[each.message_id]) for each in few))
        spoilt = sum(content != each.content for each, content in zip(few, found, strict=True))
        case.expect(not spoilt, f"{spoilt} files are not what was sent")
