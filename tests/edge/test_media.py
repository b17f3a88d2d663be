"""Files in and out over HTTP: stored sealed, given back to those who may see them, and never shown as a page."""

import asyncio
import io
import random
import time
import wave
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

import aiohttp
import av
import pytest

from hailgate.accounts.keys import add_key, revoke_key
from hailgate.accounts.link_owner import Holder, HolderKind
from hailgate.accounts.models import Operator
from hailgate.accounts.operators import add_operator
from hailgate.core.media import LARGEST_FILE
from hailgate.edge.doors import media as door
from hailgate.messaging.files import attachments
from hailgate.messaging.files.storage import StoredFiles
from hailgate.messaging.models import Attachment
from hailgate.messaging.store.sql import use_clock
from hailgate.settings import ENV
from hostile_files import HTML, JPEG, PNG, bombs, check_inert, hostile_files

pytestmark = pytest.mark.anyio

NOBODYS = "6f1c1b3e-0000-4000-8000-000000000000"


async def upload(site, key: str, content: bytes, name: str = "photo.jpg"):
    headers = {"Content-Type": "application/octet-stream"}
    if name:
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, errors='surrogatepass')}"
    return await site.ask("POST", "/v1/media", data=io.BytesIO(content), key=key, headers=headers)


def files_on_disk() -> list[Path]:
    return [path for path in (ENV.home / "media").rglob("*") if path.is_file()]


async def test_a_file_comes_back_as_it_was(site, key) -> None:
    answer = await upload(site, key, PNG, "Rx 1.png")
    assert answer.status == 201
    told = answer.json
    assert UUID(told["id"]).version == 7
    assert (told["kind"], told["type"], told["size"], told["name"]) == ("image", "image/png", len(PNG), "Rx 1.png")

    file = await site.get(f"/v1/media/{told['id']}", key=key)
    assert (file.status, file.body) == (200, PNG)
    assert file.headers["Content-Type"] == "image/png"
    assert file.headers["Content-Length"] == str(len(PNG))


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename=\"a.png\"; filename*=UTF-8''%C3%BC.png", "ü.png"),
        ('attachment; filename="Müller.png"', "Müller.png"),
        ('attachment; filename="C:\\Users\\ada\\x.png"', "C:\\Users\\ada\\x.png"),
        ('attachment; filename="invoice.pdf"', "invoice.png"),
    ],
)
async def test_the_name_of_a_file_is_read_as_it_was_meant(site, key, header: str, name: str) -> None:
    raw = {"Content-Disposition": header, "Content-Type": "application/octet-stream"}
    told = await site.ask("POST", "/v1/media", data=io.BytesIO(PNG), key=key, headers=raw)
    assert told.json["name"] == name


async def test_a_nameless_file_is_saved_under_the_ending_of_its_type(site, key) -> None:
    told = (await upload(site, key, PNG, "")).json
    file = await site.get(f"/v1/media/{told['id']}", key=key)
    assert 'filename="file.png"' in file.headers["Content-Disposition"]


async def test_a_large_file_streams_in_many_pieces(site, key) -> None:
    content = bytes(range(256)) * 12_000  # 3 MB, 47 pieces
    told = (await upload(site, key, content, "")).json
    assert (told["kind"], told["type"], told["name"]) == ("document", "application/octet-stream", "")
    assert (await site.get(f"/v1/media/{told['id']}", key=key)).body == content


async def test_few_pieces_are_prepared_at_once_however_many_fetch(site, key, monkeypatch) -> None:
    content = bytes(range(256)) * 2_000  # 8 pieces
    told = (await upload(site, key, content, "")).json
    read, under_way, most = StoredFiles.read, 0, 0

    async def counted(self, file, key):
        nonlocal under_way, most
        chunks = read(self, file, key)
        yield await anext(chunks)
        while True:
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.001)
            chunk = await anext(chunks, None)
            under_way -= 1
            if chunk is None:
                return
            yield chunk

    monkeypatch.setattr(StoredFiles, "read", counted)
    fetched = await asyncio.gather(*(site.get(f"/v1/media/{told['id']}", key=key) for _ in range(40)))
    assert {file.body for file in fetched} == {content}
    assert most == door.PIECES_AT_ONCE


async def test_nothing_of_a_file_lies_on_disk_in_plain(site, key) -> None:
    secret = b"The result of the test is positive. " * 4000
    before = set(files_on_disk())
    told = (await upload(site, key, secret, "result of Ada.txt")).json
    (path,) = set(files_on_disk()) - before
    stored = path.read_bytes()
    assert b"positive" not in stored
    assert len(stored) > len(secret)
    assert told["id"] not in str(path)
    assert "Ada" not in str(path)


