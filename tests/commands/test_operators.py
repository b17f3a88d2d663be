"""`hailgate operator`: made with a password or with a link, listed, shut out."""

from hailgate.accounts.models import Operator, Role
from hailgate.accounts.operators import redeem_sign_in_link

EMAIL = "ada@example.org"


def test_an_operator_with_a_password_from_standard_input(ask, tenant) -> None:
    answer = ask(
        "operator", "add", "--tenant", "clinic", "--email", EMAIL, "--name", "Ada", "--password-stdin",
        typed="correct horse battery\n",
    )  # fmt: skip
    made = Operator.objects.get()
    assert answer == {"id": str(made.uid), "email": EMAIL, "role": "agent"}
    assert made.check_password("correct horse battery")
    assert not made.is_superuser


def test_an_operator_without_a_password_gets_a_link(ask, tenant) -> None:
    answer = ask("operator", "add", "--email", EMAIL, "--role", "agent", "--installation-owner")
    link, _, token = answer["sign_in_url"].rpartition("/")
    assert link == "http://127.0.0.1:8000/console/sign-in"
    made = redeem_sign_in_link(token)
    assert (made.email, made.is_superuser) == (EMAIL, True)
    assert made.memberships.get().role == Role.AGENT


def test_a_forgotten_password_is_helped_by_a_link(ask, tenant) -> None:
    ask("operator", "add", "--email", EMAIL, "--password-stdin", typed="correct horse battery\n")
    token = ask("operator", "link", "--email", EMAIL)["sign_in_url"].rpartition("/")[2]
    assert redeem_sign_in_link(token).email == EMAIL


def test_a_weak_password_is_refused_with_its_rule(run, tenant) -> None:
    refused = run("operator", "add", "--email", EMAIL, "--password-stdin", typed="short\n")
    assert refused.exit_code == 1
    assert "password: This password is too short" in refused.output


def test_who_works_for_a_tenant(ask, tenant, stranger) -> None:
    ask("operator", "add", "--tenant", "clinic", "--email", EMAIL)
    ask("operator", "add", "--tenant", "stranger", "--email", "eve@example.org")
    ask("operator", "disable", "--email", EMAIL)
    (row,) = ask("operator", "list", "--tenant", "clinic")
    assert (row["email"], row["role"], row["active"], row["last_sign_in"]) == (EMAIL, "agent", False, None)
    ask("operator", "enable", "--email", EMAIL)
    assert ask("operator", "list", "--tenant", "clinic")[0]["active"]


def test_an_unknown_operator_is_said_in_words(run, store) -> None:
    refused = run("operator", "disable", "--email", EMAIL)
    assert refused.exit_code == 1
    assert "there is no operator with this e-mail address" in refused.output


def test_an_operator_is_an_agent_unless_said_otherwise_and_somebody_should_own(run, ask, tenant) -> None:
    first = run("operator", "add", "--email", EMAIL)
    assert "role: agent" in first.stdout.splitlines()
    assert "--role owner" in first.stderr
    ask("operator", "add", "--email", "eve@example.org", "--role", "owner")
    assert "--role owner" not in run("operator", "add", "--email", "bo@example.org").stderr


def test_a_link_says_what_address_it_assumes(run, ask, tenant) -> None:
    ask("operator", "add", "--email", EMAIL)
    assert "HAILGATE_PUBLIC_URL is not set" in run("operator", "link", "--email", EMAIL).stderr
