"""What can be shown, pressed and sent on a simulated phone beside text."""

import base64

import pytest
from playwright.async_api import Page

from browser.conftest import OpenPage, wait_until
from hailgate.simulator.faults import Do
from simulator.business import Business
from simulator.driver import ANA, NUMBER, Driver
from simulator.test_cloud_content import load

pytestmark = pytest.mark.anyio

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
async def page(sim: Driver, open_page: OpenPage) -> Page:
    """Ana has written once, so that businesses may answer."""
    await sim.write("Hi")
    page = await open_page(sim.url)
    await page.wait_for_selector(".bubble")
    return page


async def send(sim: Driver, **call) -> str:
    status, answer = await sim.send(**{"text": None, **call})
    assert status == 200, answer
    return answer["messages"][0]["id"]


async def show(sim: Driver, page: Page, name: str) -> str:
    """Sends a request of the fixtures and waits until it is on the page."""
    call = load(name)
    wamid = await send(sim, type=call["type"], **{call["type"]: call[call["type"]]})
    await page.wait_for_selector(f".to_phone.is-{call['type']}")
    return wamid


async def hear(business: Business, kind: str) -> dict:
    await business.wait_until(lambda b: [m for m in b.messages if m["type"] == kind])
    return next(message for message in business.messages if message["type"] == kind)


async def test_text_is_formatted_as_on_whatsapp(sim: Driver, page: Page):
    text = "You wrote:\n> *a* b\n> c\n```\n1 *2* 3\n```\n_so_ ~be~ `it` 2*3*4 *"
    await send(sim, type="text", text={"body": text})
    body = page.locator(".to_phone .body")
    await body.wait_for()
    for tag, words in (("b", ["a"]), ("i", ["so"]), ("s", ["be"]), ("code", ["1 *2* 3", "it"])):
        assert await body.locator(tag).all_inner_texts() == words
    assert await body.locator(".said").inner_text() == "a b\nc"
    assert (await body.inner_text()).startswith("You wrote:\n")
    assert (await body.inner_text()).endswith("it 2*3*4 *")


@pytest.mark.parametrize(
    ("name", "presses", "kind", "reply"),
    [
        ("interactive_button", ["Yes"], "button_reply", {"id": "yes", "title": "Yes"}),
        (
            "interactive_list",
            ["☰ Slots", "09:00"],
            "list_reply",
            {"id": "slot-0900", "title": "09:00", "description": "Morning"},
        ),
    ],
)
async def test_a_choice_that_is_pressed_is_the_answer(sim, business, page: Page, *, name, presses, kind, reply):
    wamid = await show(sim, page, name)
    for text in presses:
        await page.click(f".choices >> text={text}")
    heard = await hear(business, "interactive")
    assert heard["interactive"] == {"type": kind, kind: reply}
    assert heard["context"] == {"from": NUMBER, "id": wamid}
    await page.wait_for_selector(f".from_phone .quote + .body >> text={reply['title']}")


async def test_a_form_is_filled_in(sim: Driver, business: Business, page: Page):
    await show(sim, page, "interactive_flow")
    await page.click(".choices summary")
    await page.fill(".flow input", "four stars")
    await page.keyboard.press("Enter")
    heard = await hear(business, "interactive")
    assert heard["interactive"]["nfm_reply"]["response_json"] == '{"flow_token":"tok-42","answer":"four stars"}'
    await page.wait_for_selector(".from_phone >> text=four stars")


async def test_a_wish_for_a_location_is_granted(sim: Driver, business: Business, page: Page):
    await show(sim, page, "interactive_location_request")
    await page.click("text=Send location")
    assert (await hear(business, "location"))["location"]["latitude"] == 37.4847
    await page.wait_for_selector(".from_phone .place >> text=Example Cafe")


async def test_links_lead_out_only_when_pressed(sim: Driver, page: Page):
    await show(sim, page, "interactive_cta_url")
    link = page.locator("a.choice")
    assert await link.get_attribute("href") == "https://example.com/dates"
    assert await link.get_attribute("rel") == "noopener noreferrer nofollow"
    await show(sim, page, "image_link")
    assert await page.locator(".to_phone.is-image a").get_attribute("href") == "https://example.com/a.jpg"


async def test_a_template_is_shown_whole_and_its_button_answers(sim: Driver, business: Business, page: Page):
    header = {"type": "header", "parameters": [{"type": "text", "text": "May 3"}]}
    body = {"type": "body", "parameters": [{"type": "text", "text": "Ana"}, {"type": "text", "text": "10:00"}]}
    template = {"name": "appointment_reminder", "language": {"code": "en_US"}, "components": [header, body]}
    wamid = await send(sim, type="template", template=template)
    bubble = page.locator(".is-template")
    await bubble.locator("text=Your visit on May 3").wait_for()
    for text in ("Hello Ana, we expect you at 10:00", "Example Clinic", "Call us: +15550100000"):
        assert await bubble.locator(f"text={text}").count() == 1
    await bubble.locator("text=Yes, I will come").click()
    heard = await hear(business, "button")
    assert heard["button"] == {"payload": "Yes, I will come", "text": "Yes, I will come"}
    assert heard["context"]["id"] == wamid