async def test_the_type_is_the_contents_whatever_the_caller_says(site, key) -> None:
    answer = await site.post("/v1/media", HTML, key=key, headers={"Content-Type": "image/png"})
    assert answer.json["type"] == "text/plain"


@pytest.mark.parametrize("path", ["/v1/media/{}", "/v1/media/{}/link"])
async def test_a_file_is_there_for_its_own_tenant_alone(site, key, stranger_key, path: str) -> None:
    told = (await upload(site, key, PNG)).json
    method = "POST" if path.endswith("link") else "GET"
    assert (await site.ask(method, path.format(told["id"]))).code == "unauthenticated"
    for uid in (told["id"], NOBODYS, "nonsense"):
        assert (await site.ask(method, path.format(uid), key=stranger_key)).code == "not_found"


async def test_a_link_works_without_a_key_for_five_minutes(site, key) -> None:
    told = (await upload(site, key, PNG)).json
    link = (await site.post(f"/v1/media/{told['id']}/link", {}, key=key)).json
    assert (await site.get(link["url"])).body == PNG
    use_clock(lambda: time.time() + attachments.LINK_S + 1)
    assert (await site.get(link["url"])).code == "not_found"
    use_clock(lambda: time.time() - attachments.LINK_S)  # a clock set back makes no link live longer
    assert (await site.get(link["url"])).code == "not_found"


async def test_a_link_that_was_changed_is_none(site, key) -> None:
    mine = (await upload(site, key, PNG)).json
    other = (await upload(site, key, JPEG)).json
    link = (await site.post(f"/v1/media/{mine['id']}/link", {}, key=key)).json["url"]
    uid, expires, holder, signature = link.removeprefix("/media/").split(".")
    for forged in (
        f"{UUID(other['id']).hex}.{expires}.{holder}.{signature}",
        f"{uid}.{int(expires) + 60}.{holder}.{signature}",
        f"{uid}.{expires}.{holder}.{'0' * len(signature)}",
        f"{uid}.{expires}.key-1{signature}",
        f"{uid}.{expires}.{signature}",
        f"{uid}.{expires}.{holder}.",
        f"{uid}.{expires}.{holder}",
        "nonsense",
        "ü.1.ü",
    ):
        assert (await site.get(f"/media/{quote(forged)}")).code == "not_found"


async def test_a_link_ends_with_the_key_that_made_it(site, key, tenant, db) -> None:
    told = (await upload(site, key, PNG)).json
    other = await db(add_key, tenant.id, "another")
    link = (await site.post(f"/v1/media/{told['id']}/link", {}, key=other.key)).json["url"]
    assert (await site.get(link)).body == PNG
    assert await db(revoke_key, tenant.id, other.key.split("_")[1])
    assert (await site.get(link)).code == "not_found"
    assert (await site.get((await site.post(f"/v1/media/{told['id']}/link", {}, key=key)).json["url"])).body == PNG


async def test_a_link_ends_with_the_operator_it_was_made_for(site, key, tenant, stranger, db) -> None:
    told = (await upload(site, key, PNG)).json

    def link_for(of: int) -> str:
        made = add_operator(of, f"operator-{of}@example.com")
        return attachments.make_link(tenant.id, UUID(told["id"]), Holder(HolderKind.OPERATOR, made.pk)).path

    link = await db(link_for, tenant.id)
    assert (await site.get(link)).body == PNG
    assert (await site.get(await db(link_for, stranger.id))).code == "not_found"
    await db(lambda: Operator.objects.update(is_active=False))
    assert (await site.get(link)).code == "not_found"


async def test_200_hostile_files_are_never_served_inline(site, key) -> None:
    files = hostile_files()
    served = refused = 0
    for name, content in files:
        answer = await upload(site, key, content, name)
        if answer.status != 201:
            assert answer.code in {"file_refused", "malformed_body"}
            refused += 1
            continue
        link = (await site.post(f"/v1/media/{answer.json['id']}/link", {}, key=key)).json["url"]
        for file in (await site.get(f"/v1/media/{answer.json['id']}", key=key), await site.get(link)):
            assert file.body == content
            check_inert(file.headers)
        served += 1
    assert len(files) >= 200
    assert served > 100
    assert refused > 30


