"""Hostile bodies, addresses and framings on every route: each is answered, none with a 5xx, and nothing changes.

Hostile files are in ``edge/test_media.py``, links that lead inside in ``providers/test_guard.py``.
"""

import asyncio
import json
from typing import Any

import pytest

from security.bodies import example_of
from security.routes import ADMIN, API, EDGE, Route, all_routes
from security.subjects import fill, look

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(900)]  # hundreds of routes, on a machine that may be busy

ROUTES = [route for route in all_routes() if route.path != "/console/live"]
DEEP = 20_000
BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "not UTF-8": b'{"to": "\xff\xfe"}',
    "a lone surrogate": rb'{"to": "\ud800", "type": "text", "text": {"body": "\udfff"}, "name": "\ud800"}',
    "a zero": rb'{"to": "\u0000", "name": "\u0000", "ids": ["\u0000"], "text": {"body": "\u0000"}}',
    "deep": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"text":' * DEEP + b"1" + b"}" * DEEP,
    "a number of a million digits": b'{"limit": ' + b"9" * 1_000_000 + b"}",
    "no number": b'{"limit": NaN, "count": Infinity, "one": -Infinity}',
    "a huge exponent": b'{"until": 1e999, "one": 1e400, "to": -1e999}',
    "a name twice": b'{"to": "+15550100042", "to": "+15550100043", "type": "text", "type": "image"}',
    "a list": b"[[], {}, null]",
    "null": b"null",
    "the wrong types": b'{"to": {}, "type": [], "text": 7, "ids": {"a": 1}, "name": [], "one": 1, "sent": "maybe"}',
    "a prototype": b'{"__proto__": {"admin": true}, "constructor": {"prototype": {}}, "__class__": "x"}',
    "a format": b'{"to": "%s%n{0.__class__}", "name": "${jndi:ldap://127.0.0.1:9/x}", "type": "{{7*7}}"}',
    "a statement": b"""{"to": "' OR 1=1; DROP TABLE messaging_message; --", "name": "' OR ''='"}""",
}
# In place of an id.
IDS = (
    "%00", "%0d%0aSet-Cookie:%20a=b", "..%2f..%2fetc%2fpasswd", "%2e%2e", "%ff%fe", "x" * 3_000, "-1", "0", "1e9",
    "99999999999999999999999999", "'%20OR%20'1'='1", "%EF%BC%90", "%F0%9F%98%80", "%3Cscript%3E", "null", "{}", ";",
    "00000000-0000-0000-0000-000000000000", "urn:uuid:00000000-0000-4000-8000-000000000000", "%7B00000000%7D",
)  # fmt: skip
QUERIES = (
    "?limit=-1", "?limit=99999999999999999999", "?limit=1e3", "?limit=", "?cursor=%00", "?cursor=AAAA", "?before=-1",
    "?limit=1&limit=2", "?%00=%00", "?a[b]=c&a[$ne]=1", "?q=" + "x" * 5_000, "?since=99999-99-99T99:99:99Z", "?x=%ff",
    "?until=0000-00-00", "?channel=%00", "?metadata=%00:%00", "?to=%00&from=%00&contact=%00", "?search=%00",
    "?status=%27", "?kind=%00", "?show=%00&code=%00&channel=%00", "?page=9e9", "?after=%F0%9F%98%80",
)  # fmt: skip


async def test_no_body_brings_an_operation_down(db, open_site, principals, clinic) -> None:
    before = await db(look, clinic.tenant_id)
    answers = {}
    for route in ROUTES:
        if route.method != "POST" or route.area not in {API, EDGE} or not takes_json(route):
            continue
        path = await asyncio.to_thread(fill, route, clinic.subjects)
        for name, body in {**BODIES, **spoilt(route)}.items():
            answers[f"{route} with {name}"] = await open_site.post(path, body, headers=principals["key"].headers)
    assert len(answers) > 150
    assert {each: answer for each, answer in answers.items() if not is_refused(each, answer.status)} == {}
    after = await db(look, clinic.tenant_id)
    assert {table for table in before if before[table] != after[table]} <= {"messaging_contact", "accounts_auditentry"}


def spoilt(route: Route) -> dict[str, bytes]:
    """What the operation takes, with each of its strings replaced by one that no store or no encoder takes."""
    example = example_of(route, route.operation["requestBody"]["content"]["application/json"])
    hostile = {"zeros": "a\0b", "half a character": "a\ud800b", "very long strings": "x" * 90_000}
    return {
        f"its example, but {name}": json.dumps(replaced(example, value)).encode() for name, value in hostile.items()
    }


def replaced(body: Any, value: str) -> Any:
    """Each string of it but a message's type, without which nothing else is read."""
    if isinstance(body, dict):
        return {name: each if name == "type" else replaced(each, value) for name, each in body.items()}
    if isinstance(body, list):
        return [replaced(each, value) for each in body]
    return value if isinstance(body, str) else body


