"""A pattern in a real browser: kept by an owner, filled in, and put where the cursor was in an answer."""

import asyncio

import pytest
from playwright.async_api import expect

from api.conftest import told  # noqa: F401 -- a fixture
from browser.conftest import PHONE, OpenPage
from browser.test_queue import link  # noqa: F401 -- a fixture

pytestmark = pytest.mark.anyio

DESK = {"width": 1280, "height": 800}
FITS = "document.documentElement.scrollWidth <= window.innerWidth"


def hear(channel) -> None:
    from messaging import acting

    acting.apply(channel, acting.wrote(channel, 1, body="Hello?"))


@pytest.mark.parametrize("size", [DESK, {"width": PHONE[0], "height": PHONE[1], "dark": True}], ids=["desk", "phone"])
async def test_a_pattern_is_kept_and_put_into_an_answer(  # noqa: PLR0917 -- fixtures
    site,
    link,  # noqa: F811
    told,  # noqa: F811
    channel,
    open_page: OpenPage,
    size: dict,
) -> None:
    await asyncio.to_thread(hear, channel)
    page = await open_page(f"{site.url}{link}", **size)
    await page.goto(f"{site.url}/console/patterns")
    await page.fill("[name=name]", "greeting")
    await page.fill("[name=language]", "en")
    await page.fill("main textarea[name=text]", "Hello {{name}}!")
    await page.click("button:has-text('Keep the pattern')")
    await expect(page.locator("main .entries")).to_contain_text("Hello {{name}}!")
    assert await page.evaluate(FITS)
    await page.goto(f"{site.url}/console/conversations/{told.conversation.uid.hex}")
    await page.fill("#body", "PS: ")
    await page.click("[data-pick-pattern]")
    await page.click("#patterns button")
    await page.wait_for_selector("#dialog [name=name]")
    await page.wait_for_selector(".htmx-settling", state="detached")  # before, htmx listens to nothing in it
    await page.fill("#dialog [name=name]", "Ana")
    await page.click("button:has-text('Put it into the answer')")
    await expect(page.locator("#body")).to_have_value("PS: Hello Ana!")
    await expect(page.locator("#dialog")).not_to_be_visible()
    assert await page.evaluate(FITS)