@pytest.mark.parametrize("bomb", bombs())
async def test_a_picture_that_unfolds_to_too_much_is_refused_and_leaves_nothing(site, key, bomb: bytes) -> None:
    before = set(files_on_disk())
    answer = await upload(site, key, bomb)
    assert answer.code == "file_refused"
    assert set(files_on_disk()) == before


async def test_an_empty_file_is_refused(site, key) -> None:
    assert (await upload(site, key, b"")).code == "file_refused"


async def test_a_file_beyond_the_limit_ends_where_that_is_certain(site, key, db, monkeypatch) -> None:
    monkeypatch.setattr(door, "LARGEST_FILE", 100_000)
    before = set(files_on_disk())

    async def endless():
        for _ in range(1000):
            yield b"x" * 10_000

    declared = await upload(site, key, b"x" * 100_001)
    streamed = await site.ask("POST", "/v1/media", key=key, data=endless())
    assert (declared.code, streamed.code) == ("body_too_large", "file_too_large")
    assert set(files_on_disk()) == before
    assert await db(Attachment.objects.filter(tenant_id__gt=0).count) == 0
    assert LARGEST_FILE == 100 << 20


async def test_a_body_that_falls_silent_is_given_up(site, key, monkeypatch) -> None:
    monkeypatch.setattr(door, "PATIENCE_S", 0.05)
    before = set(files_on_disk())
    head = (
        "POST /v1/media HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: 500\r\n\r\n"
    )
    answer = await site.raw(head.encode() + b"x" * 100)
    assert b" 408 " in answer.split(b"\r\n")[0]
    assert set(files_on_disk()) == before


@pytest.mark.parametrize("path", ["/v1/media", "/v1/media?as=voice"])
async def test_a_body_that_drips_is_given_up(site, key, monkeypatch, path: str) -> None:
    monkeypatch.setattr(door, "PATIENCE_S", 0.3)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: 500000\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(head.encode())
    answer = asyncio.create_task(reader.readline())
    async with asyncio.timeout(10):
        while not answer.done():
            writer.write(b"x")  # never silent
            await asyncio.wait([answer], timeout=0.01)
    assert answer.result().split()[1] == b"408"
    writer.close()


async def test_what_comes_fast_enough_may_take_long(site, key, monkeypatch) -> None:
    monkeypatch.setattr(door, "PATIENCE_S", 0.2)
    at_once = int(door.LEAST_RATE * 0.2) + 1

    async def in_no_hurry():
        for _ in range(5):
            yield b"x" * at_once
            await asyncio.sleep(0.1)

    assert (await site.ask("POST", "/v1/media", key=key, data=in_no_hurry())).status == 201


async def test_a_caller_who_hangs_up_leaves_nothing(site, key) -> None:
    before = set(files_on_disk())
    head = f"POST /v1/media HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: 9000000\r\n\r\n"
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(head.encode() + b"x" * 6_000_000)
    await writer.drain()
    writer.close()
    async with asyncio.timeout(10):
        while set(files_on_disk()) != before:
            await asyncio.sleep(0.01)


async def test_only_so_many_are_stored_at_once(site, key) -> None:
    head = f"POST /v1/media HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: 10\r\n\r\n"
    held = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(2 * door.UPLOADS_AT_ONCE)]
    for _, writer in held:
        writer.write(head.encode() + b"x")
    answers = [asyncio.create_task(reader.readline()) for reader, _ in held]
    refused: set[asyncio.Task[bytes]] = set()
    async with asyncio.timeout(10):
        while len(refused) < door.UPLOADS_AT_ONCE:
            refused, _ = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED, timeout=0.05)
    assert {task.result().split()[1] for task in refused} == {b"503"}
    assert (await upload(site, key, PNG)).code == "overloaded"
    for _, writer in held:
        writer.close()
    await asyncio.gather(*answers)


async def test_one_tenants_slow_uploads_leave_slots_to_the_others(site, key, stranger_key) -> None:
    head = f"POST /v1/media HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: 10\r\n\r\n"
    held = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(door.UPLOADS_AT_ONCE)]
    for _, writer in held:
        writer.write(head.encode() + b"x")
    answers = [asyncio.create_task(reader.readline()) for reader, _ in held]
    async with asyncio.timeout(10):
        while sum(answer.done() for answer in answers) < door.UPLOADS_AT_ONCE // 2:
            await asyncio.sleep(0.01)
    assert (await upload(site, key, PNG)).code == "overloaded"
    assert (await upload(site, stranger_key, PNG)).status == 201
    for _, writer in held:
        writer.close()
    await asyncio.gather(*answers)


