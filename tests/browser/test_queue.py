"""The pages of operations in a real browser: a queue that follows, and a stopped message that is changed."""

import asyncio

import pytest
from playwright.async_api import Page, expect

# A clinic with a conversation, a dead message and a parked one.
from api.conftest import told  # noqa: F401 -- a fixture
from browser.conftest import OpenPage

pytestmark = pytest.mark.anyio


@pytest.fixture
def link(tenant) -> str:
    from hailgate.accounts.operators import add_operator, make_sign_in_link

    operator = add_operator(tenant.pk, "olivia@clinic.example", name="Olivia", password="correct horse battery")
    return f"/console/sign-in/{make_sign_in_link(operator, reusable=True)}"


async def sign_in(site, link: str, open_page: OpenPage, path: str) -> Page:
    page = await open_page(f"{site.url}{link}", width=1280, height=800)
    await page.goto(f"{site.url}/console/{path}")
    return page


async def test_the_queue_follows_by_itself_and_draws(site, link, channel, told, open_page: OpenPage) -> None:  # noqa: F811
    from messaging.acting import send

    page = await sign_in(site, link, open_page, "queue")
    await page.wait_for_selector("[data-chart=all][data-value='1'] svg polyline", state="attached")
    await asyncio.to_thread(send, channel, 1, "One more")
    await page.wait_for_selector("[data-chart=all][data-value='2'] svg polyline", state="attached")
    points = await page.get_attribute("[data-chart=all] polyline", "points")
    assert len({point.split(",")[1] for point in points.split()}) == 2
    await page.click("text=Pause")
    await page.wait_for_selector("#queue .badge:text('Paused')")


async def test_a_failed_text_is_changed_in_a_dialog(site, link, told, open_page: OpenPage) -> None:  # noqa: F811
    page = await sign_in(site, link, open_page, "dead-letters?show=dead")
    await page.click("text=Change …")
    await expect(page.locator("#edit-body")).to_have_value("Hello?")
    await page.fill("#edit-body", "Are you still there?")
    await page.click("#dialog .edit button")
    await page.wait_for_selector("text=1 message will be sent again.")
