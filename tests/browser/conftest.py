"""A real Chromium, driven by Playwright: one for all tests of this folder, a fresh profile for each page.

Tests here carry the marker ``browser``. Without Chromium they are skipped and the end of the run says so;
``HAILGATE_TEST_REQUIRE=all`` fails them. ``HAILGATE_TEST_CHROMIUM`` names another program than the first on the path.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, async_playwright

from simulator.conftest import business, evolution, sim, simulator_url  # noqa: F401 - fixtures, for the page of phones

CHROMIUM = os.environ.get("HAILGATE_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ABSENT = "needs Chromium: make services installs Debian's"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"]
PHONE = (390, 844)  # CSS pixels
PATIENCE_MS = 20_000  # a bound, not a pause: a busy machine needs it

OpenPage = Callable[..., Awaitable[Page]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        refuse = pytest.fail if os.environ.get("HAILGATE_TEST_REQUIRE") == "all" else pytest.skip
        refuse(ABSENT)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


class Witness:
    """What a page did that no page of ours may do."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.dialogs: list[str] = []
        self.outside: list[str] = []

    def watch(self, page: Page, home: str) -> None:
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._look_at(request.url, home))
        page.on("dialog", self._dismiss)

    def check(self) -> None:
        assert (self.complaints, self.dialogs, self.outside) == ([], [], [])

    async def _dismiss(self, dialog) -> None:
        self.dialogs.append(dialog.message)
        await dialog.dismiss()

    def _look_at(self, url: str, home: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"data", "blob"} and parts.netloc != urlsplit(home).netloc:
            self.outside.append(url)


async def wait_until(page: Page, expression: str) -> None:
    """Playwright's own `wait_for_function` needs eval, which a strict policy forbids."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while not await page.evaluate(expression):
            await page.evaluate("new Promise(requestAnimationFrame)")


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
async def open_page(browser: Browser, witness: Witness) -> AsyncIterator[OpenPage]:
    """Opens a page as a new visitor; afterwards it has said nothing on the console and asked nobody else.

    ``await open_page(url, width=1280, height=800, dark=True)``; a test that expects a complaint takes it out of
    ``witness.complaints``.
    """
    contexts = []

    async def open_one(url: str, *, width: int = PHONE[0], height: int = PHONE[1], dark: bool = False) -> Page:
        scheme = "dark" if dark else "light"
        context = await browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        witness.watch(page, url)
        await page.goto(url)
        return page

    yield open_one
    for context in contexts:
        await context.close()
    witness.check()
