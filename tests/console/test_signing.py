"""Coming in, staying in, and being out: sessions, throttling, forged forms, and who may see what."""

import re

import pytest
from django.test import Client

from console.conftest import OWNER, PASSWORD, Browser
from hailgate import urls
from hailgate.accounts import operators, sessions
from hailgate.accounts.keys import add_tenant
from hailgate.accounts.operators import add_operator, make_sign_in_link
from hailgate.console.urls import urlpatterns

NOBODYS = "0" * 32
OPEN = {"start", "sign-in", "sign-in-by-link", "sign-out"}


def addresses(but: set[str] = frozenset()) -> list[str]:
    return [re.sub(r"<[^>]+>", NOBODYS, str(each.pattern)) for each in urlpatterns if each.name not in but]


def sign_in_with(client: Client, password: str, email: str = OWNER, **more):
    return client.post("/console/sign-in", {"username": email, "password": password, **more})


def test_the_right_password_opens_the_inbox(olivia) -> None:
    client = Client()
    answer = sign_in_with(client, PASSWORD, email=OWNER.upper())
    assert (answer.status_code, answer["Location"]) == (302, "/console/")
    assert client.get("/console/conversations").status_code == 200


@pytest.mark.parametrize("email", [OWNER, "nobody@clinic.example"])
def test_a_wrong_password_says_the_same_of_everybody(olivia, email) -> None:
    answer = sign_in_with(Client(), "wrong horse battery", email=email)
    assert answer.status_code == 200
    assert "The e-mail address or the password is wrong." in answer.content.decode()


def test_five_wrong_passwords_lock_out_even_the_right_one(olivia) -> None:
    client = Client()
    codes = [sign_in_with(client, "wrong horse battery").status_code for _ in range(5)]
    assert codes[-1] == 429
    locked = sign_in_with(client, PASSWORD)
    assert locked.status_code == 429
    assert "Too many attempts" in locked.content.decode()
    assert locked["Retry-After"] == "900"
    assert client.get("/console/conversations").status_code == 302


def test_whoever_was_shut_out_does_not_come_in(olivia) -> None:
    operators.shut_out(olivia)
    assert "is wrong" in sign_in_with(Client(), PASSWORD).content.decode()


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_nobody_is_led_away_after_signing_in(olivia, target) -> None:
    assert sign_in_with(Client(), PASSWORD, next=target)["Location"] == "/console/"


def test_signing_in_gives_a_new_session_and_signing_out_ends_it(olivia) -> None:
    client = Client()
    client.cookies["hailgate"] = planted = "p" * 32
    sign_in_with(client, PASSWORD)
    key = client.cookies["hailgate"].value
    assert key != planted
    client.post("/console/sign-out")
    client.cookies["hailgate"] = key
    assert client.get("/console/conversations").status_code == 302


