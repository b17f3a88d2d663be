"""The business's own phones on the page: a code is scanned, the session is cut off and unlinked."""

import pytest
from playwright.async_api import Page

from browser.conftest import OpenPage
from simulator.business import Business
from simulator.driver import NUMBER
from simulator.session_driver import INSTANCE, EvolutionDriver, evolution_channel

pytestmark = pytest.mark.anyio


@pytest.fixture
async def page(evolution: EvolutionDriver, business: Business, open_page: OpenPage) -> Page:
    """Of an instance that no phone is linked to yet."""
    await evolution.expect("PUT", "/_sim/channels", [])
    await evolution.expect("POST", "/_sim/reset")
    await evolution.expect("PUT", "/_sim/channels", [evolution_channel(business.url, starts="unpaired")])
    page = await open_page(evolution.url)
    await page.wait_for_selector(".session", state="attached")
    return page


async def show_code(evolution: EvolutionDriver, page: Page) -> None:
    """Until it is drawn: one that is scanned before is asked for in vain."""
    await evolution.ask("GET", f"/instance/connect/{INSTANCE}")
    await page.locator(".session img.qr").evaluate("image => image.decode()")


async def test_a_code_is_scanned_by_a_press(evolution: EvolutionDriver, page: Page):
    assert "not linked" in (await page.locator(".session").text_content() or "")
    await evolution.ask("GET", f"/instance/connect/{INSTANCE}?number={NUMBER}")
    code = page.locator(".session img.qr")
    await code.wait_for()
    assert await code.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    assert "Pairing code" in (await page.locator(".session").text_content() or "")
    await page.get_by_role("button", name="Scan").click()
    await page.locator(".session small", has_text="connected").wait_for()
    assert await code.count() == 0
    await page.get_by_role("button", name="Cut off").click()
    await page.locator(".session small", has_text="not connected").wait_for()


async def test_it_is_unlinked_by_a_press(evolution: EvolutionDriver, page: Page):
    await show_code(evolution, page)
    await evolution.scan()
    await page.get_by_role("button", name="Unlink").click()
    await page.locator(".session small", has_text="not linked").wait_for()


async def test_a_poll_is_answered_by_a_press(evolution: EvolutionDriver, page: Page):
    await show_code(evolution, page)
    await evolution.scan()
    await evolution.accepted("sendPoll", name="Which day?", selectableCount=1, values=["Monday", "Tuesday"])
    await page.get_by_role("button", name="Tuesday").click()
    await page.locator(".from_phone", has_text="Voted: Tuesday").wait_for()


async def test_several_options_of_a_poll_are_one_vote(evolution: EvolutionDriver, page: Page):
    await show_code(evolution, page)
    await evolution.scan()
    days = ["Monday", "Tuesday", "Friday"]
    await evolution.accepted("sendPoll", name="Which days?", selectableCount=2, values=days)
    for day in ("Friday", "Monday"):
        await page.get_by_label(day).check()
    assert await page.get_by_label("Tuesday").is_disabled()
    await page.get_by_role("button", name="Vote").click()
    await page.locator(".from_phone", has_text="Voted: Monday, Friday").wait_for()
    for day in ("Friday", "Monday"):
        await page.get_by_label(day).uncheck()
    await page.get_by_role("button", name="Vote").click()
    await page.locator(".from_phone", has_text="Vote taken back").wait_for()


async def test_where_no_phone_is_linked_nothing_is_shown(sim, open_page: OpenPage):
    page = await open_page(sim.url)
    await page.wait_for_selector("#phones li")
    assert await page.locator("#pairing-panel").is_hidden()
