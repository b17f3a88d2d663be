"""No URL that a stranger wrote connects to anything inside; sentinels count the connections."""

import asyncio
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest

from hailgate.core import egress as rules_of_egress
from hailgate.core.egress import EgressRules
from hailgate.core.errors import HailgateError, InputError, ProviderUnavailable, TooLarge
from hailgate.providers.egress import GuardedClient, _pinned_connector

from .hostile_urls import ANSWERS, HOSTS, hostile_urls
from .loopback import Loopback, answer, half_an_answer


async def nowhere(host, port):
    raise OSError


def answering(answers):
    async def resolve(host, port):
        if host not in answers:
            raise OSError
        return answers[host]

    return resolve


@asynccontextmanager
async def sentinels():
    """On IPv4 and IPv6 of the loopback, on one port."""
    connections = []

    async def count(_reader, writer):
        connections.append(writer.get_extra_info("sockname"))
        writer.close()

    four = await asyncio.start_server(count, "0.0.0.0", 0)
    port = four.sockets[0].getsockname()[1]
    servers = [four]
    with suppress(OSError):  # a machine without IPv6
        servers.append(await asyncio.start_server(count, "::1", port))
    try:
        yield port, connections
    finally:
        for server in servers:
            server.close()
            await server.wait_closed()


async def refused(client, url):
    try:
        async with client.get(url, limit=1000) as fetched:
            async for _ in fetched.chunks:
                pass
    except HailgateError as error:
        return error
    return None


async def test_500_hostile_urls_make_no_connection_inside(monkeypatch):
    async with sentinels() as (port, connections):
        # The port rule must not do the work of the address rule.
        monkeypatch.setattr(rules_of_egress, "PORTS", {"http": port, "https": port})
        client = GuardedClient(
            EgressRules(), resolve=answering({"localhost": ["127.0.0.1", "::1"], **ANSWERS}), total=2
        )
        urls = hostile_urls(port)
        answers = [await refused(client, url) for url in urls]

        assert len(urls) >= 500
        assert [url for url, answer in zip(urls, answers, strict=True) if answer is None] == []
        assert connections == []
        await _knock(port)
        assert len(connections) == 1, "the sentinels do count"


async def test_a_redirect_to_a_hostile_url_is_refused_as_the_url_itself(monkeypatch):
    async with sentinels() as (port, connections):
        targets = [url for url in hostile_urls(port) if url.isascii() and url.isprintable()]

        async def redirect(connection):
            head, _ = await connection.peek()
            number = head.split(b" ")[1].removeprefix(b"/?")
            location = {"Location": targets[int(number)]} if number.isdigit() else None
            await answer(302 if location else 200, headers=location)(connection)

        async with Loopback(redirect) as outside:
            rules = EgressRules(allowed=frozenset({f"outside.example:{outside.port}"}))
            resolve = answering({"outside.example": ["127.0.0.1"], "localhost": ["127.0.0.1"], **ANSWERS})
            client = GuardedClient(rules, resolve=resolve, total=2)
            for number in range(len(targets)):
                await refused(client, f"http://outside.example:{outside.port}/?{number}")

            assert len(targets) >= 400
            assert len(outside.heads) >= len(targets)
            assert connections == []


async def _knock(port):
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    await asyncio.sleep(0.05)


async def test_names_are_resolved_once_and_the_connection_keeps_the_answer():
    asked = []

    async def rebinding(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    async with Loopback(answer(200, b"file")) as outside:
        rules = EgressRules(allowed=frozenset({f"rebinds.evil:{outside.port}"}))
        async with GuardedClient(rules, resolve=rebinding).get(
            f"http://rebinds.evil:{outside.port}/", limit=10
        ) as fetched:
            assert [chunk async for chunk in fetched.chunks] == [b"file"]
    assert asked == ["rebinds.evil"]


async def test_a_socket_is_made_for_checked_addresses_alone():
    async with Loopback(answer(200)) as inside:
        async with aiohttp.ClientSession(connector=_pinned_connector(["127.0.0.2"])) as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(inside.url)
        assert inside.connections == 0


async def test_the_token_does_not_follow_a_redirect_to_another_origin():
    async with (
        Loopback(answer(200, b"x")) as other,
        Loopback(answer(302, headers={"Location": f"{other.url}/file"})) as first,
    ):
        rules = EgressRules(allowed=frozenset({"127.0.0.1"}))
        async with GuardedClient(rules).get(first.url, limit=10, headers={"Authorization": "Bearer secret"}) as fetched:
            assert fetched.status == 200
        assert b"Bearer secret" in first.heads[0]
        assert b"authorization" not in other.heads[0].lower()


async def test_it_follows_three_redirects_and_no_fourth():
    def script(_server_url):
        return answer(302, headers={"Location": "/again"})

    async with Loopback(script(None)) as round_about:
        client = GuardedClient(EgressRules(allowed=frozenset({"127.0.0.1"})))
        error = await refused(client, round_about.url)
        assert isinstance(error, InputError)
        assert round_about.connections == 4


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "5000"}])
async def test_a_body_beyond_the_limit_ends_the_transfer(headers):
    async with Loopback(answer(200, b"x" * 5000, headers)) as server:
        error = await refused(GuardedClient(EgressRules(allowed=frozenset({"127.0.0.1"}))), server.url)
        assert isinstance(error, TooLarge)


async def test_a_transfer_that_breaks_off_can_be_tried_again():
    async with Loopback(half_an_answer) as server:
        error = await refused(GuardedClient(EgressRules(allowed=frozenset({"127.0.0.1"}))), server.url)
        assert isinstance(error, ProviderUnavailable)


async def test_an_endless_drip_ends_with_the_time():
    async def drip(connection):
        await connection.request()
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx")
        await connection.hang()

    async with Loopback(drip) as server:
        client = GuardedClient(EgressRules(allowed=frozenset({"127.0.0.1"})), total=0.3)
        assert isinstance(await refused(client, server.url), ProviderUnavailable)


async def test_a_name_that_nobody_knows_can_be_tried_again():
    error = await refused(GuardedClient(EgressRules(), resolve=nowhere), "https://unknown.example/")
    assert isinstance(error, ProviderUnavailable)


async def test_a_proxy_of_the_system_is_not_asked(monkeypatch):
    async with Loopback(answer(200)) as proxy, Loopback(answer(200, b"direct")) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert await refused(GuardedClient(EgressRules(allowed=frozenset({"127.0.0.1"}))), server.url) is None
        assert (proxy.connections, server.connections) == (0, 1)


def test_the_table_holds_each_notation_once():
    assert len(set(HOSTS)) == len(HOSTS)