def test_the_cookie_is_for_the_browser_alone(olivia) -> None:
    client = Client()
    sign_in_with(client, PASSWORD)
    cookie = client.cookies["hailgate"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")


def test_a_link_signs_in_once(olivia) -> None:
    path = f"/console/sign-in/{make_sign_in_link(olivia)}"
    assert Client().post(path)["Location"] == "/console/"
    again = Client().post(path)
    assert again.status_code == 404
    assert "This link is over" in again.content.decode()


def test_looking_at_a_link_uses_nothing_up(olivia) -> None:
    """Mail scanners and previews of chat programs look at every address."""
    path = f"/console/sign-in/{make_sign_in_link(olivia)}"
    for _ in range(3):
        page = Client().get(path)
        assert (page.status_code, "hailgate" in page.cookies) == (200, False)
        assert "Sign in" in page.content.decode()
    assert Client().head(path).status_code == 405
    assert Client().post(path).status_code == 302


def test_whoever_came_by_a_link_sets_a_password_without_the_forgotten_one(olivia) -> None:
    client = Client()
    client.post(f"/console/sign-in/{make_sign_in_link(olivia)}")
    assert 'name="old"' not in client.get("/console/account").content.decode()
    assert client.post("/console/account", {"new": "a quite different phrase"}).status_code == 200
    assert 'name="old"' in client.get("/console/account").content.decode()
    assert client.post("/console/account", {"new": "and yet another phrase"}).status_code == 422


@pytest.mark.parametrize("end", ["shut_out", "new_password", "no_membership"])
def test_a_session_ends_with_what_it_stood_for(owner, olivia, end) -> None:
    assert owner.get("conversations").status_code == 200
    if end == "shut_out":
        operators.shut_out(olivia)
    elif end == "new_password":
        operators.change_password(olivia, "another horse battery")
    else:
        olivia.memberships.all().delete()
    assert owner.get("conversations").status_code == (403 if end == "no_membership" else 302)


def test_an_idle_session_ends_and_a_page_that_refreshes_itself_is_idle(owner, monkeypatch) -> None:
    began = owner.client.session[sessions.BEGAN]
    monkeypatch.setattr("time.time", lambda: began + 600)
    assert owner.get("conversations/list", **{"X-Background": "1"}).status_code == 200
    assert owner.client.session[sessions.SEEN] == began
    monkeypatch.setattr("time.time", lambda: began + 901)
    assert owner.get("conversations").status_code == 302


def test_work_keeps_a_session_open_until_its_day_is_over(owner, monkeypatch) -> None:
    began = owner.client.session[sessions.BEGAN]
    for minutes in range(10, 12 * 60, 10):
        monkeypatch.setattr("time.time", lambda at=began + minutes * 60: at)
        assert owner.get("conversations/list").status_code == 200
    monkeypatch.setattr("time.time", lambda: began + 12 * 3600)
    assert owner.get("conversations/list").status_code == 302


def test_a_new_password_keeps_this_browser_and_ends_the_others(sign_in, olivia) -> None:
    other, owner = sign_in(olivia), Browser(Client())
    sign_in_with(owner.client, PASSWORD)
    refused = owner.post("account", {"old": "wrong", "new": "another horse battery"})
    assert (refused.status_code, "The old password is wrong." in refused.content.decode()) == (422, True)
    weak = owner.post("account", {"old": PASSWORD, "new": "short"})
    assert "too short" in weak.content.decode()
    assert owner.post("account", {"old": PASSWORD, "new": "another horse battery"}).status_code == 200
    assert owner.get("conversations").status_code == 200
    assert other.get("conversations").status_code == 302


def test_whoever_came_by_a_link_chooses_a_first_password(sign_in, tenant) -> None:
    browser = sign_in(add_operator(tenant.pk, "new@clinic.example"))
    assert 'name="old"' not in browser.text("account")
    changed = browser.post("account", {"new": "another horse battery"})
    assert (changed.status_code, 'name="old"' in changed.content.decode()) == (200, True)
    assert 'name="old"' in browser.text("account")


@pytest.mark.parametrize("path", addresses(but=OPEN))
def test_every_page_asks_who_is_there(store, path) -> None:
    browser = Browser(Client())
    for answer in (browser.get(path), browser.post(path, part=False)):
        assert answer.status_code in {302, 405}
        if answer.status_code == 302:
            assert answer["Location"].startswith("/console/sign-in")
    part = browser.get(path, part=True)
    assert part.status_code == 405 or (part.status_code, part["HX-Redirect"]) == (204, "/console/sign-in")


@pytest.mark.parametrize("path", addresses(but={"sign-in", "sign-in-by-link"}))
def test_no_form_is_taken_from_elsewhere(sign_in, olivia, path) -> None:
    owner = sign_in(olivia, enforce_csrf_checks=True)
    for origin in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        answer = owner.post(path, {"body": "x", "new": "another horse battery"}, part=False, **origin)
        assert answer.status_code == 403
        assert "This page is too old" in answer.content.decode()


def test_login_itself_cannot_be_forged(olivia) -> None:
    assert sign_in_with(Client(enforce_csrf_checks=True), PASSWORD).status_code == 403


def test_every_page_has_the_strict_policy(owner, told) -> None:
    for path in ("conversations", "dead-letters", "events", "channels", "overview", "account"):
        policy = owner.get(path)["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "script-src 'self'" in policy


def test_no_page_holds_script_or_style_of_its_own(owner, told) -> None:
    pages = ["conversations", f"conversations/{told.conversation.uid.hex}", "dead-letters", "events", "channels"]
    for path in [*pages, "overview", "account"]:
        page = owner.text(path)
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|hx-on|javascript:", page)
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)


@pytest.mark.parametrize("path", ["events", f"events/{NOBODYS}"])
def test_an_agent_sees_no_raw_events(agent, path) -> None:
    assert agent.get(path).status_code == 403


def test_an_agent_resumes_no_channel(agent, channel) -> None:
    assert agent.post(f"channels/{channel.uid.hex}/resume").status_code == 403


def test_whoever_works_for_two_tenants_changes_between_them(owner, olivia, told) -> None:
    other = add_tenant("other")
    add_operator(other.pk, OWNER, role="agent")
    assert told.conversation.uid.hex in owner.text("conversations")
    owner.post("tenant", {"tenant": other.pk})
    assert told.conversation.uid.hex not in owner.text("conversations")
    assert owner.get("events").status_code == 403
    for nonsense in ("", "x", "999999999", "²"):
        owner.post("tenant", {"tenant": nonsense})
        assert owner.client.session[sessions.TENANT] == other.pk


def test_what_is_not_there_is_a_page_that_leads_back(owner) -> None:
    missing = owner.get("nowhere")
    assert missing.status_code == 404
    assert "/console/" in missing.content.decode()


def test_the_console_is_no_part_of_the_api() -> None:
    assert not [path for path in urls.render_openapi()["paths"] if "console" in path]