async def test_media_of_the_business_are_shown(sim: Driver, page: Page):
    for kind, mime_type, more in (
        ("image", "image/png", {"caption": "Our *front* door"}),
        ("sticker", "image/webp", {}),
        ("document", "application/pdf", {"filename": "prices.pdf"}),
    ):
        file = (await sim.upload(PNG, mime_type))[1]["id"]
        await send(sim, type=kind, **{kind: {"id": file, **more}})
    await wait_until(page, "document.querySelector('.is-image img')?.naturalWidth === 1")
    await page.wait_for_selector(".is-image b >> text=front")
    await page.wait_for_selector("img.sticker")
    async with page.expect_download() as download:
        await page.click("text=prices.pdf")
    assert (await download.value).suggested_filename == "prices.pdf"


async def test_a_voice_message_that_is_listened_to_is_played(sim: Driver, business: Business, page: Page):
    file = (await sim.upload(b"OggS", "audio/ogg"))[1]["id"]
    await send(sim, type="audio", audio={"id": file, "voice": True})
    await page.wait_for_selector("audio[aria-label='Voice message']")
    await page.dispatch_event("audio", "play")
    await business.wait_until(lambda b: "played" in b.status_words)


async def test_places_contacts_and_what_is_odd_are_shown(sim: Driver, page: Page):
    await show(sim, page, "location")
    await show(sim, page, "contacts")
    await page.wait_for_selector(".is-contacts >> text=Luis Sample")
    order = {"catalog_id": "1", "product_items": [{"product_retailer_id": "sku-1", "quantity": 2, "item_price": 9}]}
    for message, text in (
        ({"type": "order", "order": order}, "sku-1, 9"),
        ({"type": "unsupported", "unsupported": {"type": "poll"}}, "poll"),
        ({"type": "hologram", "hologram": {}}, "[hologram]"),
        ({"type": "call", "call": {"event": "terminate"}}, "The call has ended."),
        ({"type": "system", "system": {"type": "user_changed_number", "wa_id": "15550100099"}}, "15550100099"),
        ({"type": "system", "system": {"type": "customer_identity_changed"}}, "security code"),
    ):
        await sim.write_message(message)
        await page.wait_for_selector(f"#messages >> text={text}")


async def test_files_are_attached_with_what_stands_in_the_box_as_caption(sim: Driver, business: Business, page: Page):
    await page.fill("#text", "my knee")
    await page.click("#attach")
    async with page.expect_file_chooser() as chooser:
        await page.click("text=Photo or video")
    await (await chooser.value).set_files({"name": "knee.png", "mimeType": "image/png", "buffer": PNG})
    assert (await hear(business, "image"))["image"]["caption"] == "my knee"
    await wait_until(page, "document.querySelector('.from_phone.is-image img')?.naturalWidth === 1")
    assert await page.input_value("#text") == ""
    await page.click("#attach")
    async with page.expect_file_chooser() as chooser:
        await page.locator("#things").get_by_text("Voice message", exact=True).click()
    await (await chooser.value).set_files({"name": "v.ogg", "mimeType": "audio/ogg", "buffer": b"OggS"})
    assert (await hear(business, "audio"))["audio"]["voice"] is True


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("A drawn picture", "image"),
        ("A drawn sticker", "sticker"),
        ("A recorded voice message", "audio"),
        ("A written document", "document"),
        ("Location", "location"),
        ("Contact", "contacts"),
    ],
)
async def test_there_is_something_to_send_at_hand(sim: Driver, business: Business, page: Page, title, kind):
    await page.click("#attach")
    await page.locator("#things").get_by_text(title, exact=True).click()
    heard = await hear(business, kind)
    await page.wait_for_selector(f".from_phone.is-{kind}")
    if kind == "document":
        assert heard["document"]["filename"] == "letter.txt"
    if kind == "audio":
        assert heard["audio"]["voice"] is True
        await wait_until(page, "document.querySelector('.from_phone audio').duration > 1.5")


