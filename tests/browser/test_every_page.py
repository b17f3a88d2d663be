"""Every page of the console that the URL configuration has is open to everybody: axe finds nothing, light or dark.

What answers a whole page when it is asked for is one, so that a new page cannot be forgotten.
"""

import asyncio

import pytest
from playwright.async_api import Page

# A clinic with a conversation, a dead message and a parked one.
from api.conftest import told  # noqa: F401 -- a fixture
from browser.conftest import OpenPage
from browser.test_console_walks import NARROW, violations
from browser.test_queue import link  # noqa: F401 -- a fixture
from pairing import pairs_phones
from security.routes import CONSOLE, django_routes
from security.subjects import fill, find_subjects

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

# What is looked at without a session, or ends it, or asks for ever.
ELSEWHERE = {"/console/sign-out", "/console/live"}
WIDE = {"width": 1280, "height": 800}


async def list_pages(page: Page, url: str, subjects: dict) -> list[str]:
    """Their paths. What is a part of a page, leads elsewhere or is posted to is none."""
    paths = {fill(route, subjects) for route in django_routes() if route.area == CONSOLE} - ELSEWHERE
    paths |= {f"/console/channels/new/{provider}" for provider in ("cloud", "twilio", "evolution", "wppconnect")}
    found = []
    for path in sorted(paths):
        answer = await page.request.get(url + path, max_redirects=0)
        if answer.status == 200 and "<html" in await answer.text():
            found.append(path)
    return found


@pytest.mark.parametrize("dark", [False, True])
async def test_every_page_is_open_to_everybody(  # noqa: PLR0917 -- fixtures
    site,
    link,  # noqa: F811
    channel,
    told,  # noqa: F811
    open_page: OpenPage,
    monkeypatch,
    dark,
) -> None:
    pairs_phones(monkeypatch)
    subjects = await asyncio.to_thread(find_subjects, told)
    page = await open_page(f"{site.url}{link}", dark=dark, **(NARROW if dark else WIDE))
    pages = await list_pages(page, site.url, subjects)
    found = {}
    for path in pages:
        await page.goto(site.url + path)
        await page.wait_for_selector("h1", state="attached")
        if bad := await violations(page):
            found[path] = bad
    assert found == {}
    assert len(pages) >= 20, pages
