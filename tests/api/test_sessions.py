"""Pairing by the API: what is wanted, how it stands, and a code that is shown on request alone."""

import pytest

from hailgate.core.errors import Conflict
from hailgate.core.sessions import SessionState
from hailgate.messaging.channels.removal import remove_channel
from messaging.acting import channel_row
from pairing import CODE, see, show_code

pytestmark = pytest.mark.anyio


def path(channel, rest: str = "") -> str:
    return f"/v1/channels/{channel.uid}/session{rest}"


async def test_a_wish_is_taken_and_says_whether_anybody_carries_it_out(site, key, channel) -> None:
    assert (await site.get(path(channel), key=key)).code == "not_found"
    wished = await site.post(path(channel), {"wish": "pair"}, key=key)
    assert (wished.status, wished.json["wish"], wished.json["worker_running"]) == (200, "pair", False)
    assert (await site.get(path(channel), key=key)).json["state"] == "unpaired"


@pytest.mark.parametrize("body", [{"wish": "dance"}, {}, {"wish": "pair", "phone": "12"}, {"wish": "pair", "x": 1}])
async def test_a_wish_that_makes_no_sense_is_refused(site, key, channel, body) -> None:
    assert (await site.post(path(channel), body, key=key)).status == 422


async def test_a_code_is_shown_uncached_and_each_time_on_record(site, key, channel, db) -> None:
    assert (await site.get(path(channel, "/code"), key=key)).code == "no_pairing_code"
    await db(show_code, channel)
    shown = await site.get(path(channel, "/code"), key=key)
    assert (shown.json["code"], shown.json["kind"]) == (CODE, "qr")
    assert "no-store" in shown.headers["cache-control"]
    audit = (await site.get("/v1/audit", key=key)).json["items"]
    assert [entry["action"] for entry in audit] == ["session.code_shown"]
    assert CODE not in str(audit)
    assert CODE not in (await site.get(path(channel), key=key)).body.decode()


async def test_an_unexpected_phone_is_confirmed(site, key, channel, db) -> None:
    await site.post(path(channel), {"wish": "open"}, key=key)
    assert (await site.post(path(channel, "/confirm"), key=key)).code == "not_found"
    await db(lambda: see(channel, SessionState.OPEN, number="15559999999"))
    assert (await site.get(path(channel), key=key)).json["unconfirmed_number"] == "15559999999"
    confirmed = await site.post(path(channel, "/confirm"), key=key)
    assert (confirmed.json["number"], confirmed.json["unconfirmed_number"]) == ("15559999999", None)


async def test_a_channel_stays_until_a_deletion_that_was_asked_for_is_done(site, key, channel, db) -> None:
    await site.post(path(channel), {"wish": "delete"}, key=key)
    with pytest.raises(Conflict, match="still to be deleted at its server"):
        await db(remove_channel, await db(channel_row, channel))
    await db(see, channel, SessionState.UNPAIRED)
    await db(remove_channel, await db(channel_row, channel))
    assert (await site.post(path(channel), {"wish": "delete"}, key=key)).code == "not_found"


@pytest.mark.parametrize("rest", ["", "/code"])
async def test_another_tenant_s_session_is_not_there(site, stranger_key, channel, db, rest: str) -> None:
    await db(show_code, channel)
    assert (await site.get(path(channel, rest), key=stranger_key)).code == "not_found"
