"""Coming in and going out: by password, by a link, and choosing for whom one works."""

from typing import Any

from django import forms
from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from hailgate.accounts import sessions
from hailgate.accounts.audit import AuditAction, audited_of_operator, operator_of, record_sign_in
from hailgate.accounts.models import Operator
from hailgate.accounts.operators import CurrentOperator, change_password, is_reusable, redeem_sign_in_link
from hailgate.console.sign_in.access import signed_in
from hailgate.console.sign_in.sessions import begin_session
from hailgate.core.errors import InputError
from hailgate.messaging.store.sqlite_writer import write

LONGEST_ID = 18
CAME_BY_LINK = "came_by_link"
# How often the old password may be guessed inside a session before it ends.
GUESSES, MOST_GUESSES = "guesses", 5


class SignInForm(AuthenticationForm):
    error_messages = {
        "invalid_login": gettext_lazy("The e-mail address or the password is wrong."),
        "inactive": gettext_lazy("The e-mail address or the password is wrong."),
    }

    def __init__(self, request: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.fields["username"].label = _("E-mail")
        self.fields["username"].widget = forms.EmailInput(
            attrs={"autofocus": True, "autocomplete": "username", "class": "input"}
        )
        self.fields["password"].widget.attrs["class"] = "input"

    def clean_username(self) -> str:
        return str(self.cleaned_data["username"]).strip().lower()


class SignIn(LoginView):
    template_name = "console/sign_in.html"
    form_class = SignInForm
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        operator: Any = form.get_user()
        begin_session(self.request, operator)
        write(record_sign_in, operator, AuditAction.SIGNED_IN)
        return redirect(self.get_success_url())

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """Of somebody there is; what else was tried is nobody's."""
        operator = Operator.objects.filter(email=form.data.get("username", "").strip().lower()).first()
        if operator is not None:
            write(record_sign_in, operator, AuditAction.SIGN_IN_FAILED)
        return super().form_invalid(form)


@require_http_methods(["GET", "POST"])
def sign_in_by_link(request: HttpRequest, token: str) -> HttpResponse:
    """Looking at a link uses nothing up: mail scanners and previews look at each. Only its button does."""
    if request.method == "GET" and not is_reusable(token):
        return render(request, "console/sign_in_link.html")
    operator = write(redeem_sign_in_link, token)
    if operator is None:
        context = {
            "title": _("This link is over"),
            "advice": _("It was used already, or it is too old. Ask for another one."),
            "status": 404,
        }
        return render(request, "console/error.html", context, status=404)
    begin_session(request, operator)
    request.session[CAME_BY_LINK] = True
    write(record_sign_in, operator, AuditAction.LINK_USED)
    return redirect("console:start")


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("console:sign-in")


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@signed_in
def account(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    """A new password ends the sessions of other browsers; whoever came in by a link needs no old one."""
    operator = Operator.objects.get(id=viewer.operator_id)
    problem, done = "", False
    if request.method == "POST":
        problem = _change_password(request, viewer, operator)
        done = not problem
    context = {"operator": operator, "problem": problem, "done": done, "asks_old": _asks_old(request, operator)}
    return render(request, "console/account.html", context, status=422 if problem else 200)


def _change_password(request: HttpRequest, viewer: CurrentOperator, operator: Operator) -> str:
    if _asks_old(request, operator) and not operator.check_password(request.POST.get("old", "")):
        request.session[GUESSES] = request.session.get(GUESSES, 0) + 1
        if request.session[GUESSES] >= MOST_GUESSES:  # whoever sits there does not know it
            logout(request)
        return _("The old password is wrong.")
    request.session.pop(GUESSES, None)
    try:
        changed = (AuditAction.PASSWORD_CHANGED, operator, change_password, operator, request.POST.get("new", ""))
        write(audited_of_operator, operator_of(viewer), *changed)
    except InputError as weak:
        return weak.detail.removeprefix("password: ")
    request.session.pop(CAME_BY_LINK, None)
    update_session_auth_hash(request, operator)
    return ""


def _asks_old(request: HttpRequest, operator: Operator) -> bool:
    """Whoever came in by a link may have forgotten it: that is what links are for."""
    return operator.has_usable_password() and not request.session.get(CAME_BY_LINK)


@require_POST
@signed_in
def choose_tenant(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    """Only one that the operator works for; anything else leaves it as it is."""
    wanted = request.POST.get("tenant", "")
    if wanted.isascii() and wanted.isdecimal() and len(wanted) <= LONGEST_ID:
        operator = Operator.objects.get(id=viewer.operator_id)
        if operator.memberships.filter(tenant_id=int(wanted)).exists():
            request.session[sessions.TENANT] = int(wanted)
    return redirect("console:start")
