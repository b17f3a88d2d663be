"""The console as an operator meets it: a real browser, the whole product with its worker, and simulated phones."""

import re
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
from playwright.async_api import Page, expect

from browser.conftest import OpenPage, Witness, wait_until
from hostile_files import PNG
from serving import Site, serving
from simulator.driver import ANA, BEN, NUMBER, SECRET, TOKEN, Driver

pytestmark = pytest.mark.anyio

HOOK = {"app_secret": SECRET, "verify_token": "verify"}
WIDE = {"width": 1280, "height": 800}


class Desk(NamedTuple):
    """The product with an operator and a number, and the phones that write to it."""

    site: Site
    sim: Driver
    channel: object
    operator: object

    def link(self) -> str:
        from hailgate.accounts.operators import make_sign_in_link

        return f"{self.site.url}/console/sign-in/{make_sign_in_link(self.operator, reusable=True)}"


@pytest.fixture
def operator(tenant):
    from hailgate.accounts.operators import add_operator

    return add_operator(tenant.pk, "olivia@clinic.example", name="Olivia", password="correct horse battery")


@pytest.fixture
def wired(tenant, simulator_url):
    """A hook and a channel whose provider is the simulator."""
    from hailgate.messaging.channels.hooks import add_hook
    from hailgate.messaging.channels.registry import add_channel, get_channel

    hook = add_hook(tenant.pk, "cloud", HOOK)
    settings = {"phone_number_id": "106500000000001", "access_token": TOKEN, "api_url": simulator_url}
    add_channel(tenant.pk, "cloud", "front desk", NUMBER, settings, hook=hook.id)
    return hook, get_channel(tenant.pk, "front desk")


@pytest.fixture
async def desk(operator, wired, sim: Driver) -> AsyncIterator[Desk]:
    from hailgate.asgi import create_app
    from hailgate.settings import ENV

    hook, channel = wired
    ends = []
    async with serving(create_app(ENV, with_worker=True, at_stop=ends.append), ends) as site:
        await sim.put_channels(site.url + hook.path)
        yield Desk(site, sim, channel, operator)
        await sim.expect("POST", "/_sim/reset")


async def sign_in(desk: Desk, open_page: OpenPage, **options) -> Page:
    page = await open_page(await desk_link(desk), **options)
    await page.wait_for_selector("#rows")
    return page


async def desk_link(desk: Desk) -> str:
    import asyncio

    return await asyncio.to_thread(desk.link)


async def test_sign_in_read_answer_and_see_it_on_the_phone(desk: Desk, open_page: OpenPage) -> None:
    page = await open_page(f"{desk.site.url}/console/", **WIDE)
    await page.fill("[name=username]", "olivia@clinic.example")
    await page.fill("[name=password]", "correct horse battery")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("text=Nobody has written yet.")
    # Without a reload from here on.
    await page.evaluate("window.sameDocument = true")
    await desk.sim.write("Are you open *today*?")
    await page.wait_for_selector(".row.unread:has-text('Ana')")
    await expect(page).to_have_title("(1) Inbox · Hailgate")
    await page.keyboard.press("j")
    await page.wait_for_selector(".bubble.theirs strong:text('today')")
    await page.wait_for_selector(".row:not(.unread):has-text('Ana')")
    await page.click("#body")
    await page.keyboard.type("Yes, _until six_.")
    await page.wait_for_selector("#preview em:text('until six')")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("Come in!")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".bubble.ours:has-text('Come in!')")
    assert await page.input_value("#body") == ""
    await page.wait_for_selector(".bubble.ours .tick.delivered")
    await desk.sim.wait_for_statuses("delivered", "delivered")
    received = (await desk.sim.messages())[-1]
    assert received["message"]["text"]["body"] == "Yes, _until six_.\nCome in!"
    await desk.sim.expect("POST", f"/_sim/phones/{ANA}/read", {"up_to": received["seq"]})
    await page.wait_for_selector(".bubble.ours .tick.read")
    await page.click(".bubble.ours .meta")
    await page.wait_for_selector("#dialog[open] .timeline li.read")
    assert await page.locator(".timeline li").count() >= 5
    await page.keyboard.press("Escape")
    assert await page.evaluate("window.sameDocument")


