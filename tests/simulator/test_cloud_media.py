"""The media store of the Cloud API."""

import hashlib

import pytest

from hailgate.simulator.cloud.media import INBOUND_LIVES_S, MB, UPLOAD_LIVES_S
from simulator.business import Business
from simulator.driver import ANA, BEN, MEDIA, Driver, bearer

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n--not-a-boundary\r\n\x00"


async def look_up(sim: Driver, file: str, query: str = "") -> tuple[int, dict]:
    return await sim.call("GET", f"/v23.0/{file}{query}", headers=bearer())


async def fetch(sim: Driver, url: str, token: str = "token") -> tuple[int, bytes]:
    async with sim.session.get(url.removeprefix(sim.url), headers=bearer(token) if token else {}) as answer:
        return answer.status, await answer.read()


async def test_a_file_comes_back_as_it_was_put(sim: Driver):
    status, answer = await sim.upload(PNG, "image/png")
    assert (status, list(answer)) == (200, ["id"])
    status, found = await look_up(sim, answer["id"], "?phone_number_id=106500000000001")
    url = found.pop("url")
    assert (status, found) == (
        200,
        {
            "messaging_product": "whatsapp",
            "mime_type": "image/png",
            "sha256": hashlib.sha256(PNG).hexdigest(),
            "file_size": str(len(PNG)),
            "id": answer["id"],
        },
    )
    assert await fetch(sim, url) == (200, PNG)


async def test_an_address_needs_the_token_and_lives_five_minutes(sim: Driver):
    file = (await sim.upload(PNG, "image/png"))[1]["id"]
    url = (await look_up(sim, file))[1]["url"]
    assert (await fetch(sim, url, ""))[0] == 401
    assert (await fetch(sim, url, "wrong"))[0] == 401
    assert (await fetch(sim, url[:-1] + "x"))[0] == 404
    assert (await fetch(sim, url.replace("ext=", "ext=1")))[0] == 404
    await sim.expect("PUT", "/_sim/clock", {"offset_s": 290})
    assert (await fetch(sim, url))[0] == 200
    await sim.expect("PUT", "/_sim/clock", {"offset_s": 301})
    assert (await fetch(sim, url))[0] == 404


async def test_a_deleted_file_is_gone_for_the_business_but_stays_in_chats(sim: Driver):
    await sim.write("Hi")
    file = (await sim.upload(PNG, "image/png"))[1]["id"]
    url = (await look_up(sim, file))[1]["url"]
    await sim.send(type="image", text=None, image={"id": file})
    assert await sim.call("DELETE", f"/v23.0/{file}", headers=bearer()) == (200, {"success": True})
    assert (await look_up(sim, file))[1]["error"]["error_subcode"] == 33
    assert (await fetch(sim, url))[0] == 404
    assert (await sim.send(type="image", text=None, image={"id": file}))[0] == 400
    assert (await fetch(sim, f"/_sim/files/{file}"))[1] == PNG


@pytest.mark.parametrize(("owner", "lives"), [("business", UPLOAD_LIVES_S), ("person", INBOUND_LIVES_S)])
async def test_files_are_kept_for_a_while(sim: Driver, business: Business, owner, lives):
    file = (await sim.upload(PNG, "image/png"))[1]["id"]
    if owner == "person":
        await sim.write_message({"type": "image", "image": {"id": await sim.put_file(PNG, "image/png")}})
        await business.wait_until(lambda b: b.messages)
        file = business.messages[0]["image"]["id"]
    await sim.expect("PUT", "/_sim/clock", {"offset_s": lives - 60})
    assert (await look_up(sim, file))[0] == 200
    await sim.expect("PUT", "/_sim/clock", {"offset_s": lives + 1})
    assert (await look_up(sim, file))[1]["error"]["code"] == 100


