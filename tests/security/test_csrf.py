"""Forged requests: what a page of another site makes a browser send changes nothing, on any route there is."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import pytest

from security.bodies import body_of
from security.routes import ADMIN, API, CONSOLE, Route, all_routes
from security.subjects import fill, look

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(900)]  # hundreds of routes, on a machine that may be busy

POSTED = [route for route in all_routes() if route.method == "POST"]
ELSEWHERE = {"Origin": "https://elsewhere.example", "Referer": "https://elsewhere.example/a-page"}
# A form of another site can send these three types, and no header of its own.
TYPES = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain")
# It needs no session, so that there is nothing to be forged: it says whose it is, or proves what it is.
WITHOUT_SESSION = {"/hooks/{token}"}


def cookies_of(principal: Any) -> dict[str, str]:
    """All that a browser adds by itself."""
    return {"Cookie": principal.headers["Cookie"], **ELSEWHERE}


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("who", ["owner", "installation's owner"])
async def test_a_page_of_another_site_changes_nothing(  # noqa: PLR0917 -- fixtures
    db, open_site, principals, clinic, who: str, type_: str
) -> None:
    before = await db(look, clinic.tenant_id)
    answers = {}
    for route in POSTED:
        path = await asyncio.to_thread(fill, route, clinic.subjects)
        headers = {**cookies_of(principals[who]), "Content-Type": type_}
        answers[str(route)] = await open_site.ask(
            "POST", path, headers=headers, data=forged_body(route, clinic), allow_redirects=False
        )
    assert {path: answer for path, answer in answers.items() if not is_refused(path, answer)} == {}
    assert await db(look, clinic.tenant_id) == before
    own = await open_site.get("/console/conversations", headers=principals[who].headers, allow_redirects=False)
    assert own.status == 200  # nor was anybody signed out


def forged_body(route: Route, clinic: Any) -> str:
    form = {} if route.operation else body_of(route, clinic.subjects)["data"]
    return urlencode(form) or "{}"


def is_refused(path: str, answer: Any) -> bool:
    """405: nothing is ever posted there. 401: a session is no key. Redirects of no consequence lead to a page."""
    leads_on = answer.status == 302 and path.removeprefix("POST ") in {"/console", "/console/", "/admin"}
    return answer.status in {401, 403, 404, 405} or leads_on


async def test_with_its_own_token_the_same_is_taken(open_site, principals, clinic) -> None:
    """Or the test above would say nothing."""
    answers = []
    for route in POSTED:
        if route.area != CONSOLE or route.path.endswith(("sign-out", "account", "sign-in")):
            continue
        path = await asyncio.to_thread(fill, route, clinic.subjects)
        options = body_of(route, clinic.subjects)
        headers = principals["owner"].headers
        answers.append(await open_site.ask("POST", path, headers=headers, allow_redirects=False, **options))
    statuses = [answer.status for answer in answers]
    assert 403 not in statuses
    assert sum(status not in {404, 405} for status in statuses) >= 20


def test_every_route_that_is_posted_to_is_tried() -> None:
    by_area = {area: sum(route.area == area for route in POSTED) for area in (API, CONSOLE, ADMIN)}
    assert by_area[API] >= 20
    assert by_area[CONSOLE] >= 40
    assert by_area[ADMIN] >= 100


def test_whoever_changes_the_document_says_whose_it_is(clinic) -> None:
    """Every operation that changes a thing wants a Bearer key, which no browser sends by itself."""
    changing: list[Route] = [route for route in POSTED if route.area == API]
    assert all(route.operation["security"] == [{"BearerKey": []}] for route in changing)