async def test_a_file_that_was_changed_on_disk_is_not_given_out(site, key) -> None:
    before = set(files_on_disk())
    told = (await upload(site, key, PNG)).json
    (path,) = set(files_on_disk()) - before
    stored = bytearray(path.read_bytes())
    stored[10] ^= 1
    path.write_bytes(stored)
    assert (await site.get(f"/v1/media/{told['id']}", key=key)).code == "file_damaged"
    path.unlink()
    assert (await site.get(f"/v1/media/{told['id']}", key=key)).code == "not_found"


# --- in a form --------------------------------------------------------------------------------------------------------


def form_of(content: bytes, name: str, **fields: str) -> aiohttp.FormData:
    form = aiohttp.FormData(fields, quote_fields=False)
    form.add_field("file", io.BytesIO(content), filename=name, content_type="application/octet-stream")
    return form


async def test_a_file_in_a_form_is_the_same_as_one_by_itself(site, key) -> None:
    content = bytes(range(256)) * 12_000
    form = form_of(content, "../Rx 1.bin", note="ignored")
    told = (await site.ask("POST", "/v1/media", data=form, key=key)).json
    assert (told["type"], told["size"], told["name"]) == ("application/octet-stream", len(content), "../Rx 1.bin")
    assert (await site.get(f"/v1/media/{told['id']}", key=key)).body == content


async def test_a_form_that_is_refused_leaves_nothing_on_disk(site, key, monkeypatch) -> None:
    before = set(files_on_disk())
    without = aiohttp.FormData({"note": "x"})
    without.add_field("picture", PNG, filename="a.png")
    refused = await site.ask("POST", "/v1/media", data=without, key=key)
    assert (refused.status, refused.json["field"]) == (422, "file")
    broken = await site.post(
        "/v1/media", b"--b\r\n", key=key, headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert broken.code == "malformed_body"
    monkeypatch.setattr(door, "LARGEST_FILE", 100_000)
    assert (await site.ask("POST", "/v1/media", data=form_of(bytes(100_001), "x"), key=key)).status == 413
    assert set(files_on_disk()) == before


# --- voice notes ------------------------------------------------------------------------------------------------------


async def test_audio_of_any_format_becomes_a_voice_note(site, key) -> None:
    for data in (sound(2.0), form_of(sound(1.0), "Memo 1.wav")):
        answer = await site.ask("POST", "/v1/media?as=voice", data=data, key=key)
        assert answer.status == 201
        told = answer.json
        assert (told["kind"], told["type"]) == ("audio", "audio/ogg")
        note = (await site.get(f"/v1/media/{told['id']}", key=key)).body
        with av.open(io.BytesIO(note)) as opened:
            (stream,) = opened.streams.audio
            assert (stream.codec.name, stream.layout.name, stream.rate) == ("opus", "mono", 48_000)
    assert told["name"] == "Memo 1.ogg"


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"


async def test_what_is_no_audio_is_refused_and_leaves_nothing_on_disk(site, key, monkeypatch) -> None:
    before = set(files_on_disk())
    hostile = [
        PNG,
        HTML,
        b"",
        sound(0.1)[:40],
        b"OggS" + bytes(5000),
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        PLAYLIST,
    ]
    for content in hostile:
        assert (await site.post("/v1/media?as=voice", content, key=key)).code == "file_refused"
    monkeypatch.setattr(door, "LARGEST_SOUND", 1000)
    assert (await site.post("/v1/media?as=voice", sound(0.1), key=key)).code == "file_too_large"
    assert set(files_on_disk()) == before


async def test_without_the_extra_the_answer_names_it(site, key, monkeypatch) -> None:
    monkeypatch.setattr("hailgate.voice.find_spec", lambda _: None)
    refused = await site.post("/v1/media?as=voice", sound(0.1), key=key)
    assert (refused.status, refused.code) == (422, "voice_unavailable")
    assert "the extra `voice`" in refused.json["detail"]
    assert (await site.post("/v1/media?as=fax", b"x", key=key)).json["field"] == "as"


def sound(seconds: float) -> bytes:
    """Noise in two channels, as a WAV file."""
    made = io.BytesIO()
    with wave.open(made, "wb") as written:
        written.setnchannels(2)
        written.setsampwidth(2)
        written.setframerate(22_050)
        written.writeframes(random.Random(1).randbytes(int(seconds * 22_050) * 4))
    return made.getvalue()
