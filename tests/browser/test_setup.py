"""Each provider's channel is set up in a browser against the simulator, on a desk and on a telephone."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from django.test import override_settings
from playwright.async_api import Page, expect

from browser.conftest import PHONE, OpenPage
from browser.test_console import operator  # noqa: F401 -- a fixture
from serving import Site, serving
from simulator.conftest import simulator_url  # noqa: F401 -- a fixture
from simulator.driver import NUMBER, Driver

pytestmark = pytest.mark.anyio

FILLED = {
    "cloud": {
        "number": "+15550100000", "phone_number_id": "106500000000001", "access_token": "EAAG-of-the-desk",
        "app_secret": "of-the-app", "waba_id": "102290129340398",
    },
    "twilio": {"number": "+15550100001", "account_sid": "AC" + "0" * 32, "auth_token": "of-the-account"},
    "evolution": {"instance": "clinic", "api_key": "of-the-server"},
    "wppconnect": {"session": "clinic", "secret_key": "of-the-server"},
}  # fmt: skip
DESK = {"width": 1280, "height": 800}


class Clinic(NamedTuple):
    site: Site
    sim: Driver
    link: str


@pytest.fixture
async def clinic(operator, simulator_url: str) -> AsyncIterator[Clinic]:  # noqa: F811
    import asyncio

    from hailgate.accounts.operators import make_sign_in_link
    from hailgate.asgi import create_app
    from hailgate.settings import ENV

    ends = []
    host = simulator_url.removeprefix("http://")
    async with (
        serving(create_app(ENV, with_worker=True, at_stop=ends.append), ends) as site,
        Driver(simulator_url) as sim,
    ):
        await sim.expect("POST", "/_sim/reset")
        token = await asyncio.to_thread(lambda: make_sign_in_link(operator, reusable=True))
        there = {"PROVIDER_HOSTS": frozenset({host}), "PUBLIC_URL": site.url, "REACHED_AT": site.url}
        with override_settings(**there):
            yield Clinic(site, sim, f"{site.url}/console/sign-in/{token}")
        await sim.expect("POST", "/_sim/reset")


@pytest.mark.parametrize("size", [DESK, {"width": PHONE[0], "height": PHONE[1], "dark": True}], ids=["desk", "phone"])
@pytest.mark.parametrize("provider", FILLED)
async def test_a_channel_is_set_up(clinic: Clinic, open_page: OpenPage, provider: str, size: dict) -> None:
    page = await open_page(clinic.link, **size)
    spoken = {each["name"]: each for each in await clinic.sim.expect("GET", "/_sim/providers")}[provider]
    await page.goto(f"{clinic.site.url}/console/channels")
    await page.click("a:has-text('Set one up')")
    await page.click(f"a[href$='/new/{provider}']")
    await page.fill("[name=name]", "front desk")
    for name, value in {**FILLED[provider], "api_url": spoken["api_url"]}.items():
        await page.fill(f"[name={name}]", value)
    await keep(page, f"{provider}-form")
    await page.click("button:has-text('Make the channel')")
    await page.click("button:has-text('Show the address')")
    address = await page.locator("#told-url").inner_text()
    assert address.startswith(f"{clinic.site.url}/hooks/")
    if provider == "cloud":
        await register(clinic, page, address, spoken)
    await page.click("button:has-text('Check it')")
    if provider == "cloud":
        await expect(page.locator("#checks .fine")).to_have_count(2)
    else:  # whom nobody registered at the provider: it says so, and in a sentence of ours
        await expect(page.locator("#checks .bad")).not_to_have_count(0)
    await keep(page, f"{provider}-steps")
    if await page.locator("a:has-text('Pair a phone')").count():
        await page.click("a:has-text('Pair a phone')")
        await page.wait_for_selector("button:has-text('Pair a phone')")
    fits = "document.documentElement.scrollWidth <= window.innerWidth"
    assert await page.evaluate(fits)


@pytest.mark.parametrize(
    "size",
    [DESK, {**DESK, "dark": True}, {"width": PHONE[0], "height": PHONE[1]}],
    ids=["desk", "dark desk", "phone"],
)
@pytest.mark.parametrize("provider", ["evolution", "wppconnect"])
async def test_a_phone_is_paired(clinic: Clinic, open_page: OpenPage, provider: str, size: dict) -> None:
    page = await open_page(clinic.link, **size)
    spoken = {each["name"]: each for each in await clinic.sim.expect("GET", "/_sim/providers")}[provider]
    known = {"provider": provider, "number": NUMBER, "webhook_url": f"{clinic.site.url}/hooks/none"}
    credentials = {**FILLED[provider], "starts": "unpaired"}
    await clinic.sim.expect("PUT", "/_sim/channels", [{**known, "credentials": credentials}])
    await page.goto(f"{clinic.site.url}/console/channels/new/{provider}")
    await page.fill("[name=name]", "front desk")
    for name, value in {**FILLED[provider], "api_url": spoken["api_url"]}.items():
        await page.fill(f"[name={name}]", value)
    await page.click("button:has-text('Make the channel')")
    await page.click("a:has-text('Pair a phone')")
    shade = "dark" if size.get("dark") else "light"
    await keep(page, f"{provider}-unpaired-{shade}")
    await page.click("button:has-text('Pair a phone')")
    await page.wait_for_selector("#session .code svg")
    await keep(page, f"{provider}-code-{shade}")
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    await clinic.sim.expect("POST", f"/_sim/channels/{NUMBER}/scan", {})
    await page.wait_for_selector("#session .badge.fine")
    assert f"+{NUMBER}" in await page.locator("#session").inner_text()
    assert await page.locator("#session .code").count() == 0
    await keep(page, f"{provider}-open-{shade}")


async def test_a_channel_is_changed_paused_and_removed(clinic: Clinic, open_page: OpenPage) -> None:
    page = await open_page(clinic.link, width=PHONE[0], height=PHONE[1])
    spoken = {each["name"]: each for each in await clinic.sim.expect("GET", "/_sim/providers")}["twilio"]
    await page.goto(f"{clinic.site.url}/console/channels/new/twilio")
    for name, value in {"name": "front desk", **FILLED["twilio"], "api_url": spoken["api_url"]}.items():
        await page.fill(f"[name={name}]", value)
    await page.click("button:has-text('Make the channel')")
    await page.click("a:has-text('Change')")
    assert await page.input_value("[name=auth_token]") == ""  # it is kept, and not shown
    await page.fill("[name=name]", "reception")
    await page.fill("[name=rate]", "20")
    await keep(page, "edit")
    await page.click("button:has-text('Save')")
    await expect(page.locator("h1")).to_have_text("reception")
    await page.goto(f"{clinic.site.url}/console/channels")
    card = page.locator(".channels > li", has_text="reception")
    await card.locator("button:has-text('Pause')").click()
    await expect(card.locator(".badge.bad")).to_have_count(1)
    await keep(page, "paused")
    await card.locator("button:has-text('Let it go on')").click()
    await expect(card.locator("button:has-text('Pause')")).to_have_count(1)
    await card.locator("a:has-text('Set up')").click()
    await page.click("a:has-text('Change')")
    await page.click("a:has-text('Remove this channel')")
    await keep(page, "remove")
    await page.click("button:has-text('Remove it')")
    await page.wait_for_url("**/console/channels")
    await expect(page.locator(".channels > li a:has-text('Set up')")).to_have_count(0)
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


async def register(clinic: Clinic, page: Page, address: str, spoken: dict) -> None:
    """As somebody does who enters address and word at the provider."""
    word = await page.locator("#told-1").inner_text()
    known = {**FILLED["cloud"], "verify_token": word}
    wanted = {each["name"]: known[each["name"]] for each in spoken["credentials"] if each["name"] in known}
    document = {"provider": "cloud", "number": "15550100000", "webhook_url": address, "credentials": wanted}
    await clinic.sim.expect("PUT", "/_sim/channels", [document])


async def test_what_is_missing_is_told_at_its_field(clinic: Clinic, open_page: OpenPage, witness) -> None:
    page = await open_page(clinic.link, **DESK)
    await page.goto(f"{clinic.site.url}/console/channels/new/cloud")
    for name, value in {"name": "front desk", **FILLED["cloud"], "phone_number_id": "no id"}.items():
        await page.fill(f"[name={name}]", value)
    await page.click("button:has-text('Make the channel')")
    await page.wait_for_selector("#why-phone_number_id")
    assert await page.input_value("[name=name]") == "front desk"
    assert await page.input_value("[name=access_token]") == ""
    witness.complaints.clear()  # a browser says of every 422 that it failed


async def test_team_and_keys(clinic: Clinic, open_page: OpenPage) -> None:
    page = await open_page(clinic.link, **DESK)
    await page.click(".self summary")
    await page.click("a:has-text('Team')")
    await page.fill("[name=email]", "ben@clinic.example")
    await page.click("button:has-text('Add them')")
    await page.wait_for_selector("#told-link")
    await keep(page, "team")
    await page.click(".self summary")
    await page.click("a:has-text('API keys')")
    await page.fill("[name=name]", "shop")
    await page.click("button:has-text('Make a key')")
    await page.wait_for_selector("#told-key")
    await keep(page, "keys")


async def keep(page: Page, name: str) -> None:
    """A picture to look at, where somebody wants some."""
    if folder := os.environ.get("HAILGATE_TEST_PICTURES"):
        width, height = await page.evaluate("[window.innerWidth, window.innerHeight]")
        whole = await page.evaluate("Math.max(...[...document.querySelectorAll('*')].map((each) => each.scrollHeight))")
        await page.set_viewport_size({"width": width, "height": max(height, whole + 100)})  # its middle scrolls
        await page.screenshot(path=Path(folder) / f"setup-{name}-{width}.png")
        await page.set_viewport_size({"width": width, "height": height})