async def test_a_picture_is_shown_and_a_page_in_disguise_is_only_saved(desk: Desk, open_page: OpenPage) -> None:
    for content, mime in ((PNG, "image/png"), (b"<script>alert(1)</script>", "image/png")):
        file = await desk.sim.put_file(content, mime)
        await desk.sim.write_message({"type": "image", "image": {"id": file, "caption": "Front door"}})
    page = await sign_in(desk, open_page, **WIDE)
    await page.click(".row")
    await page.wait_for_selector(".bubble .picture img")
    await wait_until(page, "document.querySelector('.picture img').naturalWidth > 0")
    await page.wait_for_selector(".bubble:last-child .file, .bubble:last-child .kind:has-text('could not be fetched')")
    await page.click(".picture")
    await page.wait_for_selector("#dialog[open] img.enlarged")
    await page.keyboard.press("Escape")


async def test_an_answer_with_a_file_a_quote_and_a_reaction(desk: Desk, open_page: OpenPage) -> None:
    await desk.sim.write("Show me")
    page = await sign_in(desk, open_page, **WIDE)
    await page.click(".row")
    await page.set_input_files("#file", {"name": "door.png", "mimeType": "image/png", "buffer": PNG})
    await page.wait_for_selector("#attached p:has-text('door.png')")
    await expect(page.locator(".composer [name=attachment]")).not_to_have_value("")
    await page.hover(".bubble.theirs")
    await page.click(".bubble.theirs [data-quote]")
    await page.wait_for_selector("#quoting p:has-text('Show me')")
    await page.keyboard.type("Here")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".bubble.ours .picture img")
    await page.wait_for_selector(".bubble.ours blockquote:has-text('Show me')")
    assert not await page.is_visible("#attached")
    assert not await page.is_visible("#quoting")
    await page.wait_for_selector(".bubble.ours .tick.delivered")
    received = (await desk.sim.messages())[-1]["message"]
    assert received["type"] == "image"
    assert received["image"]["caption"] == "Here"
    await page.hover(".bubble.theirs")
    await page.click(".bubble.theirs [data-react]")
    await page.click("#reacting button[value='🙏']")
    await page.wait_for_selector(".bubble.theirs .reactions li:has-text('🙏')")
    assert not await page.is_visible("#reacting")


async def test_a_file_that_is_too_large_is_refused_before_it_is_sent(
    desk: Desk, open_page: OpenPage, witness: Witness
) -> None:
    await desk.sim.write("Show me")
    page = await sign_in(desk, open_page, **WIDE)
    await page.click(".row")
    await page.wait_for_selector(".composer")
    await page.evaluate("attach({name: 'film.mp4', type: 'video/mp4', size: 200 * 1048576})")
    await page.wait_for_selector("#problem:has-text('at most 100 MB')")
    await page.set_input_files("#file", {"name": "nothing.txt", "mimeType": "text/plain", "buffer": b""})
    await page.wait_for_selector("#problem:has-text('empty')")
    assert await page.is_enabled(".send")
    assert "422" in witness.complaints.pop()


async def test_a_template_is_chosen_filled_in_and_sent(desk: Desk, open_page: OpenPage) -> None:
    import asyncio

    await desk.sim.write("Hello")
    await asyncio.to_thread(add_template, desk.channel)
    page = await sign_in(desk, open_page, **WIDE)
    await page.click(".row")
    await page.wait_for_selector(".bubble")
    await page.click(".tool.always")
    await page.click("#dialog button:has-text('order_ready')")
    await page.wait_for_selector(".filling:not(.htmx-added)")  # from now on it follows
    await page.wait_for_selector("#dialog [name='body.1']")
    await page.wait_for_selector(".htmx-settling", state="detached")  # before, htmx listens to nothing in it
    await page.fill("#dialog [name='body.1']", "Ada")
    await page.wait_for_selector("#filled strong:text('Ada')")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".bubble.ours strong:text('Ada')")
    assert not await page.is_visible("#dialog")


def add_template(channel) -> None:
    from hailgate.messaging.models import Business, Channel, Template

    business = Business.objects.create(tenant_id=channel.tenant_id, provider="cloud", account="1", synced_at=1.0)
    Channel.objects.filter(tenant_id=channel.tenant_id).update(business=business)
    components = '[{"type": "BODY", "text": "Hello *{{1}}*, it is ready."}]'
    Template.objects.create(
        tenant_id=channel.tenant_id, business=business, name="order_ready", language="en", status="APPROVED",
        components=components, changed_at=1.0,
    )  # fmt: skip


