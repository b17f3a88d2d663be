"""The console for everybody: without a mouse, without good eyes, beside colleagues, and with a line that breaks."""

import asyncio
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.async_api import Page, expect

from browser.conftest import OpenPage, Witness, wait_until
from browser.test_console import WIDE, Desk, add_template, desk, operator, sign_in, wired  # noqa: F401

pytestmark = pytest.mark.anyio

AXE = Path(axe_playwright_python.__path__[0]) / "axe.min.js"
NARROW = {"width": 390, "height": 844}
# Rules of WCAG 2.2 up to AA, and what axe calls best practice.
RUN = (
    "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations.map(each => "
    "[each.id, each.nodes.map(node => node.html.slice(0, 160))]))"
)


async def violations(page: Page) -> list:
    await page.evaluate(AXE.read_text())
    return await page.evaluate(RUN)


async def look(page: Page, address: str, found: dict) -> None:
    await page.goto(address)
    await page.wait_for_load_state("networkidle")
    if bad := await violations(page):
        found[address.partition("/console")[2] or address] = bad


@pytest.mark.parametrize("dark", [False, True])
async def test_a_conversation_keeps_nothing_from_anybody(desk: Desk, open_page: OpenPage, dark: bool) -> None:  # noqa: F811
    await desk.sim.write("Are you open *today*?")
    await asyncio.to_thread(paused, desk.channel)
    page, found = await sign_in(desk, open_page, dark=dark, **WIDE), {}
    await page.click(".row")
    await page.wait_for_selector(".bubble")
    if bad := await violations(page):
        found["conversation"] = bad
    await page.set_viewport_size(NARROW)
    if bad := await violations(page):
        found["conversation on a phone"] = bad
    assert found == {}


@pytest.mark.parametrize("dark", [False, True])
async def test_neither_do_the_pages_before_and_the_phones(desk: Desk, open_page: OpenPage, dark: bool) -> None:  # noqa: F811
    found = {}
    page = await open_page(f"{desk.site.url}/console/sign-in", dark=dark, **NARROW)
    if bad := await violations(page):
        found["sign-in"] = bad
    await look(page, f"{desk.site.url}/console/sign-in/nobodys", found)
    phones = await open_page(desk.sim.url, dark=dark, **NARROW)
    await phones.wait_for_selector(".person")
    if bad := await violations(phones):
        found["phones"] = bad
    assert found == {}


def paused(channel) -> None:
    from hailgate.messaging.models import Channel

    Channel.objects.filter(tenant_id=channel.tenant_id).update(paused_at=1.0, paused_reason="channel_unauthorized")


def set_operator(channel, operator) -> None:  # noqa: F811
    from hailgate.messaging.models import Conversation

    Conversation.objects.filter(tenant_id=channel.tenant_id).update(operator=operator, answered_by="person")


async def test_a_walk_with_the_keyboard_alone(desk: Desk, open_page: OpenPage) -> None:  # noqa: F811
    """Answer, take a conversation over, and send a stopped message again."""
    await desk.sim.write("Are you open?")
    page = await sign_in(desk, open_page, **WIDE)
    keys = page.keyboard
    await page.wait_for_selector(".row")
    await keys.press("j")
    await page.wait_for_selector(".bubble.theirs")
    await keys.press("r")
    await keys.type("Until six.")
    await keys.press("Enter")
    await page.wait_for_selector(".bubble.ours:has-text('Until six.')")
    await asyncio.to_thread(set_operator, desk.channel, None)
    await give_to_assistant(desk)
    await page.reload()
    await page.wait_for_selector("#handover button:has-text('Take over')")
    await tab_to(page, "Take over")
    await keys.press("Enter")
    await page.wait_for_selector("#handover button:has-text('Give back')")
    await asyncio.to_thread(bury, desk.channel)
    await page.goto(f"{desk.site.url}/console/dead-letters")
    await tab_to_box(page)
    await keys.press("Space")
    await tab_to(page, "Send again", back=True)
    await keys.press("Enter")
    await page.wait_for_selector("text=1 message will be sent again.")