def takes_json(route: Route) -> bool:
    return "application/json" in route.operation.get("requestBody", {}).get("content", {})


def is_refused(each: str, status: int) -> bool:
    """A person may be called whatever is text; lists of messages are refused one by one, inside a 200."""
    one_by_one = "/messages/batch with " in each or "/dead-letters/revive with " in each or "/dismiss with " in each
    return 400 <= status < 500 or (status == 200 and (one_by_one or ("/name with a " in each and "zero" not in each)))


async def test_no_form_brings_a_page_down(open_site, principals, clinic) -> None:
    answers = {}
    for route in ROUTES:
        if route.method != "POST" or route.operation or route.path.endswith(("sign-out", "logout/")):
            continue
        path = await asyncio.to_thread(fill, route, clinic.subjects)
        for name, form in FORMS.items():
            headers = {**principals["owner"].headers, "Content-Type": "application/x-www-form-urlencoded"}
            answers[f"{route} with {name}"] = await open_site.ask(
                "POST", path, data=form, headers=headers, allow_redirects=False
            )
    assert len(answers) > 300
    assert {each: answer for each, answer in answers.items() if answer.status >= 500} == {}


FIELDS = (
    "body", "draft", "attachment", "quoted", "message", "emoji", "tenant", "sent", "wish", "phone", "since", "show",
    "code", "channel", "old", "new", "back",
)  # fmt: skip
FORMS = {
    "zeros": "&".join(f"{name}=%00" for name in FIELDS).encode(),
    "bytes that are no text": b"&".join(name.encode() + b"=%ff%fe%80" for name in FIELDS),
    "surrogates": b"&".join(name.encode() + b"=%ed%a0%80" for name in FIELDS),
    "large numbers": "&".join(f"{name}=99999999999999999999999999" for name in FIELDS).encode(),
    "a thousand fields": b"&".join(b"message=x" for _ in range(2_000)),
    "long": "&".join(f"{name}={'x' * 9_000}" for name in FIELDS).encode(),
}


@pytest.mark.parametrize("who", ["key", "owner"])
async def test_no_address_brings_a_route_down(open_site, principals, clinic, who: str) -> None:
    answers = {}
    for route in ROUTES:
        if route.path.endswith(("sign-out", "logout/")) or (route.area == API) != (who == "key"):
            continue
        for path in hostile_addresses(route, await asyncio.to_thread(fill, route, clinic.subjects)):
            answers[f"{route.method} {path}"] = await ask_raw(open_site, route.method, path, principals[who].headers)
    assert len(answers) > 500
    assert {each[:200]: status for each, status in answers.items() if not 200 <= status < 500} == {}


def hostile_addresses(route: Route, good: str) -> list[str]:
    queries = QUERIES[:3] if route.area == ADMIN else QUERIES
    found = [good + query for query in queries] if route.method == "GET" else []
    if route.holes:
        # Every table of the admin has the same code behind it.
        found += [route.filled(dict.fromkeys(route.holes, id_)) for id_ in (IDS[:3] if route.area == ADMIN else IDS)]
    return found


async def ask_raw(site: Any, method: str, path: str, headers: dict[str, str]) -> int:
    """The status; as the bytes stand there, since a client would mend them."""
    told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n{told}\r\n"
    answer = await site.raw(request.encode())
    return int(answer[9:12] or 0)


FRAMINGS = {
    "two lengths": b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a length and chunks": b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "a length that is none": b"Content-Length: 1_0\r\n\r\n0123456789",
    "a length with a sign": b"Content-Length: +3\r\n\r\nabc",
    "chunks twice": b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a chunk that is none": b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    "a huge chunk": b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\na",
    "a space before the colon": b"Content-Length : 3\r\n\r\nabc",
    "a line that is folded": b"X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "a zero in a header": b"X-A: b\x00c\r\nContent-Length: 0\r\n\r\n",
    "a second host": b"Host: y\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    "a header of 200 KB": b"X-A: " + b"a" * 200_000 + b"\r\n\r\n",
    "a bare carriage return": b"X-A: b\rContent-Length: 5\r\n\r\n",
}
SOLID = (400, 401, 403, 404, 405, 408, 411, 413, 415, 422, 431)


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_no_framing_passes_on_any_route(open_site, principals, clinic, framing: str) -> None:
    """Nor does what follows it on the connection become a request of its own."""
    passed, key = {}, principals["key"].headers["Authorization"]
    smuggled = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    for route in ROUTES:
        if route.area not in {API, EDGE} or route.path == "/metrics":
            continue
        path = await asyncio.to_thread(fill, route, clinic.subjects)
        begin = f"{route.method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n"
        answer = await open_site.raw(begin.encode() + FRAMINGS[framing] + smuggled)
        status = int(answer[9:12] or 0)
        if (status not in SOLID and answer) or answer.count(b"HTTP/1.1 ") > 1:
            passed[str(route)] = answer[:200]
    assert passed == {}