async def test_a_persons_file_belongs_to_no_number(sim: Driver, business: Business):
    await sim.write_message({"type": "image", "image": {"id": await sim.put_file(PNG, "image/png")}})
    await business.wait_until(lambda b: b.messages)
    file = business.messages[0]["image"]["id"]
    assert (await look_up(sim, file))[0] == 200
    assert (await look_up(sim, file, "?phone_number_id=106500000000001"))[1]["error"]["code"] == 100


async def test_a_number_has_no_files_of_another(sim: Driver, business: Business):
    file = (await sim.upload(PNG, "image/png"))[1]["id"]
    await sim.put_channels(business.url, business.url)
    path = MEDIA.replace("106500000000001/media", "106500000000002/messages")
    call = {"messaging_product": "whatsapp", "to": ANA, "type": "image", "image": {"id": file}}
    assert (await sim.call("POST", path, call, headers=bearer()))[1]["error"]["code"] == 100


@pytest.mark.parametrize(
    ("content", "mime_type", "fields", "code"),
    [
        (b"", "image/png", {}, 131053),
        (b"x", "text/html", {}, 100),
        (b"x", "application/octet-stream", {}, 100),
        (b"x" * (5 * MB + 1), "image/png", {}, 131053),
        (b"x" * (500 * 1024 + 1), "image/webp", {}, 131053),
        (b"x", "image/png", {"messaging_product": "sms"}, 100),
    ],
)
async def test_what_the_store_does_not_take(sim: Driver, content, mime_type, fields, code):
    status, answer = await sim.upload(content, mime_type, **fields)
    assert (status, answer["error"]["code"]) == (400, code)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nno gap\r\n--x--"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n\r\n--x--"),
        ("multipart/form-data; boundary=x", b"--x--"),
    ],
)
async def test_what_is_no_form_is_error_100(sim: Driver, content_type, body):
    headers = {**bearer(), "content-type": content_type}
    status, answer = await sim.call("POST", MEDIA, data=body, headers=headers)
    assert (status, answer["error"]["code"]) == (400, 100)


@pytest.mark.parametrize("content", [PNG, b"\r\n", b"--", b"\r\n--", b"a\r\n\r\nb", bytes(range(256)) * 8192])
async def test_an_upload_comes_back_byte_by_byte(sim: Driver, content):
    file = (await sim.upload(content, "image/png"))[1]["id"]
    assert await fetch(sim, (await look_up(sim, file))[1]["url"]) == (200, content)


async def test_faults_concern_uploads_and_downloads_apart(sim: Driver):
    await sim.put_faults({"do": "error", "match": {"operation": "upload"}})
    assert (await sim.upload(PNG, "image/png"))[0] == 503
    await sim.put_faults({"do": "error", "match": {"operation": "download"}})
    file = (await sim.upload(PNG, "image/png"))[1]["id"]
    assert (await fetch(sim, (await look_up(sim, file))[1]["url"]))[0] == 503


async def test_a_phone_sends_only_its_own_files(sim: Driver):
    file = await sim.put_file(PNG, "image/png", BEN)
    order = {"to": "15550100000", "message": {"type": "image", "image": {"id": file}}}
    status, problem = await sim.call("POST", f"/_sim/phones/{ANA}/send", order)
    assert (status, file in problem["detail"]) == (422, True)
    assert (await sim.call("POST", f"/_sim/phones/{ANA}/files"))[0] == 422
    assert (await sim.call("GET", "/_sim/files/1"))[0] == 404


async def test_a_file_is_shown_to_the_page_alone_and_in_parts(sim: Driver):
    file = await sim.put_file(b"0123456789", "text/html")
    async with sim.session.get(f"/_sim/files/{file}") as answer:
        assert answer.headers["content-disposition"] == "attachment"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    for asked, status, part in (("2-4", 206, b"234"), ("8-", 206, b"89"), ("10-", 416, b""), ("4-2", 416, b"")):
        async with sim.session.get(f"/_sim/files/{file}", headers={"range": f"bytes={asked}"}) as answer:
            assert (answer.status, await answer.read()) == (status, part)
