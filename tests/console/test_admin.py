"""Django's admin: for the owner of the installation alone, and without a secret."""

import pytest

import given
from console.conftest import PASSWORD
from hailgate.accounts.audit import AuditAction
from hailgate.accounts.models import AuditEntry
from hailgate.console.admin import SECRET, site
from hailgate.messaging.models import Hook
from messaging import acting

MODELS = sorted(model._meta.label_lower.replace(".", "/") for model in site._registry)


@pytest.fixture
def chief(sign_in, olivia):
    olivia.is_superuser = True
    olivia.save()
    return sign_in(olivia).client


@pytest.mark.parametrize("model", MODELS)
def test_every_list_and_row_opens_and_shows_no_secret(chief, told, hook, channel, key, model) -> None:  # noqa: PLR0917 -- fixtures
    acting.execute("UPDATE messaging_contact SET name = 'canary-name' WHERE tenant_id > 0")
    pages = [chief.get(f"/admin/{model}/")]
    model_class = next(each for each in site._registry if each._meta.label_lower.replace(".", "/") == model)
    rows = acting.execute(f"SELECT id FROM {model_class._meta.db_table} LIMIT 1")
    pages += [chief.get(f"/admin/{model}/{id_}/change/") for (id_,) in rows]
    for page in pages:
        assert page.status_code == 200
        assert "unsafe" not in page["Content-Security-Policy"]
        shown = page.content.decode()
        for secret in (PASSWORD, hook.token, key, given.APP_SECRET, "Until six.", "canary-name", "argon2", "sealed:"):
            assert secret not in shown


def test_nothing_that_the_pipeline_writes_is_changed_or_deleted_here(chief, told, hook) -> None:
    row = Hook.objects.get(uid=hook.id, tenant_id=told.conversation.tenant_id)
    for path in (f"messaging/hook/{row.pk}/delete/", "messaging/hook/add/"):
        assert chief.post(f"/admin/{path}", {"post": "yes"}).status_code == 403
    assert chief.post(f"/admin/messaging/hook/{row.pk}/change/", {"active": ""}).status_code == 403
    assert acting.fresh(row).active


def test_an_operator_is_shut_out_here_but_never_oneself(chief, adam, olivia) -> None:
    chief.post(f"/admin/accounts/operator/{adam.pk}/change/", {"name": "Adam", "is_superuser": "on"})
    adam.refresh_from_db()
    assert (adam.is_active, adam.is_superuser) == (False, True)
    entries = AuditEntry.objects.exclude(action=AuditAction.LINK_USED).values_list(
        "actor", "action", "subject", "detail"
    )
    told = (olivia.uid.hex, AuditAction.OPERATOR_SHUT_OUT, f"operator:{adam.uid}")
    assert [(*entry[:3], "is_superuser" in entry[3]) for entry in entries] == [(*told, True)] * len(entries)
    assert entries
    assert chief.post(f"/admin/accounts/operator/{olivia.pk}/change/", {"name": "x"}).status_code == 403


def test_a_password_is_changed_where_guesses_are_counted(chief) -> None:
    for answer in (chief.get("/admin/password_change/"), chief.post("/admin/password_change/", {"old_password": "x"})):
        assert answer.headers["Location"] == "/console/account"


@pytest.mark.parametrize("path", ["/admin/", "/admin/messaging/message/", "/admin/login/"])
def test_an_owner_of_a_tenant_has_no_way_in(owner, path) -> None:
    answer = owner.client.get(path, follow=True)
    assert answer.redirect_chain[-1][0] in {"/console/", "/console/conversations"}
    assert "Site administration" not in answer.content.decode()


def test_no_secret_column_is_registered_by_another_name() -> None:
    for model, options in site._registry.items():
        assert not SECRET & set(options.get_fields(None))
        assert model._meta.app_label in {"accounts", "messaging"}
