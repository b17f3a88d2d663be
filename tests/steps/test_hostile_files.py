"""200 hostile files that people send: all are kept, whatever they hold, and only ever saved."""

from collections import Counter
from typing import Any

import pytest

from faults.stand import gather_all
from faults.stores import postgresql_answers
from hostile_files import check_inert, hostile_files

from .talk import Talk, talking, wait_for

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

KINDS = ("document", "image", "sticker", "video", "audio")
AT_ONCE = 8
# What its provider says of a file is a lie, or no type at all.
TOLD = ("image/jpeg", "text/html", "application/pdf", "image/svg+xml", "nonsense")


async def test_what_people_send_is_never_served_inline(pytestconfig, tmp_path, capsys) -> None:
    kind = pytestconfig.getoption("--database")
    if kind == "postgresql" and not await postgresql_answers():
        pytest.skip("PostgreSQL does not answer")
    files = [(name, content) for name, content in hostile_files() if content][:200]
    assert len(files) == 200
    async with talking(kind, tmp_path) as talk:
        sent: dict[str, bytes] = {}
        for start in range(0, len(files), AT_ONCE):
            batch = range(start, min(start + AT_ONCE, len(files)))
            ids = await gather_all(*(throw(talk, number, *files[number]) for number in batch))
            sent |= {provider_id: files[number][1] for provider_id, number in zip(ids, batch, strict=True)}
        messages = await wait_for(lambda: all_settled(talk, len(files)), "an end of every file", every=0.5)
        ends = Counter([await judge(talk, message, sent[message["provider_id"]]) for message in messages])
    with capsys.disabled():
        print(f"\n{len(messages)} hostile files received:", ", ".join(f"{ends[end]} {end}" for end in sorted(ends)))
    assert ends == {"served as something to save": 200}


async def throw(talk: Talk, number: int, name: str, content: bytes) -> str:
    """The provider's id of the message that carries it."""
    file_id = await talk.ana.put_file(content, TOLD[number % len(TOLD)], name)
    kind = KINDS[number % len(KINDS)]
    more = {"filename": name} if kind == "document" and name else {}
    return await talk.ana.write({"type": kind, kind: {"id": file_id, **more}})


async def all_settled(talk: Talk, count: int) -> list[dict[str, Any]] | None:
    messages = await talk.business.messages()
    awaited = any(message["attachment"]["state"] == "awaited" for message in messages)
    return None if awaited or len(messages) < count else messages


async def judge(talk: Talk, message: dict[str, Any], content: bytes) -> str:
    attachment = message["attachment"]
    if attachment["state"] == "failed":
        return f"refused: {attachment['code']}"
    headers, body = await talk.business.download(attachment["id"])
    assert body == content
    check_inert(headers)
    return "served as something to save"
