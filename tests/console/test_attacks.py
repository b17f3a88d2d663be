"""From an attacker's side: sessions that leak, filters that tell, passwords that are guessed."""

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client

from hailgate.accounts.audit import AuditAction
from hailgate.accounts.models import AuditEntry, SignInLink
from hailgate.accounts.operators import (
    add_operator,
    change_password,
    let_in,
    make_sign_in_link,
    redeem_sign_in_link,
    set_password,
    shut_out,
)
from hailgate.accounts.passwords import is_first_guess
from hailgate.console import admin as admin_module
from hailgate.core.errors import InputError

PASSWORD = "correct horse battery staple"


@pytest.fixture
def chief(tenant):
    return add_operator(tenant.pk, "chief@example.org", password=PASSWORD, installation_owner=True)


@pytest.fixture
def browser(chief):
    return signed_in(chief)


def signed_in(operator, **options) -> Client:
    """By a link: no password is hashed for it."""
    browser = Client(**options)
    assert browser.get(f"/console/sign-in/{make_sign_in_link(operator, reusable=True)}").status_code == 302
    return browser


def cookie_of(browser) -> str:
    return browser.cookies[settings.SESSION_COOKIE_NAME].value


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_who_reads_the_table_of_sessions_can_sign_in_as_nobody(browser):
    [stored] = Session.objects.values_list("session_key", flat=True)
    assert stored != cookie_of(browser)
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = stored
    assert thief.get("/console/conversations").status_code == 302
    assert browser.get("/console/conversations").status_code == 200


def test_who_was_shut_out_is_not_signed_in_again_by_being_let_in(browser, chief):
    shut_out(chief)
    let_in(chief)
    assert browser.get("/console/conversations").status_code == 302
    assert not Session.objects.exists()


def test_only_the_sessions_of_the_one_who_is_shut_out_end(browser, tenant):
    other = add_operator(tenant.pk, "other@example.org", password=PASSWORD)
    second = signed_in(other)
    shut_out(other)
    assert browser.get("/console/conversations").status_code == 200
    assert second.get("/console/conversations").status_code == 302


def test_an_unused_link_ends_with_a_new_password(chief):
    token = make_sign_in_link(chief)
    change_password(chief, "another battery of horses")
    assert redeem_sign_in_link(token) is None
    assert not SignInLink.objects.exists()


def test_guessing_the_old_password_inside_a_session_ends_it(chief):
    browser = Client()
    browser.post("/console/sign-in", {"username": chief.email, "password": PASSWORD})
    assert browser.get("/console/account").status_code == 200
    for _ in range(5):
        browser.post("/console/account", {"old": "a guess", "new": "a new long password"})
    assert browser.get("/console/account").status_code == 302


# --- what is on record ------------------------------------------------------------------------------------------------


def test_coming_in_and_failing_to_are_on_record(browser, chief):
    stranger = Client()
    stranger.post("/console/sign-in", {"username": chief.email, "password": "wrong"})
    stranger.post("/console/sign-in", {"username": "nobody@example.org", "password": "wrong"})
    stranger.post("/console/sign-in", {"username": chief.email, "password": PASSWORD})
    actions = list(AuditEntry.objects.filter(tenant_id__gt=0).order_by("id").values_list("action", flat=True))
    assert actions == [AuditAction.LINK_USED, AuditAction.SIGN_IN_FAILED, AuditAction.SIGNED_IN]


# --- the admin's filters ----------------------------------------------------------------------------------------------

ORACLES = (
    "content__contains=a", "address__startswith=1", "password__startswith=argon2", "digest__gte=a", "name=clinic",
    "tenant__name__startswith=c", "operator__password__startswith=argon2", "id__gt=0", "token__regex=.",
    "body__isnull=0", "hook__config__contains=secret",
)  # fmt: skip
TABLES = sorted(model._meta.label_lower.replace(".", "/") for model in admin_module.site._registry)


def test_no_address_of_the_admin_answers_by_what_a_column_holds(browser):
    assert len(TABLES) > 15
    for table in TABLES:
        assert browser.get(f"/admin/{table}/").status_code == 200, table
        for oracle in ORACLES:
            answer = browser.get(f"/admin/{table}/?{oracle}")
            refused = answer.status_code == 400 or answer.headers.get("Location", "").endswith("?e=1")
            assert refused, (table, oracle, answer.status_code)


# --- passwords --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "guess",
    ["123456789012", "aaaaaaaaaaaa", "abababababab", "hailgate1234", "Hailgate-2026", "HAILGATEHAILGATE",
     "qwertyuiopas", "abcdefghijkl", "987654321098", "1234567890123456", "whatsapp2026!", "zyxwvutsrqpo"],
)  # fmt: skip
def test_what_is_tried_first_is_no_password(guess):
    assert is_first_guess(guess)


def test_and_is_refused_as_one(chief):
    with pytest.raises(InputError, match=r"^password: "):
        set_password(chief, "123456789012")


@pytest.mark.parametrize("good", [PASSWORD, "tr0ub4dor&3-xkcd", "hailgate is where i answer patients"])
def test_others_are(good):
    assert not is_first_guess(good)
