"""Tenant isolation: every route by every principal. What is another's is neither seen nor changed, on any of them."""

import asyncio
from typing import Any

import pytest

from security.bodies import body_of
from security.conftest import Clinic, Principal
from security.routes import ADMIN, API, CONSOLE, EDGE, Route, all_routes, is_documented
from security.subjects import fill, look
from serving import Answer, Site

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(900)]  # hundreds of routes, on a machine that may be busy

ROUTES = all_routes()
# What a path names that a tenant calls its own as it likes: another's of the same name is another one.
OWN_NAMES = {"name", "language"}
UNKNOWN = ("nobody", "wrong key", "revoked key", "made-up session", "shut out")
STRANGERS = ("other tenant's key", "other tenant's owner", "other tenant's agent")
# What anybody may see, in the console and at the edge. The rest of the edge's doors have a proof of their own:
# a hook its token and signature, a link its token, figures theirs.
OPEN = {
    "/", "/icon.svg", "/favicon.ico", "/v1/docs", "/v1/docs/errors", "/v1/docs/assets/{name}", "/livez", "/readyz",
    "/readyz/hooks", "/health", "/metrics", "/console/sign-in", "/console/sign-in/<str:token>",
}  # fmt: skip
BY_TOKEN = {"/hooks/{token}", "/hooks/{token}/{rest:path}", "/media/{token}", "/files/{token}"}
# Where an agent works. Every other page of the console is its owners' until it is named here.
FOR_AGENTS = {
    "", "sign-out", "account", "tenant", "live", "media", "conversations", "conversations/list",
    "conversations/preview", "media/<str:uid>", "messages/<str:uid>/cancel", "messages/<str:uid>/timeline",
    "messages/<str:uid>/why",
    "dead-letters", "dead-letters/dismiss", "dead-letters/revive", "dead-letters/revive-all", "dead-letters/export",
    "channels", "queue", "overview", "people", "people/join",
}  # fmt: skip
# These lead elsewhere, and those need a phone that is paired, or a file that lies in the store of files.
LEADING = {"/console", "/console/", "/console/media/<str:uid>"}
NOT_OF_CLOUD = ("/session", "/session/code", "/session/part", "/media/{media_id}")
FOR_AGENTS_BELOW = ("conversations/<str:uid>", "dead-letters/<str:uid>/", "people/<str:uid>/")


async def ask(site: Site, route: Route, principal: Principal, clinic: Clinic) -> Answer:
    """A stream is looked at until it says nothing more for a moment."""
    path = await asyncio.to_thread(fill, route, clinic.subjects)
    if route.path == "/console/live":
        return await glance(site, principal)
    options = body_of(route, clinic.subjects) if route.method == "POST" else {}
    return await site.ask(
        route.method, path, headers={"Accept": "text/html", **principal.headers}, allow_redirects=False, **options
    )


async def glance(site: Site, principal: Principal) -> Answer:
    async with site._session.get(f"{site.url}/console/live", headers=principal.headers) as response:
        told = b""
        if response.status == 200:
            try:
                async with asyncio.timeout(1.5):
                    async for part in response.content.iter_any():
                        told += part
            except TimeoutError:
                pass
        return Answer(response, told)


async def walk(db: Any, site: Site, principal: Principal, clinic: Clinic) -> dict[Route, Answer]:
    """All routes; nothing of the clinic's is shown by any of them, nor another than before at the end."""
    before = await db(look, clinic.tenant_id)
    answers = {route: await ask(site, route, principal, clinic) for route in ROUTES}
    after = await db(look, clinic.tenant_id)
    assert {table for table in before if before[table] != after[table]} == set()
    leaks = {str(route): told for route, answer in answers.items() if (told := shown(route, answer, clinic))}
    assert leaks == {}
    return answers


def shown(route: Route, answer: Answer, clinic: Clinic) -> set[str]:
    """Canaries in an answer, but for the ids that were asked for: a refusal may say them again."""
    asked = {str(id_) for id_ in clinic.subjects.values()} if route.holes or route.method == "POST" else set()
    text = answer.body.decode("utf-8", "replace") + "\n".join(answer.headers.values())
    return {canary for canary in clinic.canaries - asked if canary in text}


def refuses_the_unknown(route: Route, answer: Answer) -> bool:
    if route.path in OPEN:
        return answer.status < 500
    if route.path in BY_TOKEN:
        return answer.status in {401, 404, 405}
    if route.area == API or answer.status == 401:
        return answer.status == 401
    if answer.status == 302:
        return answer.headers["Location"].startswith(("/console/sign-in", "/admin/login/")) or leads_on(route)
    return answer.status in {403, 405}


def leads_on(route: Route) -> bool:
    """An address that leads to another one, which asks who comes: a former one, a shorter one, the way out."""
    return route.path in {"/console", "/console/", "/console/sign-out", "/admin", "/admin/logout/"} or (
        route.area == ADMIN and route.path.endswith("<path:object_id>/")
    )


