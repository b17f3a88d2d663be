"""Operators: one person per address, let in by password or link, shut out at once."""

import time

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, identify_hasher

from hailgate.accounts import operators, sessions
from hailgate.accounts.keys import add_tenant
from hailgate.accounts.models import Membership, Operator, SignInLink
from hailgate.accounts.operators import add_operator, find_viewer, make_sign_in_link, redeem_sign_in_link
from hailgate.accounts.session_store import SessionStore
from hailgate.core.errors import InputError, NotFound

PASSWORD = "correct horse battery"
LIMITS = sessions.Limits(idle_s=900.0, whole_s=3600.0)


@pytest.fixture
def ada(tenant) -> Operator:
    return add_operator(tenant.pk, "Ada@Example.org", name="Ada", password=PASSWORD)


def test_an_address_is_one_operator_in_every_spelling(ada, tenant) -> None:
    assert ada.email == "ada@example.org"
    assert add_operator(tenant.pk, " ADA@example.ORG ").pk == ada.pk
    assert operators.get_operator("ADA@EXAMPLE.ORG").check_password(PASSWORD)


def test_a_password_is_stored_as_argon2(ada) -> None:
    assert identify_hasher(ada.password).algorithm == "argon2"
    assert PASSWORD not in ada.password


def test_a_password_is_hashed_on_one_core(ada) -> None:
    assert "p=1$" in ada.password


def test_a_hash_made_with_more_lanes_is_verified_and_made_anew(ada) -> None:
    ada.password = Argon2PasswordHasher().encode(PASSWORD, "s" * 22)
    ada.save()
    assert "p=8$" in ada.password
    assert ada.check_password(PASSWORD)
    ada.refresh_from_db()
    assert "p=1$" in ada.password


@pytest.mark.parametrize("weak", ["short", "password1234", "ada@example.org", ""])
def test_a_weak_password_is_refused_and_nobody_is_made(tenant, weak) -> None:
    with pytest.raises(InputError, match=r"^password: ") as refused:
        add_operator(tenant.pk, "ada@example.org", password=weak)
    assert refused.value.field == "password"
    assert not Operator.objects.exists()


@pytest.mark.parametrize("address", ["", "ada", "ada@", "a b@c.de"])
def test_what_is_no_address_is_refused(tenant, address) -> None:
    with pytest.raises(InputError, match=r"^email: "):
        add_operator(tenant.pk, address)


def test_an_operator_may_work_for_several_tenants_and_chooses_among_them_alone(ada, tenant, stranger) -> None:
    other = add_tenant("other")
    add_operator(other.pk, ada.email, role="agent")
    assert find_viewer(ada, None).tenant_id == tenant.pk
    assert find_viewer(ada, other.pk)[3:] == (other.pk, "other", "agent")
    assert find_viewer(ada, stranger.pk).tenant_id == tenant.pk
    Membership.objects.filter(operator=ada).delete()
    assert find_viewer(ada, tenant.pk) is None


def test_a_link_lets_in_once(ada) -> None:
    token = make_sign_in_link(ada)
    assert token not in str(SignInLink.objects.values())
    assert redeem_sign_in_link(token) == ada
    assert redeem_sign_in_link(token) is None


def test_a_link_of_the_demo_may_be_used_again(ada) -> None:
    token = make_sign_in_link(ada, reusable=True)
    assert [redeem_sign_in_link(token) for _ in range(3)] == [ada] * 3


@pytest.mark.parametrize("token", ["", "x", "é", "x" * 5000])
def test_an_unknown_link_lets_nobody_in(ada, token) -> None:
    assert redeem_sign_in_link(token) is None


def test_a_link_ends_with_its_time_and_with_its_operator(ada) -> None:
    assert redeem_sign_in_link(make_sign_in_link(ada, life_s=-1)) is None
    token = make_sign_in_link(ada)
    operators.shut_out(ada)
    assert redeem_sign_in_link(token) is None
    operators.let_in(ada)
    assert redeem_sign_in_link(token) is None


def test_get_names_the_command_that_lists_them(store) -> None:
    with pytest.raises(NotFound, match="hailgate operator list"):
        operators.get_operator("nobody@example.org")


# --- sessions ---------------------------------------------------------------------------------------------------------


def session_of(operator: Operator, began: float) -> SessionStore:
    session = SessionStore()
    session["_auth_user_id"] = str(operator.pk)
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session["_auth_user_hash"] = operator.get_session_auth_hash()
    sessions.begin(session, began)
    session.create()
    return session


@pytest.mark.parametrize(
    ("after", "activity", "ended"),
    [(0, 0, False), (899, 0, False), (900, 0, True), (3599, 3000, False), (3600, 3599, True)],
)
def test_a_session_ends_by_idleness_and_by_age(after: float, activity: float, ended: bool) -> None:
    began = {sessions.BEGAN: 1000.0, sessions.SEEN: 1000.0 + activity}
    assert sessions.has_ended(began, LIMITS, 1000.0 + after) is ended


def test_a_session_that_says_nothing_of_its_time_has_ended() -> None:
    assert sessions.has_ended({}, LIMITS, 0.0)
    assert sessions.has_ended({sessions.BEGAN: "0", sessions.SEEN: None}, LIMITS, 0.0)


def test_activity_is_noted_once_a_minute(ada) -> None:
    session = session_of(ada, 1000.0)
    sessions.note_activity(session, LIMITS, 1059.0)
    assert session[sessions.SEEN] == 1000.0
    sessions.note_activity(session, LIMITS, 1060.0)
    assert session[sessions.SEEN] == 1060.0


def test_activity_is_noted_in_time_where_little_idleness_is_allowed(ada) -> None:
    session = session_of(ada, 1000.0)
    sessions.note_activity(session, sessions.Limits(20.0, 3600.0), 1005.0)
    assert session[sessions.SEEN] == 1005.0


def test_a_session_shows_its_operator_until_anything_ends_it(ada, tenant) -> None:
    now = time.time()
    key = session_of(ada, now).session_key
    look = lambda: sessions.find_session_viewer(key, LIMITS, now)  # noqa: E731 -- read as a word
    assert look().tenant_id == tenant.pk
    operators.shut_out(ada)
    assert look() is None
    operators.let_in(ada)
    assert look() is None
    key = session_of(ada, now).session_key
    assert look() is not None
    operators.change_password(ada, "another horse battery")
    assert look() is None


def test_a_session_of_nobody_shows_nothing(store) -> None:
    assert sessions.find_session_viewer("x" * 32, LIMITS, 0.0) is None
