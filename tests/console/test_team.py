"""The team and the API keys in the console: an owner manages their own tenant's, and opens no other."""

import re

import pytest


@pytest.fixture
def owner(sign_in, olivia):
    return sign_in(olivia)


def link_in(page: str) -> str | None:
    found = re.search(r'id="told-link">[^<]*/console/sign-in/([^<]+)<', page)
    return found and found.group(1)


def test_a_new_colleague_comes_in_by_a_link_that_is_shown_once(owner, tenant) -> None:
    from hailgate.accounts.models import AuditEntry
    from hailgate.accounts.operators import redeem_sign_in_link

    answer = owner.post("team", {"email": "Ben@Clinic.example", "name": "Ben", "role": "agent"}, part=False)
    token = link_in(answer.content.decode())
    assert "no-store" in answer["Cache-Control"]
    assert token not in owner.text("team")
    assert redeem_sign_in_link(token).email == "ben@clinic.example"
    assert AuditEntry.objects.filter(tenant_id=tenant.pk, action="operator.added", detail="agent").count() == 1


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"email": "nobody", "role": "agent"}, "email: needs an address"),
        ({"email": "olivia@clinic.example", "role": "agent"}, "they are in the team already"),
        ({"email": "new@clinic.example", "role": "king"}, "role: must be one of"),
    ],
)
def test_what_is_wrong_with_a_colleague_is_told(owner, form, says: str) -> None:
    answer = owner.post("team", form, part=False)
    assert (answer.status_code, says in answer.content.decode()) == (422, True)


def test_whoever_works_elsewhere_joins_without_a_link_that_would_open_that_too(owner, add, stranger, tenant) -> None:
    otto = add(stranger, "otto@other.example", "Otto")
    answer = owner.post("team", {"email": "otto@other.example", "role": "agent"}, part=False)
    assert (answer.status_code, link_in(answer.content.decode())) == (200, None)
    again = owner.post(f"team/{otto.uid.hex}", {"what": "link"}, part=False)
    assert (again.status_code, link_in(again.content.decode())) == (422, None)


def test_no_link_is_made_for_the_installations_owner(owner, tenant) -> None:
    from hailgate.accounts.operators import add_operator

    root = add_operator(tenant.pk, "root@clinic.example", installation_owner=True)
    assert owner.post(f"team/{root.uid.hex}", {"what": "link"}, part=False).status_code == 422


def test_whoever_leaves_is_out_at_once_and_keeps_what_they_have_elsewhere(owner, sign_in, adam, stranger) -> None:
    from hailgate.accounts.models import Membership
    from hailgate.accounts.operators import add_operator

    browser = sign_in(adam)
    add_operator(stranger.pk, adam.email)
    assert owner.post(f"team/{adam.uid.hex}", {"what": "out"}, part=False).status_code == 302
    assert browser.get("conversations").status_code == 302  # to the sign-in page
    assert list(Membership.objects.filter(operator=adam).values_list("tenant_id", flat=True)) == [stranger.pk]


@pytest.mark.parametrize("what", ["agent", "out"])
def test_a_team_is_never_without_an_owner(owner, olivia, tenant, what: str) -> None:
    from hailgate.accounts.models import Membership

    answer = owner.post(f"team/{olivia.uid.hex}", {"what": what}, part=False)
    assert (answer.status_code, "make another one owner first" in answer.content.decode()) == (422, True)
    assert Membership.objects.get(tenant_id=tenant.pk, operator=olivia).role == "owner"


def test_roles_change_and_nothing_else_is_taken(owner, adam, tenant) -> None:
    from hailgate.accounts.models import Membership

    assert owner.post(f"team/{adam.uid.hex}", {"what": "owner"}, part=False).status_code == 302
    assert Membership.objects.get(tenant_id=tenant.pk, operator=adam).role == "owner"
    assert owner.post(f"team/{adam.uid.hex}", {"what": "everything"}, part=False).status_code == 404


def test_other_teams_are_out_of_reach(owner, otto) -> None:
    for what in ("out", "owner", "link"):
        assert owner.post(f"team/{otto.uid.hex}", {"what": what}, part=False).status_code == 404


def test_agents_see_neither_team_nor_keys(sign_in, adam) -> None:
    browser = sign_in(adam)
    assert (browser.get("team").status_code, browser.get("keys").status_code) == (403, 403)
    assert (browser.post("team").status_code, browser.post("keys").status_code) == (403, 403)


def test_a_key_is_shown_once_works_and_can_be_revoked(owner, tenant, eve) -> None:
    from hailgate.accounts.keys import find_key

    answer = owner.post("keys", {"name": "shop"}, part=False)
    key = re.search(r'id="told-key">([^<]+)<', answer.content.decode()).group(1)
    assert find_key(key).tenant_id == tenant.pk
    assert key not in owner.text("keys")
    prefix = key.split("_")[1]
    assert eve.post(f"keys/{prefix}/revoke", part=False).status_code == 404
    assert owner.post(f"keys/{prefix}/revoke", part=False).status_code == 302
    assert find_key(key) is None
    assert owner.post("keys", {"name": ""}, part=False).status_code == 422
