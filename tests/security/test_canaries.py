"""Canaries: message text, phone numbers, tokens and passwords, sent to every route in every place of a request, and
looked for where they must not sing: in logs at their most talkative, in figures, and in whatever a refusal says.
"""

import asyncio
from typing import Any

import aiohttp
import pytest

import given
from security.bodies import body_of, example_of
from security.routes import API, EDGE, Route, all_routes
from security.subjects import fill
from test_asgi import running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(900)]  # hundreds of routes, on a machine that may be busy

TEXT, PHONE, TOKEN, PASSWORD = "canary-text", "15550177042", "canary-token", "canary-password"
CANARIES = (TEXT, PHONE, TOKEN, PASSWORD)
ROUTES = [route for route in all_routes() if route.path != "/console/live"]
WHO = ("nobody", "key", "owner")

FORM = dict.fromkeys(("body", "username", "phone", "name"), TEXT) | dict.fromkeys(("password", "old", "new"), PASSWORD)
BROKEN = {
    "channel": TEXT, "to": PHONE, "type": TEXT, TEXT: PHONE, "text": {"body": [TEXT]}, "ids": [TEXT], "name": [PHONE],
}  # fmt: skip


def sung(body: Any, name: str = "") -> Any:
    """Each string of a body replaced by what must not be told on; the type of a message stays, or nothing is read."""
    if isinstance(body, dict):
        return {key: sung(value, key) for key, value in body.items()}
    if isinstance(body, list):
        return [sung(each, name) for each in body]
    if not isinstance(body, str) or name in {"type", "priority"}:
        return body
    return {"to": f"+{PHONE}", "phone": f"+{PHONE}", "channel": "front desk"}.get(name, TEXT)


def variants(route: Route, clinic: Any) -> list[dict[str, Any]]:
    """As it should be, with text and numbers of ours; then with every string wrong; then no JSON at all."""
    if route.method != "POST":
        return [{}]
    content = route.operation.get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return [body_of(route, clinic.subjects), {"data": FORM}]
    body = sung(example_of(route, content["application/json"]))
    return [{"json": body}, {"json": BROKEN}, {"data": f'{{"text": "{TEXT}", {PHONE}'.encode()}]


async def sing(
    url: str, session: aiohttp.ClientSession, route: Route, headers: dict[str, str], clinic: Any
) -> list[str]:
    """Asks in every way; returns what refusals said of the canaries. What was asked for rightly its owner may see."""
    # What somebody typed into a form stands in it again, beside what is wrong with it; a secret does not.
    told, kept = [], CANARIES if route.area in {API, EDGE} else (TOKEN, PASSWORD)
    path = await asyncio.to_thread(fill, route, {**clinic.subjects, "token": TOKEN, "sign-in": TOKEN, "rest": TEXT})
    for options in variants(route, clinic):
        for query in ({}, {"q": TEXT, "search": PHONE, "cursor": TOKEN, "metadata": TEXT}):
            async with session.request(
                route.method, url + path, params=query, headers=headers, allow_redirects=False, **options
            ) as answer:
                body = (await answer.read()).decode("utf-8", "replace")
                if answer.status >= 400:
                    told += [f"{route}: {answer.status} tells {canary}" for canary in kept if canary in body]
                    told += [f"{route}: {answer.status} names a command"] * (route.area == API and "`hailgate " in body)
    return told


async def test_no_canary_sings(store, principals, clinic, hook) -> None:
    """What the address of a form's own page says again in its field is for whoever typed it, and no refusal."""
    settings = {"HAILGATE_LOG_LEVEL": "debug", "HAILGATE_SOURCE_RATE": "100000", "HAILGATE_SIGN_IN_RATE": "100000"}
    ways = {who: principals[who].headers for who in WHO} | {
        "a made-up key": {"Authorization": f"Bearer hg_{TOKEN}_{TOKEN}"},
        "a made-up session": {"Cookie": f"hailgate={TOKEN}"},
    }
    told = []
    async with running("serve", **settings) as process, aiohttp.ClientSession() as session:
        await process.ready(session)
        for headers in ways.values():
            for route in ROUTES:
                if route.area in {API, EDGE} or ("sign-out" not in route.path and "logout" not in route.path):
                    told += await sing(process.url, session, route, headers, clinic)
        async with session.get(f"{process.url}/v1/messages", headers=ways["key"]) as answer:
            assert PHONE in await answer.text()  # they did get in
        body = given.text_webhook(TEXT, sender=PHONE, name=TEXT)
        for signed in (given.signed(body), given.signed(body, TOKEN)):
            async with session.post(process.url + hook.path, data=body, headers=signed) as answer:
                assert answer.status in {200, 401}
        async with session.get(f"{process.url}/metrics") as answer:
            assert answer.status == 200
            figures = await answer.text()
        process.terminate()
        assert await process.ended() == 0
    assert told == []
    logged = "".join(process.lines)
    assert len(process.lines) > 100
    keys = [headers["Authorization"].split()[1] for headers in ways.values() if "Authorization" in headers]
    sessions = [headers["Cookie"].split("=")[1].partition(";")[0] for headers in ways.values() if "Cookie" in headers]
    secrets = {*CANARIES, *keys, *sessions, hook.token, given.APP_SECRET, given.VERIFY_TOKEN, *clinic.secrets}
    assert {secret for secret in secrets if secret in logged} == set()
    assert {secret for secret in secrets if secret in figures} == set()
