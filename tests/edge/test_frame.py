"""Every answer carries an id and the headers that protect its reader; every error is problem details."""

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hailgate.edge.app import build_app
from hailgate.telemetry.events import Event
from serving import serving

pytestmark = pytest.mark.anyio

PATHS = [
    "/",
    "/livez",
    "/health",
    "/v1/docs",
    "/v1/docs/errors",
    "/v1/openapi.json",
    "/nothing",
    "/v1/nothing",
    "/hooks/x",
]


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_has_an_id_and_its_headers(site, path: str) -> None:
    first, second = await site.get(path), await site.get(path)
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    assert first.headers["Referrer-Policy"] in {"no-referrer", "same-origin"}
    assert first.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert first.headers["Cache-Control"] == "no-store"
    assert "Server" not in first.headers
    for name in set(first.headers):
        assert len(first.headers.getall(name)) == 1


async def test_an_id_of_the_callers_is_not_taken_over(site) -> None:
    answer = await site.get("/livez", headers={"X-Request-Id": "forged"})
    assert answer.headers["X-Request-Id"] != "forged"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/messages/", 404),
        ("GET", "/v1/messages/batch", 405),
        ("DELETE", "/v1/messages/batch", 405),
        ("PUT", "/hooks/x", 405),
        ("POST", "/livez", 405),
        ("DELETE", "/v1/conversations", 405),
        ("GET", "/v1/dead-letters/revive", 405),
        ("TRACE", "/v1/channels", 405),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/v1/docs/assets/..%2f..%2fconf.py", 404),
        ("GET", "/v1/docs/assets/redoc.standalone.js", 404),
        ("GET", "/%00", 404),
        ("GET", "/static/admin/x", 404),
    ],
)
async def test_what_is_not_there_is_a_problem(site, method: str, path: str, status: int) -> None:
    answer = await site.ask(method, path)
    assert (answer.status, bool(answer.code)) == (status, True)
    if status == 405:
        assert answer.headers["Allow"]


async def test_a_query_that_is_not_ascii_is_no_500(site, key) -> None:
    answer = await site.raw(
        b"GET /v1/channels?limit=\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Authorization: Bearer %s\r\n\r\n" % key.encode()
    )
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 422 "))


async def test_an_unexpected_error_is_a_500_that_tells_nothing(capture_log) -> None:
    async def fail(_: Request) -> Response:
        raise RuntimeError("the patient's name is Ada")

    async with serving(build_app([Route("/", fail)])) as site:
        answer = await site.get("/")
    assert (answer.status, answer.code) == (500, "internal_error")
    assert b"Ada" not in answer.body
    [line] = [line for line in capture_log if line["event"] == Event.HTTP_FAILED]
    assert line["error"] == "RuntimeError"
    assert "Ada" not in str(capture_log)


async def test_the_start_page_is_html_with_a_policy_that_allows_its_style_alone(site) -> None:
    answer = await site.get("/")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b"/v1/docs" in answer.body
    assert b"<script" not in answer.body
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


async def test_the_errors_page_has_an_anchor_for_every_code(site) -> None:
    from hailgate import problems
    from hailgate.delivery_codes import list_codes, list_provider_codes

    page = (await site.get("/v1/docs/errors")).body.decode()
    codes = {code.code for code in [*problems.answer_codes(), *list_codes()]}
    for code in codes.union(*(provider.notes for provider in list_provider_codes())):
        assert f'id="{code}"' in page


async def test_type_of_a_problem_leads_to_its_code(site) -> None:
    problem = (await site.get("/nothing")).json
    page, _, anchor = problem["type"].partition("#")
    assert f'id="{anchor}"'.encode() in (await site.get(page)).body


async def test_the_reader_needs_nothing_from_elsewhere(site) -> None:
    page = await site.get("/v1/docs")
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert b"http" not in page.body.replace(b"http-equiv", b"")
    for name, kind in [
        ("swagger-ui-bundle.js", "text/javascript"),
        ("swagger-ui.css", "text/css"),
        ("reader.js", "text/javascript"),
    ]:
        asset = await site.get(f"/v1/docs/assets/{name}")
        assert asset.status == 200
        assert asset.headers["Content-Type"].startswith(kind)
