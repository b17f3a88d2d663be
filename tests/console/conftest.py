"""An owner and an agent of the clinic, each with a browser of their own, and a clinic with something to show."""

from collections.abc import Callable

import pytest

# A clinic with a conversation, a dead message and a parked one.
from api.conftest import told  # noqa: F401 -- a fixture

OWNER = "olivia@clinic.example"
AGENT = "adam@clinic.example"
PASSWORD = "correct horse battery"

SignIn = Callable[..., "Browser"]


class Browser:
    """Django's test client, signed in; ``get`` and ``post`` take paths below /console/."""

    def __init__(self, client) -> None:
        self.client = client

    def get(self, path: str, query=None, *, part: bool = False, **headers):
        return self.client.get(f"/console/{path}", query, headers=_htmx(part) | headers)

    def post(self, path: str, form=None, *, part: bool = True, **headers):
        return self.client.post(f"/console/{path}", form or {}, headers=_htmx(part) | headers)

    def text(self, path: str, query=None, **options) -> str:
        answer = self.get(path, query, **options)
        assert answer.status_code == 200, answer
        return answer.content.decode()


def _htmx(part: bool) -> dict[str, str]:
    return {"HX-Request": "true"} if part else {}


@pytest.fixture
def sign_in(store) -> SignIn:
    from django.test import Client

    from hailgate.accounts.operators import make_sign_in_link

    def sign_in(operator, **options) -> Browser:
        browser = Browser(Client(**options))
        assert browser.get(f"sign-in/{make_sign_in_link(operator, reusable=True)}").status_code == 302
        return browser

    return sign_in


@pytest.fixture(scope="session")
def hashed() -> str:
    """Of PASSWORD; argon2 takes its time on purpose, and once is enough."""
    from django.contrib.auth.hashers import make_password

    return make_password(PASSWORD)


@pytest.fixture
def add(store, hashed):
    """An operator with PASSWORD."""
    from hailgate.accounts.operators import add_operator

    def add(tenant, email: str, name: str, role: str = "owner"):
        made = add_operator(tenant.pk, email, name=name, role=role)
        made.password = hashed
        made.save()
        return made

    return add


@pytest.fixture
def olivia(add, tenant):
    return add(tenant, OWNER, "Olivia")


@pytest.fixture
def otto(add, stranger):
    """An operator of another tenant."""
    return add(stranger, "otto@other.example", "Otto")


@pytest.fixture
def adam(add, tenant):
    return add(tenant, AGENT, "Adam", role="agent")


@pytest.fixture
def owner(sign_in, olivia) -> Browser:
    return sign_in(olivia)


@pytest.fixture
def agent(sign_in, adam) -> Browser:
    return sign_in(adam)


@pytest.fixture
def eve(sign_in, add, stranger) -> Browser:
    """Signed in, for another tenant."""
    return sign_in(add(stranger, "eve@stranger.example", "Eve"))
