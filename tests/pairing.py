"""A channel that is paired with a phone, and what its session comes to, without any server."""

from dataclasses import replace

import msgspec

from hailgate.core.sessions import PairingCode, SessionReport, SessionState, SessionWish
from hailgate.core.slots import open_room

CODE = "2@a secret code"


def pairs_phones(monkeypatch, *, deletes: bool = True) -> None:
    """The Cloud API, as if its numbers were phones."""
    from hailgate import providers
    from hailgate.providers import cloud

    paired = msgspec.structs.replace(cloud.SPEC.capabilities, pairs_session=True, deletes_session=deletes)
    installed = dict(providers._installed())
    spec = replace(cloud.SPEC, capabilities=paired)
    monkeypatch.setattr(providers, "_installed", lambda: installed | {"cloud": spec})


def see(channel, state: SessionState, *, code: PairingCode | None = None, number: str | None = None) -> None:
    """A worker looks, and sees this."""
    from hailgate.messaging.channels.session_watch import claim_sessions, record_session
    from hailgate.messaging.channels.sessions import hasten
    from hailgate.messaging.store.sql import atomic_cursor, now
    from messaging.acting import new_worker

    worker = new_worker()
    with atomic_cursor() as cursor:
        hasten(cursor, [(channel.tenant_id, channel.id)], now(cursor))
    claims = claim_sessions(worker, open_room(10)).claims
    for claim in claims:
        record_session(worker, claim, SessionReport(state=state, code=code, number=number), False)
    assert [claim.channel_id for claim in claims] == [channel.id]


def show_code(channel, *, typed: bool = False) -> None:
    from hailgate.messaging.channels.sessions import wish_session
    from messaging.acting import channel_row

    wish_session(channel_row(channel), SessionWish.PAIR)
    see(channel, SessionState.PAIRING, code=PairingCode(CODE, typed, 45.0))
