"""The page of people and the thread of somebody who was joined, in a real browser."""

import asyncio
import os
import time
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from browser.conftest import PHONE, OpenPage
from browser.test_console import WIDE, Desk, desk, operator, sign_in, wired  # noqa: F401 -- fixtures
from hailgate.core.address import Address, AddressKind
from messaging.acting import apply, send, wrote
from messaging.test_joins import BRAZIL, BRAZIL_9, phone

pytestmark = pytest.mark.anyio

# As the simulator would tell it.
ADAS_ID = Address(AddressKind.BSUID, f"US.{phone(1).value}")
# Where pictures go for whoever wants to look at them.
PICTURES = os.environ.get("HAILGATE_TEST_PICTURES")
NO_OVERFLOW = "document.documentElement.scrollWidth <= innerWidth"


async def test_a_question_is_decided_and_a_join_undone(desk: Desk, open_page: OpenPage) -> None:  # noqa: F811
    await asyncio.to_thread(told_of_people, desk.channel)
    page = await sign_in(desk, open_page, **WIDE)
    await page.click(".rail >> text=People")
    await expect(page.locator(".pairs > li")).to_have_count(2)
    await picture(page, "people-light")
    await page.click("text=To decide (1)")
    await page.click("text=They are one person")
    await expect(page.locator("[role=status].good")).to_have_text("They are one person now.")
    await page.click("text=Part them >> nth=0")
    await expect(page.locator("[role=status].good")).to_have_text("They are two people again.")


@pytest.mark.parametrize(("width", "height", "dark"), [(*PHONE, False), (*PHONE, True), (1280, 800, True)])
async def test_it_fits_a_phone_and_the_dark(
    desk: Desk,  # noqa: F811
    open_page: OpenPage,
    width: int,
    height: int,
    dark: bool,
) -> None:
    await asyncio.to_thread(told_of_people, desk.channel)
    page = await sign_in(desk, open_page, width=width, height=height, dark=dark)
    await page.click(".rail >> text=People")
    await expect(page.locator(".pairs > li")).to_have_count(2)
    assert await page.evaluate(NO_OVERFLOW)
    await picture(page, f"people-{width}-{'dark' if dark else 'light'}")


async def test_both_histories_stand_in_one_thread_and_a_name_of_ours_above_it(
    desk: Desk,  # noqa: F811
    open_page: OpenPage,
) -> None:
    await asyncio.to_thread(told_of_people, desk.channel)
    page = await sign_in(desk, open_page, **WIDE)
    await page.click("#rows >> text=Ada")
    said = page.locator("#messages .bubble .body")
    await expect(said).to_contain_text(["Is it ready?", "And now?", "It is I.", "Tomorrow."])
    await page.click("[data-panel] >> nth=0")
    await page.fill("#own-name", "Ada Lovelace")
    await page.click(".naming button")
    await expect(page.locator(".head h1")).to_have_text("Ada Lovelace")
    await picture(page, "thread-joined")


async def test_two_are_joined_by_hand_from_the_thread(desk: Desk, open_page: OpenPage) -> None:  # noqa: F811
    def two() -> None:
        apply(desk.channel, wrote(desk.channel, 5, body="from the old phone", name="Ben"))
        apply(desk.channel, wrote(desk.channel, 6, body="from the new phone", name="Benjamin"))

    await asyncio.to_thread(two)
    page = await sign_in(desk, open_page, **WIDE)
    await page.click("#rows >> text=from the new phone")
    await page.click("[data-panel] >> nth=0")
    await page.click("text=Same person as …")
    await page.fill("#dialog-body input[type=search]", "ben")
    await picture(page, "pick")
    await page.click("#found >> text=They are one person")
    await expect(page.locator("[role=status].good")).to_have_text("They are one person now.")
    await page.click(".rail >> text=Inbox")
    await page.click("#rows >> text=from the new phone")
    await expect(page.locator("#messages .bubble")).to_have_count(2)


def told_of_people(channel) -> None:
    """One who is known by number and by id, and one who may be two."""
    now = time.time()
    for addresses, body in (((phone(1),), "Is it ready?"), ((ADAS_ID,), "And now?"), ((phone(1), ADAS_ID), "It is I.")):
        apply(channel, wrote(channel, *addresses, body=body, name="Ada", at=now))
    for spelling, body, name in ((BRAZIL, "oi", "Bia"), (BRAZIL_9, "ola", "Beatriz")):
        apply(channel, wrote(channel, spelling, body=body, name=name, at=now))
    send(channel, 1, "Tomorrow.")


async def picture(page: Page, name: str) -> None:
    if PICTURES:
        await page.screenshot(path=Path(PICTURES) / f"{name}.png")
