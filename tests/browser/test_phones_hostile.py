"""Whatever a message says, the page of phones only shows it."""

import pytest

from browser.conftest import OpenPage, Witness, wait_until
from browser.hostile import ADDRESSES, TEXTS
from simulator.driver import ANA, TEMPLATES, Driver, bearer

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


def in_every_place(text: str, file: str) -> list[dict]:
    """Messages of a person that carry the text wherever one can stand."""
    name = {"formatted_name": text, "first_name": text}
    return [
        {"type": "text", "text": {"body": text}, "group_id": text},
        {"type": "image", "image": {"id": file, "caption": text}},
        {"type": "document", "document": {"id": file, "filename": text, "caption": text}},
        {"type": "location", "location": {"latitude": text, "longitude": 1, "name": text, "address": text}},
        {"type": "contacts", "contacts": [{"name": name, "phones": [{"phone": text}], "org": {"company": text}}]},
        {"type": "button", "button": {"payload": text, "text": text}},
        {
            "type": "interactive",
            "interactive": {"type": "list_reply", "list_reply": {"id": text, "title": text, "description": text}},
        },
        {"type": "interactive", "interactive": {"type": "nfm_reply", "nfm_reply": {"response_json": text}}},
        {"type": "unsupported", "unsupported": {"type": text}},
        {"type": text},
        {
            "type": "order",
            "order": {"catalog_id": "1", "text": text, "product_items": [{"product_retailer_id": text}]},
        },
        {"type": "system", "system": {"type": "user_changed_number", "wa_id": text}},
    ]


def of_the_business(text: str) -> list[dict]:
    short = text[:20]
    button = {"type": "reply", "reply": {"id": text, "title": short}}
    row = {"id": text[:200], "title": text[:24], "description": text[:72]}
    return [
        {"type": "text", "text": {"body": text}},
        {"type": "location", "location": {"latitude": 1, "longitude": 1, "name": text, "address": text}},
        {
            "type": "interactive",
            "interactive": {
                "type": "button",
                "header": {"type": "text", "text": text[:60]},
                "body": {"text": text},
                "footer": {"text": text[:60]},
                "action": {"buttons": [button]},
            },
        },
        {
            "type": "interactive",
            "interactive": {
                "type": "list",
                "body": {"text": text},
                "action": {"button": short, "sections": [{"title": text[:24], "rows": [row]}]},
            },
        },
    ]


async def test_hostile_texts_are_shown_and_never_obeyed(sim: Driver, open_page: OpenPage, witness: Witness):
    assert len(TEXTS) == 100
    await sim.expect("PUT", f"/_sim/phones/{ANA}", {"name": TEXTS[0][:60]})
    page = await open_page(sim.url)
    file = await sim.put_file(b"<script>alert(1)</script>", "text/html")
    sent = 0
    for index, text in enumerate(TEXTS):
        places = in_every_place(text, file)
        quoted = await sim.write_message(places[index % len(places)])
        business = of_the_business(text)
        message = {**business[index % len(business)], "context": {"message_id": quoted}}
        status, answer = await sim.send(**{"text": None, **message})
        assert status == 200, answer
        sent += 2
    await wait_until(page, f"document.querySelectorAll('#messages [data-seq]').length === {sent}")
    for tag in ("script", "iframe", "object", "embed", "link", "style", "base", "form:not(.flow)"):
        assert await page.locator(f"#messages {tag}").count() == 0, tag
    for more in (await page.locator("#messages .more").all())[::20]:
        await more.click()
        await page.keyboard.press("Escape")
    witness.check()


@pytest.mark.parametrize("address", ADDRESSES, ids=range(len(ADDRESSES)))
async def test_only_web_addresses_become_links(sim: Driver, open_page: OpenPage, address):
    """The API refuses these in a button; in a template's own URL Meta does not look so closely."""
    buttons = [{"type": "URL", "text": "press me", "url": address}]
    components = [{"type": "BODY", "text": "Hello"}, {"type": "BUTTONS", "buttons": buttons}]
    call = {"name": "evil", "language": "en", "category": "UTILITY", "components": components}
    status, created = await sim.call("POST", TEMPLATES, call, headers=bearer())
    assert status == 200
    await sim.expect("PUT", f"/_sim/templates/{created['id']}", {"status": "APPROVED"})
    page = await open_page(sim.url)
    await page.wait_for_selector(".person[aria-current]")
    await sim.send(type="template", text=None, template={"name": "evil", "language": {"code": "en"}})
    await page.wait_for_selector(".choice >> text=press me")
    assert await page.locator(".is-template a").count() == 0


async def test_a_file_that_is_a_page_is_never_opened_as_one(sim: Driver, open_page: OpenPage):
    file = await sim.put_file(b"<script>alert(1)</script>", "text/html")
    page = await open_page(sim.url)
    async with page.expect_download():
        await page.evaluate(f"location.assign('/_sim/files/{file}')")