async def give_to_assistant(desk: Desk) -> None:  # noqa: F811
    def give() -> None:
        from hailgate.messaging.models import Conversation

        Conversation.objects.filter(tenant_id=desk.channel.tenant_id).update(answered_by="scripted")

    await asyncio.to_thread(give)


def bury(channel) -> None:
    """A message that was given up."""
    from hailgate.messaging.models import Work, WorkKind, WorkState
    from messaging.acting import send

    row = send(channel, 1, "Hello?", send_at=9_999_999_999.0)
    Work.objects.filter(tenant_id=row.tenant_id, message_id=row.pk, kind=WorkKind.DELIVERY).update(
        state=WorkState.DEAD, code="provider_unavailable", due_at=0
    )


async def tab_to(page: Page, words: str, *, back: bool = False) -> None:
    for _ in range(60):
        await page.keyboard.press("Shift+Tab" if back else "Tab")
        if words in await page.evaluate("document.activeElement.textContent || ''"):
            return
    pytest.fail(f"the keyboard does not reach {words}")


async def tab_to_box(page: Page) -> None:
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.name === 'message'"):
            return
    pytest.fail("the keyboard does not reach the first message")


async def test_a_draft_stays_with_its_conversation(desk: Desk, open_page: OpenPage) -> None:  # noqa: F811
    await desk.sim.write("Hello")
    page = await sign_in(desk, open_page, **WIDE)
    await page.click(".row")
    await page.wait_for_selector(".bubble")
    await page.fill("#body", "Half an answer")
    await page.goto(f"{desk.site.url}/console/channels")
    await page.goto(f"{desk.site.url}/console/conversations")
    await page.click(".row")
    await expect(page.locator("#body")).to_have_value("Half an answer")
    await page.reload()
    await expect(page.locator("#body")).to_have_value("Half an answer")
    await page.press("#body", "Enter")
    await page.wait_for_selector(".bubble.ours:has-text('Half an answer')")
    await page.reload()
    await page.wait_for_selector(".bubble.ours")
    await expect(page.locator("#body")).to_have_value("")


async def test_an_answer_is_tried_again_when_the_line_is_back(
    desk: Desk,  # noqa: F811
    open_page: OpenPage,
    witness: Witness,
) -> None:
    await desk.sim.write("Hello")
    page = await sign_in(desk, open_page, **WIDE)
    await page.click(".row")
    await page.wait_for_selector(".bubble")
    await page.fill("#body", "Still there?")
    await page.context.set_offline(True)
    await page.press("#body", "Enter")
    await page.wait_for_selector("#problem:has-text('Trying again')")
    await page.context.set_offline(False)
    await page.wait_for_selector(".bubble.ours:has-text('Still there?')")
    assert await page.locator(".bubble.ours").count() == 1
    await expect(page.locator("#problem")).to_be_empty()
    assert any("ERR_INTERNET_DISCONNECTED" in words for words in witness.complaints)
    witness.complaints.clear()  # a browser says so itself, for each request that found no line


@pytest.mark.parametrize("status", [502, 503, 504, 429])
async def test_what_a_proxy_says_of_a_server_that_is_away_is_tried_again(
    desk: Desk,  # noqa: F811
    open_page: OpenPage,
    witness: Witness,
    status: int,
) -> None:
    page = await at_the_box(desk, open_page)
    await page.route("**/reply", lambda route: route.fulfill(status=status, body="<h1>Away</h1>"), times=1)
    await page.fill("#body", "Still there?")
    await page.press("#body", "Enter")
    await page.wait_for_selector("#problem:has-text('Trying again')")
    await page.wait_for_selector(".bubble.ours:has-text('Still there?')")
    await expect(page.locator("#problem")).to_be_empty()
    assert await page.locator(".bubble.ours").count() == 1
    forget(witness, str(status))


