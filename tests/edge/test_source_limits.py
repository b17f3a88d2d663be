"""Whoever has not said who they are comes sixty times a minute and no more; who guesses learns nothing after that."""

import asyncio

import pytest

from hailgate.asgi import create_app
from hailgate.edge.http import source_limits
from hailgate.settings import ENV
from serving import serving


@pytest.fixture
async def limited(store, monkeypatch):
    """The whole program with small limits, in one window that does not end."""
    monkeypatch.setattr(source_limits, "WINDOW_S", 1e9)
    monkeypatch.setattr(source_limits, "REFUSED_AFTER_S", 0.0)
    env = ENV.model_copy(update={"source_rate": 6, "sign_in_rate": 3, "trusted_proxies": ("127.0.0.1",)})
    ends = []
    async with serving(create_app(env, with_worker=False, at_stop=ends.append), ends) as site:
        yield site


def of(source):
    return {"X-Forwarded-For": source}


async def statuses(ask, count):
    return [(await ask()).status for _ in range(count)]


@pytest.mark.parametrize("path", ["/", "/v1/docs", "/v1/openapi.json", "/console/sign-in"])
async def test_what_anybody_may_see_is_counted_by_address(limited, path):
    seen = await statuses(lambda: limited.get(path, headers=of("198.51.100.1")), 8)
    assert 429 not in seen[:6]
    assert seen[6:] == [429, 429]
    assert (await limited.get(path, headers=of("198.51.100.2"))).status != 429


async def test_every_answer_that_counts_says_how_it_stands(limited):
    first, *_, last = [await limited.get("/v1/docs", headers=of("198.51.100.1")) for _ in range(7)]
    assert (first.headers["X-RateLimit-Limit"], first.headers["X-RateLimit-Remaining"]) == ("6", "5")
    assert first.headers["RateLimit"].startswith('"source";r=5;t=')
    assert last.status == 429
    assert int(last.headers["Retry-After"]) >= 1
    assert last.headers["X-RateLimit-Remaining"] == "0"
    assert last.headers["RateLimit-Policy"].startswith('"source";q=6;w=')


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health", "/hooks/unknown", "/media/nothing", "/icon.svg"])
async def test_probes_hooks_and_files_are_not_counted(limited, path):
    assert 429 not in await statuses(lambda: limited.get(path, headers=of("198.51.100.1")), 10)


@pytest.mark.parametrize("path", ["/v1/channels", "/v1/media/1", "/v1/dead-letters/export"])
async def test_who_guesses_keys_is_refused_and_learns_nothing_more(limited, key, path):
    def guess():
        return limited.get(path, headers={**of("198.51.100.1"), "Authorization": "Bearer hg_0_guess"})

    assert await statuses(guess, 8) == [401] * 6 + [429] * 2
    good = {**of("198.51.100.1"), "Authorization": f"Bearer {key}"}
    assert (await limited.get("/v1/channels", headers=good)).status == 200


async def test_who_has_a_key_is_not_counted_by_address(limited, key):
    headers = {**of("198.51.100.1"), "Authorization": f"Bearer {key}"}
    assert await statuses(lambda: limited.get("/v1/channels", headers=headers), 10) == [200] * 10


@pytest.mark.parametrize("path", ["/console/sign-in", "/admin/login/"])
async def test_spraying_passwords_over_many_accounts_ends_before_a_password_is_looked_at(limited, path):
    async def spray(number):
        form = f"username=user{number}@example.org&password=guess".encode()
        headers = {**of("198.51.100.1"), "Content-Type": "application/x-www-form-urlencoded"}
        return (await limited.post(path, form, headers=headers)).status

    seen = [await spray(number) for number in range(6)]
    assert 429 not in seen[:3]
    assert seen[3:] == [429] * 3


async def test_who_goes_on_after_a_refusal_waits_for_the_next_one_and_nobody_else_does(limited, key, monkeypatch):
    begun, over = asyncio.Event(), asyncio.Event()

    async def sleep(_):
        begun.set()
        await over.wait()

    monkeypatch.setattr(source_limits, "sleep", sleep)
    monkeypatch.setattr(source_limits, "MOST_DELAYED", 1)
    guest = of("198.51.100.1")
    await statuses(lambda: limited.get("/v1/docs", headers=guest), 6)
    delayed = asyncio.create_task(limited.get("/v1/docs", headers=guest))
    async with asyncio.timeout(30):
        await begun.wait()
        assert (await limited.get("/v1/docs", headers=guest)).status == 429, "beyond those who may be delayed"
        assert (await limited.get("/v1/channels", headers={**guest, "Authorization": f"Bearer {key}"})).status == 200
        assert not delayed.done()
        over.set()
        assert (await delayed).status == 429


async def test_whom_a_stranger_names_in_a_header_is_not_locked_out(store, monkeypatch):
    monkeypatch.setattr(source_limits, "WINDOW_S", 1e9)
    env = ENV.model_copy(update={"source_rate": 3})
    ends = []
    async with serving(create_app(env, with_worker=False, at_stop=ends.append), ends) as site:
        seen = [(await site.get("/v1/docs", headers=of(f"198.51.100.{n}"))).status for n in range(5)]
    assert seen[3:] == [429, 429]


async def test_those_who_sign_in_do_not_starve_those_who_are_in(limited, key, monkeypatch):
    """They have one thread of their own, however slow a password is."""
    import threading

    from django.contrib.auth.hashers import Argon2PasswordHasher

    held = threading.Event()

    def slow(*_):
        held.wait(20)
        return "unusable"

    monkeypatch.setattr(Argon2PasswordHasher, "encode", slow)
    form = b"username=nobody@example.org&password=guess"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    spray = [
        asyncio.create_task(limited.post("/console/sign-in", form, headers={**headers, **of(f"198.51.100.{n}")}))
        for n in range(12)
    ]
    try:
        good = {"Authorization": f"Bearer {key}"}
        async with asyncio.timeout(10):
            assert (await limited.get("/v1/channels", headers=good)).status == 200
            refused = [task for task in spray if task.done()]
    finally:
        held.set()
        answers = await asyncio.gather(*spray)
    assert len(refused) <= 12
    assert {answer.status for answer in answers} <= {200, 403, 429, 503}


@pytest.mark.parametrize(
    "heads", [b"", b"Host: a\r\nHost: b\r\n", b"Host:\r\n", b"Host: a b\r\n", b"Host: a/b\r\n", b"Host: u@a\r\n"]
)
async def test_a_request_names_its_host_once(limited, heads):
    reader, writer = await asyncio.open_connection("127.0.0.1", limited.port)
    writer.write(b"GET /livez HTTP/1.1\r\n" + heads + b"Connection: close\r\n\r\n")
    status = (await reader.readline()).split()[1]
    writer.close()
    assert status == b"400"


@pytest.mark.parametrize("host", [b"a", b"a.example:8000", b"[::1]:8000", b"127.0.0.1", b"a-b_c.example"])
async def test_a_host_is_a_name_or_an_address(limited, host):
    reader, writer = await asyncio.open_connection("127.0.0.1", limited.port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
    status = (await reader.readline()).split()[1]
    writer.close()
    assert status == b"200"


async def test_what_a_hook_allows_is_said_whole(limited):
    answer = await limited.ask("DELETE", "/hooks/unknown")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST")
