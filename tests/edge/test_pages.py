"""What people read works in a browser under its own policy, and asks nobody else for anything."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

CHROMIUM = Path("/usr/bin/chromium")
ABSENT = f"no Chromium at {CHROMIUM}"


@pytest.fixture
async def page() -> AsyncIterator[Any]:
    if not CHROMIUM.exists():
        if os.environ.get("HAILGATE_TEST_REQUIRE") == "all":
            pytest.fail(ABSENT)
        pytest.skip(ABSENT)
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page()
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        yield page
        await browser.close()


async def test_the_reader_shows_every_operation_and_can_call_it(site, key, channel, page) -> None:
    from hailgate import urls

    await page.goto(f"{site.url}/v1/docs")
    await page.locator(".opblock").first.wait_for()
    operations = sum(len(methods) for methods in urls.render_openapi()["paths"].values())
    assert await page.locator(".opblock").count() == operations

    await page.get_by_role("button", name="Authorize").click()
    await page.locator(".auth-container input").fill(key)
    await page.locator(".auth-btn-wrapper .authorize").click()
    await page.locator(".btn-done").click()
    listing = page.locator("#operations-Channels-list_channels")
    await listing.locator(".opblock-summary-control").click()
    await listing.get_by_role("button", name="Try it out").click()
    await listing.get_by_role("button", name="Execute").click()
    await listing.locator(".live-responses-table").get_by_text("front desk").first.wait_for()
    assert page.complaints == []
    assert {url.startswith((site.url, "data:")) for url in page.asked} == {True}


@pytest.mark.parametrize("path", ["/", "/v1/docs/errors"])
async def test_pages_are_styled_in_light_and_dark_without_complaint(site, page, path: str) -> None:
    colours = []
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        await page.goto(site.url + path)
        colours.append(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(set(colours)) == 2
    assert "rgba(0, 0, 0, 0)" not in colours
    assert page.complaints == []
