"""Django's admin, for whoever owns the installation: all can be looked at, little changed, no secret shown.

Rows that the pipeline writes are read-only: their rules live in its verbs. What is sealed or a digest is left out.
"""

from functools import partial
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from hailgate.accounts.audit import Actor, AuditAction, audited_of_operator
from hailgate.accounts.models import ApiKey, AuditEntry, Membership, Operator, RaisedAlarm, Tenant
from hailgate.accounts.session_store import end_sessions
from hailgate.messaging import models as messaging
from hailgate.messaging.store.sql import every_tenant

# Settings of hooks and channels hold credentials; content, names and addresses belong to the tenants' own pages.
SECRET = frozenset({
    "password", "digest", "token", "token_digest", "config", "headers", "body", "content", "metadata",
    "value", "address", "author", "origin", "lock_file", "groups", "user_permissions",
})  # fmt: skip


class Site(admin.AdminSite):
    """Signed in to as to the console: one door, one lock."""

    site_header = site_title = "Hailgate"
    site_url = "/console/"

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        del extra_context
        return redirect("console:start" if request.user.is_authenticated else "console:sign-in")

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Where guesses of the old one are counted and a change is on record."""
        del request, extra_context
        return redirect("console:account")


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # the class takes no arguments at run time
    """Every column that is no secret; counted no further than a page, since tables may be large."""

    hidden = SECRET
    show_full_result_count = False
    list_per_page = 50
    ordering = ("-id",)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """None: a filter of a hidden column would tell it letter by letter, and of a shown one, over all tenants."""
        del lookup, value, request
        return False

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        del request, obj
        fields = self.model._meta.fields  # noqa: SLF001 -- Django's documented way to a model's fields
        return [field.name for field in fields if field.name not in self.hidden]

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        return self.get_fields(request, obj)

    def get_list_display(self, request: HttpRequest) -> Any:
        return self.get_fields(request)[:9]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[models.Model]:
        parents = [field.name for field in self.model._meta.fields if field.many_to_one]  # noqa: SLF001 -- as above
        rows = super().get_queryset(request).select_related(*parents)
        return rows.extra(where=[f"1 = 1 {every_tenant('the owner of the installation looks at all')}"])  # noqa: S610 -- ours

    def has_add_permission(self, request: HttpRequest) -> bool:
        del request
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        del request, obj
        return False


class People(ReadOnly):
    """What they are called is sealed where content is, and is the tenant's in any case."""

    hidden = SECRET | {"name"}


class Operators(ReadOnly):
    """Who may sign in can be switched here; making one needs the command, which hands out the link."""

    list_display = ("email", "name", "is_active", "is_superuser", "last_login")
    search_fields = ("email",)

    def get_list_display(self, request: HttpRequest) -> Any:
        del request
        return self.list_display

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        return [name for name in self.get_fields(request, obj) if name not in {"name", "is_active", "is_superuser"}]

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Whoever shut themselves out could not come back."""
        return admin.ModelAdmin.has_change_permission(self, request, obj) and (obj is None or obj != request.user)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """On record as what is done by the command is."""
        chief: Any = request.user
        save = partial(super().save_model, request, obj, form, change)
        switched = AuditAction.OPERATOR_LET_IN if obj.is_active else AuditAction.OPERATOR_SHUT_OUT
        action = switched if "is_active" in form.changed_data else AuditAction.OPERATOR_CHANGED
        who = Actor("operator", chief.uid.hex, str(chief))
        audited_of_operator(who, action, obj, save, detail=", ".join(form.changed_data))
        if not obj.is_active:
            end_sessions(obj.pk)


site = Site(name="admin")
site.register(Operator, Operators)
site.register(messaging.Contact, People)
site.register(
    [
        Tenant, Membership, ApiKey, RaisedAlarm, AuditEntry, messaging.Hook, messaging.Channel, messaging.Conversation,
        messaging.Message, messaging.Work, messaging.Attempt, messaging.Receipt, messaging.WebhookEvent,
        messaging.RejectedCall, messaging.Suppression, messaging.Worker,
    ],
    ReadOnly,
)  # fmt: skip