@pytest.mark.parametrize("status", [500, 413, 403])
async def test_what_is_refused_is_said_at_the_box_and_stays_there(
    desk: Desk,  # noqa: F811
    open_page: OpenPage,
    witness: Witness,
    status: int,
) -> None:
    page = await at_the_box(desk, open_page)
    await page.route("**/reply", lambda route: route.fulfill(status=status, body="<h1>No</h1>"))
    await page.fill("#body", "Still there?")
    await page.press("#body", "Enter")
    await page.wait_for_selector("#problem:has-text('Not sent.')")
    await page.wait_for_selector("#preview:has-text('Still there?')")  # a preview takes nothing back
    await expect(page.locator("#problem")).to_have_text("Not sent.")
    await expect(page.locator("#body")).to_have_value("Still there?")
    forget(witness, str(status))


async def test_what_is_not_tried_again_does_not_say_so(desk: Desk, open_page: OpenPage, witness: Witness) -> None:  # noqa: F811
    page = await at_the_box(desk, open_page)
    await page.route("**/react", lambda route: route.fulfill(status=502, body="<h1>Away</h1>"))
    await page.locator(".bubble.theirs [data-react]").dispatch_event("click")
    await page.click("#reacting [name=emoji] >> nth=0")
    await page.wait_for_selector("#toasts:has-text('That was not done')")
    forget(witness, "502")


async def test_the_second_of_two_clicks_says_nothing(desk: Desk, open_page: OpenPage) -> None:  # noqa: F811
    page = await at_the_box(desk, open_page)
    await page.fill("#body", "Once")
    await page.dblclick(".send")
    await page.wait_for_selector(".bubble.ours:has-text('Once')")
    await page.click(".send")  # a slow second click: the answer has gone
    await page.fill("#body", "Twice")
    await page.press("#body", "Enter")
    await page.wait_for_selector(".bubble.ours:has-text('Twice')")
    await expect(page.locator("#problem")).to_be_empty()
    assert await page.locator(".bubble.ours").count() == 2


async def at_the_box(desk: Desk, open_page: OpenPage) -> Page:  # noqa: F811
    await desk.sim.write("Hello")
    page = await sign_in(desk, open_page, **WIDE)
    await page.click(".row")
    await page.wait_for_selector(".bubble")
    return page


def forget(witness: Witness, words: str) -> None:
    """A browser says so itself, for each request that failed."""
    assert all(words in said for said in witness.complaints)
    witness.complaints.clear()


async def test_the_enter_that_ends_a_composition_sends_nothing(desk: Desk, open_page: OpenPage) -> None:  # noqa: F811
    await desk.sim.write("Hello")
    page = await sign_in(desk, open_page, **WIDE)
    await page.click(".row")
    await page.wait_for_selector(".bubble")
    await page.fill("#body", "にほんご")
    ending = "new KeyboardEvent('keydown', {key: 'Enter', keyCode: 229, bubbles: true})"
    await page.evaluate(f"document.querySelector('#body').dispatchEvent({ending})")
    await expect(page.locator("#body")).to_have_value("にほんご")
    await page.fill("#body", "x" * (4 * 4_096 + 1))
    await page.wait_for_selector("#problem:has-text('Too long by this many characters: 1')")
    assert await page.is_disabled(".send")


async def test_a_colleague_and_a_paused_channel_are_seen(desk: Desk, open_page: OpenPage, tenant) -> None:  # noqa: F811
    from hailgate.accounts.operators import add_operator

    await desk.sim.write("Hello")
    colleague = await asyncio.to_thread(add_operator, tenant.pk, "otto@clinic.example", name="Otto")
    page = await sign_in(desk, open_page, **WIDE)
    await page.wait_for_selector(".row")
    await asyncio.to_thread(set_operator, desk.channel, colleague)
    await asyncio.to_thread(paused, desk.channel)
    await page.reload()
    await page.wait_for_selector(".row .tag:text('Otto')")
    await page.wait_for_selector("#paused:has-text('is paused: nothing leaves.')")
    await page.wait_for_selector(".rail .count.bad:has-text('1')")
    await page.click(".row")
    await page.wait_for_selector("#window:has-text('Otto has this conversation')")
    await page.wait_for_selector("#handover:has-text('Otto')")
    await page.fill("#body", "I take this one")
    await page.press("#body", "Enter")
    await page.wait_for_selector("#handover button:has-text('Give back')")
    await wait_until(page, "!document.querySelector('#window').textContent.includes('Otto')")