@pytest.mark.parametrize("who", UNKNOWN)
async def test_who_is_not_known_sees_nothing(db, open_site, principals, clinic, who: str) -> None:
    answers = await walk(db, open_site, principals[who], clinic)
    let_in = {str(route): answer for route, answer in answers.items() if not refuses_the_unknown(route, answer)}
    assert let_in == {}


def unknown_to_a_stranger(route: Route, answer: Answer) -> bool:
    """What is named in the path is not there; whatever has no name in it is one's own."""
    if route.area == ADMIN:
        return answer.status in {302, 403, 405}
    if route.path in OPEN | BY_TOKEN or set(route.holes) <= OWN_NAMES:
        return answer.status < 500
    return answer.status in {401, 403, 404, 405} or answer.headers.get("Location", "").startswith("/console/sign-in")


@pytest.mark.parametrize("who", STRANGERS)
async def test_a_stranger_sees_nothing_of_the_clinic(db, open_site, principals, clinic, who: str) -> None:
    answers = await walk(db, open_site, principals[who], clinic)
    open_to_them = {str(route): answer for route, answer in answers.items() if not unknown_to_a_stranger(route, answer)}
    assert open_to_them == {}


# --- those who belong to it -------------------------------------------------------------------------------------------


def is_for_agents(route: Route) -> bool:
    page = route.path.removeprefix("/console").removeprefix("/")
    return route.path in OPEN or page in FOR_AGENTS or page.startswith(FOR_AGENTS_BELOW)


async def test_an_agent_comes_no_further_than_an_agents_work(db, open_site, principals, clinic) -> None:
    beyond = [route for route in ROUTES if route.area == CONSOLE and not is_for_agents(route)]
    before = await db(look, clinic.tenant_id)
    answers = {str(route): await ask(open_site, route, principals["agent"], clinic) for route in beyond}
    assert len(beyond) > 20
    assert {path: answer for path, answer in answers.items() if answer.status not in {403, 405}} == {}
    assert await db(look, clinic.tenant_id) == before


@pytest.mark.parametrize("who", ["key", "owner", "agent"])
async def test_what_is_kept_from_others_is_there_for_its_own(db, open_site, principals, clinic, who: str) -> None:
    """Or the refusals above would say nothing. Reading first; what ends a session comes not at all."""
    mine = [route for route in ROUTES if is_mine(route, who)]
    answers = {str(route): await ask(open_site, route, principals[who], clinic) for route in mine}
    assert {path: answer for path, answer in answers.items() if answer.status in {302, 401, 403, 404}} == {}
    seen = set().union(*(shown(route, answers[str(route)], clinic) for route in mine))
    assert len(seen) >= 8


def is_mine(route: Route, who: str) -> bool:
    if route.method != "GET" or route.path in OPEN | LEADING or route.path.endswith(NOT_OF_CLOUD):
        return False
    return route.area == API if who == "key" else route.area == CONSOLE and (who == "owner" or is_for_agents(route))


@pytest.mark.parametrize("who", ["owner", "agent", "key", "other tenant's owner"])
async def test_the_admin_is_the_installation_owners_alone(db, open_site, principals, clinic, who: str) -> None:
    """Whoever else comes, with whatever role."""
    routes = [route for route in ROUTES if route.area == ADMIN]
    answers = {str(route): await ask(open_site, route, principals[who], clinic) for route in routes}
    assert len(routes) > 200
    assert {path: answer for path, answer in answers.items() if answer.status not in {302, 403, 405}} == {}


async def test_the_installations_owner_reads_no_content_and_changes_no_message(
    db, open_site, principals, clinic
) -> None:
    """All tables can be looked at; what people wrote, their numbers and every secret are not among the columns."""
    routes = [route for route in ROUTES if route.area == ADMIN and "logout" not in route.path]
    before = await db(look, clinic.tenant_id)
    answers = {route: await ask(open_site, route, principals["installation's owner"], clinic) for route in routes}
    after = await db(look, clinic.tenant_id)
    assert {table for table in before if before[table] != after[table] and table.startswith("messaging_")} == set()
    assert sum(answer.status == 200 for answer in answers.values()) > 60
    told = {str(route): clinic.secrets & shown(route, answer, clinic) for route, answer in answers.items()}
    assert {route: canaries for route, canaries in told.items() if canaries} == {}


# --- that nothing is forgotten ----------------------------------------------------------------------------------------


def test_every_route_of_the_edge_is_described_or_open_or_has_a_token_of_its_own() -> None:
    known = OPEN | BY_TOKEN
    assert {route.path for route in ROUTES if route.area == EDGE} <= known
    assert {path for path in known if not path.startswith("/console")} <= {route.path for route in ROUTES}


def test_every_route_is_walked() -> None:
    by_area = {area: sum(route.area == area for route in ROUTES) for area in (API, CONSOLE, ADMIN, EDGE)}
    assert by_area[API] >= 39
    assert by_area[CONSOLE] >= 80
    assert by_area[ADMIN] >= 200
    assert all(is_documented(route.method, route.path) for route in ROUTES if route.area == API)


def test_every_id_in_a_path_stands_for_a_row(clinic) -> None:
    for route in ROUTES:
        assert not set("{<") & set(fill(route, clinic.subjects)), route