async def test_reacting_quoting_editing_and_deleting_by_keyboard_alone(sim: Driver, business: Business, page: Page):
    wamid = await send(sim, type="text", text={"body": "Which day suits you?"})
    await page.wait_for_selector(".to_phone")
    await page.focus(".to_phone .more")
    await page.keyboard.press("Enter")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Enter")
    assert (await hear(business, "reaction"))["reaction"] == {"message_id": wamid, "emoji": "❤️"}
    await page.wait_for_selector(".to_phone .reactions >> text=❤️")

    await page.focus(".to_phone .more")
    await page.keyboard.press("Enter")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Enter")  # the last entry: take the reaction back
    await page.wait_for_selector(".to_phone .reactions", state="detached")

    await page.focus(".to_phone .more")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Escape")
    await page.wait_for_selector(".menu", state="detached")
    assert await page.evaluate("document.activeElement.className") == "more"

    await page.click(".to_phone .more")
    await page.click(".menu >> text=Reply")
    await page.keyboard.type("Tusday")
    await page.keyboard.press("Enter")
    await business.wait_until(lambda b: "Tusday" in str(b.messages))
    assert business.messages[-1]["context"] == {"from": NUMBER, "id": wamid}
    await page.wait_for_selector(".quote >> text=Which day suits you?")
    said = business.messages[-1]["id"]

    own = ".from_phone:has(.quote)"
    await page.click(f"{own} .more")
    await page.click(".menu >> text=Edit")
    await page.fill("#text", "Tuesday")
    await page.keyboard.press("Enter")
    edit = (await hear(business, "edit"))["edit"]
    assert (edit["original_message_id"], edit["message"]["text"]["body"]) == (said, "Tuesday")
    await page.wait_for_selector(f"{own}:has-text('Tuesday'):has-text('edited')")

    await page.click(own, button="right")
    await page.click(".menu >> text=Delete for everyone")
    assert (await hear(business, "revoke"))["revoke"] == {"original_message_id": said}
    await page.wait_for_selector("text=This message was deleted.")


async def test_a_reaction_of_the_business_stands_on_the_message(sim: Driver, page: Page):
    heard = await sim.write("Thanks")
    await send(sim, type="reaction", reaction={"message_id": heard, "emoji": "🙏"})
    await page.wait_for_selector(".from_phone:has-text('Thanks') .reactions >> text=🙏")


async def test_settings_of_a_phone_and_marketing(sim: Driver, business: Business, page: Page):
    await page.click("summary:has-text('This phone')")
    await page.check("[data-setting=hides_number]")
    await page.click("text=Stop marketing")
    await page.wait_for_selector("text=no more marketing")
    assert (await sim.expect("GET", f"/_sim/phones/{ANA}"))["hides_number"] is True
    await business.wait_until(lambda b: any("user_preferences" in value for value in b.values))


async def test_the_clock_is_moved_and_set_right_again(sim: Driver, page: Page):
    await page.click("summary:has-text('The clock')")
    await page.click("text=+ 24 hours")
    await page.wait_for_selector("#shift:has-text('24 hours ahead')")
    await page.click("text=+ 1 hour")
    await page.wait_for_selector("#shift:has-text('25 hours ahead')")
    await page.click("text=True time")
    await page.wait_for_selector("#shift:has-text('the true time')")
    await sim.expect("PUT", "/_sim/clock", {"offset_s": -3600})
    await page.wait_for_selector("#shift:has-text('1 hour behind')")
    await sim.expect("PUT", "/_sim/clock", {"offset_s": 0})


async def test_a_template_is_paused(sim: Driver, business: Business, page: Page):
    await page.click("summary:has-text('Templates')")
    await page.click(".template:has-text('order_update') button")
    await page.wait_for_selector(".template:has-text('order_update'):has-text('paused')")
    await business.wait_until(lambda b: any(value.get("event") == "PAUSED" for value in b.values))


async def test_every_fault_can_be_put_one_by_one_and_all_be_mended(sim: Driver, page: Page):
    await page.click("summary:has-text('Break something')")
    buttons = page.locator(".fault")
    for index in range(await buttons.count()):
        await buttons.nth(index).click()
        await page.wait_for_selector(f"#broken:has-text('{index + 1} broken')")
    put = await sim.expect("GET", "/_sim/faults")
    assert {fault["do"] for fault in put} == {str(do) for do in Do}
    await page.select_option("#often", "0.1")
    shares = "fetch('/_sim/faults').then((a) => a.json()).then((all) => all.map((fault) => fault.match?.share))"
    await wait_until(page, f"{shares}.then((all) => all.every((share) => share === 0.1))")
    await page.click("#heal")
    await page.wait_for_selector("#broken:has-text('all is well')")
    assert await sim.expect("GET", "/_sim/faults") == []


@pytest.mark.parametrize("dark", [False, True])
async def test_nothing_is_wider_than_a_small_screen(sim: Driver, open_page: OpenPage, dark):
    await sim.write("w" * 500)
    page = await open_page(sim.url, width=390, dark=dark)
    for name in ("interactive_list", "interactive_button", "location", "contacts", "document_link"):
        await show(sim, page, name)
    await page.click("#attach")
    for summary in await page.locator(".side > details:not([hidden]) > summary").all():
        await summary.click()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    assert await page.evaluate(
        "document.getElementById('chat').scrollWidth <= document.getElementById('chat').clientWidth"
    )
