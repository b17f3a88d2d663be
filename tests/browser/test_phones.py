"""The page of phones, as a person with a small screen meets it."""

import pytest
from playwright.async_api import Page

from browser.conftest import OpenPage
from simulator.business import Business
from simulator.driver import ANA, BEN, NUMBER, Driver

pytestmark = pytest.mark.anyio


@pytest.fixture
async def page(sim: Driver, open_page: OpenPage) -> Page:
    page = await open_page(sim.url)
    await page.wait_for_selector(".person[aria-current]")
    return page


async def test_a_person_writes_and_reads_the_answer_without_reloading(sim: Driver, business: Business, page: Page):
    await page.focus("#text")
    await page.keyboard.type("Hello <b>there</b>")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".from_phone >> text=Hello <b>there</b>")
    await business.wait_until(lambda b: b.texts == ["Hello <b>there</b>"])
    await page.wait_for_selector(".tick.delivered")
    mark = {"status": "read", "message_id": business.messages[0]["id"], "typing_indicator": {"type": "text"}}
    await sim.send(**mark)
    await page.wait_for_selector(".tick.read")
    await page.wait_for_selector("#typing:not([hidden])")
    await sim.send("Good day!")
    await page.wait_for_selector(".to_phone >> text=Good day!")
    await page.wait_for_selector("#typing", state="hidden")
    await business.wait_until(lambda b: "read" in b.status_words)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390


async def test_another_phone_shows_that_something_came(sim: Driver, page: Page):
    await sim.write("Hi", phone=BEN)
    await sim.send("For Ben", to=BEN)
    await page.wait_for_selector(".person:has-text('Ben') .badge")
    await page.click(".person:has-text('Ben')")
    await page.wait_for_selector(".to_phone >> text=For Ben")
    await sim.wait_for_statuses("delivered", "read", phone=BEN)
    assert page.url.endswith(f"#{BEN}/{NUMBER}")


async def test_a_new_phone_and_a_switched_off_one(sim: Driver, page: Page):
    await page.click("#adding summary")
    await page.fill("#add [name=name]", "Chris")
    number = await page.input_value("#add [name=number]")
    await page.click("#add button")
    await page.wait_for_selector(".person[aria-current]:has-text('Chris')")
    await page.click("summary:has-text('This phone')")
    await page.uncheck("[data-setting=online]")
    await sim.write("Hi", phone=number)
    await sim.send("later", to=number)
    await page.wait_for_selector(".to_phone >> text=later")
    assert [m["status"] for m in await sim.messages(number)][1] == "sent"
    await page.check("[data-setting=online]")
    await sim.wait_for_statuses("delivered", "read", phone=number)


async def test_faults_are_put_and_taken_back(sim: Driver, page: Page):
    await page.click("summary:has-text('Break something')")
    await page.click(".fault >> text=Muddled ticks")
    await page.wait_for_selector(".fault[aria-pressed=true] >> text=Muddled ticks")
    await page.click("text=Too many requests")
    await page.wait_for_selector(".fault[aria-pressed=true] >> text=Too many requests")
    assert (await sim.send())[0] == 429
    await page.click(".fault >> text=Muddled ticks")
    await page.wait_for_selector(".fault[aria-pressed=false] >> text=Muddled ticks")
    await sim.put_faults({"do": "delay", "match": {"to": ANA}, "value": 0})
    await page.wait_for_selector("text=1 more fault was put by a program")
    await page.click("#heal")
    await page.wait_for_selector("#heal:disabled")
    assert await sim.expect("GET", "/_sim/faults") == []
