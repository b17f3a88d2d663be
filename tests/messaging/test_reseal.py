"""Rotation of sealing keys: what the old one sealed is sealed again beside the work, and then it can go."""

import os
from base64 import urlsafe_b64encode

import aiohttp
import pytest
from django.db import connection

import given
from hailgate.accounts.seal import MARK, Sealer, sealer, use_sealer
from hailgate.api.paging import Cursor
from hailgate.messaging.models import Channel, Hook, Message
from hailgate.messaging.store.sql import atomic_cursor
from hailgate.messaging.upkeep.reseal import SealedColumn, count_older, reseal, sealed_columns
from messaging import acting
from test_asgi import running

NEW = f"new:{urlsafe_b64encode(bytes(range(32))).decode()}"


@pytest.fixture
def old(store):
    """The key of the tests; afterwards it is in use again, and the installation's own row sealed with it."""
    key = os.environ["HAILGATE_SECRET_KEYS"]
    use_sealer(Sealer([key], content=True))
    yield key
    use_sealer(Sealer([key, NEW]))
    reseal()
    use_sealer(Sealer([key]))


@pytest.fixture
def rotated(old, channel, hook):
    """Content, secrets and a webhook that the old key sealed, and a ring with a new one in front."""
    acting.apply(channel, acting.wrote(channel, 1, body="Are you open?"))
    acting.send(channel, 1, "Until six.")
    use_sealer(Sealer([NEW, old], content=True))
    return channel


def stored() -> list[str | bytes]:
    found = []
    for column in sealed_columns():
        found += [value for (value,) in acting.execute(f"SELECT {column.name} FROM {column.table}")]
    return [value if isinstance(value, str) else bytes(value) for value in found if value]


def is_sealed(value: str | bytes) -> bool:
    return value.startswith(MARK if isinstance(value, str) else MARK.encode())


def test_afterwards_the_old_key_can_go(rotated):
    before = [value for value in stored() if is_sealed(value)]
    assert count_older() == len(before) > 5
    assert reseal() == len(before)
    assert count_older() == 0
    use_sealer(Sealer([NEW], content=True))
    opened = [sealer().unseal(value) if isinstance(value, str) else sealer().unseal_bytes(value) for value in stored()]
    assert any("Until six." in value for value in opened if isinstance(value, str))
    hook, channel = Hook.objects.get(tenant_id__gt=0), Channel.objects.get(tenant_id__gt=0)
    assert given.APP_SECRET in sealer().unseal(hook.config)
    assert "an access token" in sealer().unseal(channel.config)


def test_nothing_is_done_twice_and_plain_values_stay(rotated):
    plain = sorted(value for value in stored() if isinstance(value, str) and not is_sealed(value))
    reseal()
    sealed = stored()
    assert reseal() == 0
    assert stored() == sealed
    assert sorted(value for value in sealed if isinstance(value, str) and not is_sealed(value)) == plain


def test_what_people_wrote_that_looks_sealed_is_theirs(rotated):
    message = acting.send(rotated, 1, "sealed:old:hush")
    reseal()
    use_sealer(Sealer([NEW], content=True))
    assert "sealed:old:hush" in sealer().unseal(Message.objects.get(tenant_id__gt=0, id=message.pk).content)


def test_a_break_in_the_middle_loses_nothing_and_it_goes_on(rotated, monkeypatch):
    from hailgate.messaging.upkeep import reseal as module

    whole, walked = module._reseal_some, []

    def break_off(column: SealedColumn, after):
        if len(walked) == 12:
            raise KeyboardInterrupt
        walked.append(column)
        return whole(column, after)

    monkeypatch.setattr(module, "_reseal_some", break_off)
    with pytest.raises(KeyboardInterrupt):
        reseal()
    monkeypatch.undo()
    left = count_older()
    assert reseal() == left
    assert count_older() == 0


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer: nobody holds a row")
def test_a_row_that_somebody_holds_is_passed_by_and_told(rotated):
    import threading

    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with atomic_cursor() as cursor:
            cursor.execute(f"SELECT id FROM messaging_message {acting.EVERY_TENANT} FOR UPDATE")
            held.set()
            done.wait(30)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(30)
    reseal()
    assert count_older() >= 2
    done.set()
    holder.join()
    assert reseal() >= 2
    assert count_older() == 0


@pytest.mark.anyio
async def test_a_new_key_in_front_ends_no_session_and_no_cursor(store, key, tenant, channel):
    from security.conftest import signed_in

    cookie, cursor = await _signed_before(tenant, signed_in)
    keys = f"{NEW},{os.environ['HAILGATE_SECRET_KEYS']}"
    async with running("serve", "--no-work", HAILGATE_SECRET_KEYS=keys) as process, aiohttp.ClientSession() as session:
        await process.ready(session)
        async with session.get(f"{process.url}/console/conversations", headers=cookie) as page:
            assert (page.status, page.url.path) == (200, "/console/conversations")
        headers = {"Authorization": f"Bearer {key}"}
        async with session.get(f"{process.url}/v1/audit", params={"cursor": cursor}, headers=headers) as answer:
            assert answer.status == 200
        async with session.get(f"{process.url}/v1/channels", headers=headers) as answer:
            assert len((await answer.json())["items"]) == 1


async def _signed_before(tenant, signed_in):
    import asyncio

    from hailgate.accounts.operators import add_operator

    def sign():
        cookie = signed_in(add_operator(tenant.pk, "olivia@example.org", role="owner"))
        return cookie, Cursor(1_000).sign("audit", tenant.pk)

    return await asyncio.to_thread(sign)


@pytest.mark.parametrize("byte", [0, 255, 65])
def test_a_key_of_one_byte_over_and_over_is_refused(byte):
    from hailgate.core.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match="make one with `hailgate key seal`"):
        Sealer([f"k:{urlsafe_b64encode(bytes([byte] * 32)).decode()}"])
