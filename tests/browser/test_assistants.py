"""Assistants and budgets in a real browser: switch, budget, plot and try-out, on a desk and on a dark telephone."""

import asyncio
import time

import pytest
from playwright.async_api import expect

from api.conftest import told  # noqa: F401 -- a fixture
from browser.conftest import PHONE, OpenPage
from browser.test_queue import link  # noqa: F401 -- a fixture

pytestmark = pytest.mark.anyio

DESK = {"width": 1280, "height": 800}
FITS = "document.documentElement.scrollWidth <= window.innerWidth"


def prepare(tenant_id: int, conversation) -> None:
    from hailgate.assistant.contract import Usage
    from hailgate.messaging.assistants.answers import AnswerRecord, TurnPlace, record_answers
    from hailgate.messaging.assistants.registry import add_assistant
    from hailgate.messaging.store.sql import atomic_cursor

    script = '[{"pattern": "open", "reply": "Until six."}]'
    add_assistant(tenant_id, "clinic", {"vendor": "scripted", "script": script})
    place = TurnPlace(tenant_id, conversation.id, conversation.channel_id, 1, 1, 0)
    record = AnswerRecord("answered", "", "clinic", None, False, Usage("openai", "one", 1, 900, 100), 0.5)
    with atomic_cursor() as cursor:
        record_answers(cursor, [(place, record)], time.time())


@pytest.mark.parametrize("size", [DESK, {"width": PHONE[0], "height": PHONE[1], "dark": True}], ids=["desk", "phone"])
async def test_budgets_and_a_try_out(site, link, told, open_page: OpenPage, size: dict) -> None:  # noqa: F811
    await asyncio.to_thread(prepare, told.conversation.tenant_id, told.conversation)
    page = await open_page(f"{site.url}{link}", **size)
    await page.goto(f"{site.url}/console/assistants")
    await expect(page.locator("[data-days] canvas")).to_have_count(1)
    await page.fill("[name=most]", "1000")
    await page.click("button:has-text('Set the budget')")
    await expect(page.locator("text=0 of 1000")).to_be_visible()
    assert await page.evaluate(FITS)
    await page.click("button:has-text('Stop all assistants at once')")
    await page.click("button:has-text('Let them answer again')")
    await page.click("main a:has-text('clinic')")
    await page.fill("[name=text]", "Are you open?")
    await page.click("button:has-text('Ask it')")
    await expect(page.locator("#tried")).to_contain_text("Until six.")
    assert await page.evaluate(FITS)


def answer(channel) -> None:
    """What the assistant of the record above said."""
    from messaging import acting

    acting.send(channel, 1, "Until six.", sender="clinic", answered_by="clinic", cause=1)


@pytest.mark.parametrize("dark", [False, True])
async def test_why_an_answer_was_given(site, link, channel, told, open_page, dark: bool) -> None:  # noqa: F811, PLR0917
    from browser.test_console_walks import violations

    await asyncio.to_thread(prepare, told.conversation.tenant_id, told.conversation)
    await asyncio.to_thread(answer, channel)
    page = await open_page(f"{site.url}{link}", width=PHONE[0], height=PHONE[1], dark=dark)
    await page.goto(f"{site.url}/console/conversations/{told.conversation.uid.hex}")
    await page.click("button.why")
    await expect(page.locator("dl.why")).to_contain_text("openai one")
    assert await page.evaluate(FITS)
    assert await violations(page) == []