async def test_a_draft_survives_what_arrives_meanwhile(desk: Desk, open_page: OpenPage) -> None:
    await desk.sim.write("Hello")
    page = await sign_in(desk, open_page)
    await page.click(".row")
    await page.fill("#body", "I am still wri")
    await desk.sim.write("Are you there?")
    await page.wait_for_selector(".bubble.theirs:has-text('Are you there?')")
    assert await page.input_value("#body") == "I am still wri"
    assert await page.evaluate("document.activeElement.id") == "body"


async def test_take_over_and_give_back(desk: Desk, open_page: OpenPage) -> None:
    await desk.sim.write("Hello")
    page = await sign_in(desk, open_page, **WIDE)
    await page.click(".row")
    await page.click("text=Give back")
    await page.wait_for_selector("text=Assistant answers")
    await desk.sim.write("human, please")
    await page.wait_for_selector("button:has-text('Give back')")  # the assistant handed it over by itself
    await page.click("text=Give back")
    await page.click("text=Take over")
    await page.wait_for_selector("button:has-text('Give back')")


async def test_what_failed_is_sent_again_by_hand(desk: Desk, open_page: OpenPage) -> None:
    await desk.sim.write("Hello")
    await desk.sim.put_faults({"match": {"operation": "send"}, "do": "error", "value": {"status": 400, "code": 131026}})
    page = await sign_in(desk, open_page, **WIDE)
    await page.click(".row")
    await page.fill("#body", "This will stop")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".bubble.ours .tick.failed")
    await desk.sim.expect("DELETE", "/_sim/faults")
    await page.click("nav >> text=Stopped")
    await page.check("[name=message]")
    await page.click("button:has-text('Send again')")
    await page.wait_for_selector("text=1 message will be sent again.")
    await page.click("nav >> text=Inbox")
    await page.click(".row")
    await page.wait_for_selector(".bubble.ours .tick.delivered")


async def test_search_and_filters_narrow_the_list(desk: Desk, open_page: OpenPage) -> None:
    await desk.sim.write("Hello")
    await desk.sim.write("Hi", phone=BEN)
    page = await sign_in(desk, open_page, **WIDE)
    await expect(page.locator(".row")).to_have_count(2)
    await page.keyboard.press("/")
    await page.keyboard.type("ben")
    await expect(page.locator(".row")).to_have_count(1)
    await page.wait_for_selector(".row:has-text('Ben')")
    await page.fill("#search", "")
    await page.click("text=Mine")
    await page.wait_for_selector("text=Nothing fits.")


async def test_a_telephone_shows_one_thing_at_a_time_and_never_scrolls_sideways(
    desk: Desk, open_page: OpenPage
) -> None:
    await desk.sim.write("x" * 300 + " https://example.org/" + "y" * 300)
    page = await sign_in(desk, open_page)
    await page.click(".row")
    await page.wait_for_selector(".bubble")
    assert not await page.is_visible("#rows")
    for address in ("", "dead-letters", "events", "channels", "overview", "account"):
        if address:
            await page.goto(f"{desk.site.url}/console/{address}")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390, address


async def test_a_session_that_was_ended_elsewhere_closes_the_page(desk: Desk, open_page: OpenPage) -> None:
    import asyncio

    from hailgate.accounts.operators import shut_out

    page = await sign_in(desk, open_page, **WIDE)
    await asyncio.to_thread(shut_out, desk.operator)
    await page.wait_for_url(re.compile("/console/sign-in"), timeout=10_000)


async def test_only_pages_of_the_console_put_files_in(desk: Desk) -> None:
    import asyncio

    from django.test import Client

    client = Client()
    await asyncio.to_thread(client.get, (await desk_link(desk)).removeprefix(desk.site.url))
    cookies = {"hailgate": client.cookies["hailgate"].value}
    ours = {"X-Hailgate-Console": "1", "Content-Type": "application/octet-stream"}
    foreign = {"Content-Type": "application/octet-stream"}
    answers = [
        await desk.site.ask("POST", "/console/media", data=PNG, cookies=given, headers=headers)
        for given, headers in ((cookies, foreign), ({}, ours), (cookies, ours))
    ]
    assert [each.status for each in answers] == [403, 401, 201]
    assert answers[-1].json["type"] == "image/png"


async def test_without_a_session_there_is_no_stream(desk: Desk) -> None:
    for cookies in ({}, {"hailgate": "x" * 32}, {"hailgate": "é" * 200}):
        answer = await desk.site.get("/console/live", cookies=cookies)
        assert (answer.status, answer.code) == (401, "unauthenticated")
