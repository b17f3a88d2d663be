"""A clinic with something to see, and everybody who might come to its doors."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

# A clinic with a conversation, a dead message and a parked one.
from api.conftest import told  # noqa: F401 -- a fixture
from serving import Site, serving

CSRF = "c" * 32
# Every route by every principal comes from one address here.
ANY_RATE = 1_000_000


class Principal(NamedTuple):
    """Who comes, with what."""

    name: str
    headers: dict[str, str]


class Clinic(NamedTuple):
    """What is to be kept: ``subjects`` by the names that paths have for them, ``canaries`` are seen by nobody else."""

    tenant_id: int
    subjects: dict[str, Any]
    canaries: set[str]

    @property
    def secrets(self) -> set[str]:
        """Those that are no ids and no names: what people wrote, whose number it is, and what opens something."""
        return {canary for canary in self.canaries if canary.count("-") != 4} - {
            "front desk",
            "order_update",
            "photo.png",
        }


@pytest.fixture
async def open_site(store) -> AsyncIterator[Site]:
    """The whole program, which forgives one source any number of refusals."""
    from hailgate.asgi import create_app
    from hailgate.settings import ENV

    env = ENV.model_copy(update={"source_rate": ANY_RATE, "sign_in_rate": ANY_RATE})
    ends: list[Any] = []
    async with serving(create_app(env, with_worker=False, at_stop=ends.append), ends) as site:
        yield site


@pytest.fixture
def clinic(told, tenant) -> Clinic:  # noqa: F811 -- a fixture
    from security.subjects import find_subjects, list_canaries

    return Clinic(tenant.pk, find_subjects(told), list_canaries(tenant.pk))


def signed_in(operator: Any) -> dict[str, str]:
    """The cookies of a browser in which this operator signed in, and what a page of ours sends along."""
    from django.conf import settings
    from django.test import Client

    from hailgate.accounts.operators import make_sign_in_link

    browser = Client()
    assert browser.get(f"/console/sign-in/{make_sign_in_link(operator, reusable=True)}").status_code == 302
    return with_session(browser.cookies[settings.SESSION_COOKIE_NAME].value)


def with_session(cookie: str) -> dict[str, str]:
    from django.conf import settings

    cookies = f"{settings.SESSION_COOKIE_NAME}={cookie}; {settings.CSRF_COOKIE_NAME}={CSRF}"
    return {"Cookie": cookies, "X-CSRFToken": CSRF, "X-Hailgate-Console": "1"}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def principals(clinic, tenant, stranger) -> dict[str, Principal]:
    """Everybody, by name. Whoever belongs to the clinic is called after their role, all others after what they lack."""
    from hailgate.accounts.keys import add_key, revoke_key
    from hailgate.accounts.operators import add_operator, shut_out

    def operator(name: str, of: Any, **more: Any) -> Any:
        return add_operator(of.pk, f"{name}@example.org", **more)

    revoked = add_key(tenant.pk, "old")
    assert revoke_key(tenant.pk, revoked.key.split("_")[1])
    gone = operator("gone", tenant, role="owner")
    session_of_gone = signed_in(gone)
    shut_out(gone)
    good = add_key(tenant.pk)
    came = {
        "nobody": {},
        "wrong key": bearer(good.key[:-4] + "AAAA"),
        "revoked key": bearer(revoked.key),
        "made-up session": with_session("a" * 32),
        "shut out": session_of_gone,
        "other tenant's key": bearer(add_key(stranger.pk).key),
        "other tenant's owner": signed_in(operator("eve", stranger, role="owner")),
        "other tenant's agent": signed_in(operator("ed", stranger, role="agent")),
        "key": bearer(good.key),
        "owner": signed_in(operator("olivia", tenant, role="owner")),
        "agent": signed_in(operator("adam", tenant, role="agent")),
        "installation's owner": signed_in(operator("chief", stranger, role="owner", installation_owner=True)),
    }
    return {name: Principal(name, headers) for name, headers in came.items()}
