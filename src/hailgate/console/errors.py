"""Pages for what went wrong. They say what to do, and nothing of what was asked."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    del exception
    return _page(request, 404, _("There is nothing here"), _("It was never there, or it is not yours to see."))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    del exception
    return _page(request, 403, _("This is not for you"), _("Ask an owner of your team for access."))


def failed(request: HttpRequest) -> HttpResponse:
    return _page(request, 500, _("Something failed"), _("It was logged. Nothing that you sent before is lost."))


def refuse_forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that did not come from our page, or from one that was open since before the last sign-in."""
    del reason
    return _page(request, 403, _("This page is too old"), _("Load it again and repeat what you did."))


def refuse_locked_out(request: HttpRequest, _response: Any = None, _credentials: Any = None) -> HttpResponse:
    """The same whether or not the operator exists."""
    page = _page(
        request, 429, _("Too many attempts"), _("Wait a quarter of an hour, or ask an owner for a sign-in link.")
    )
    page["Retry-After"] = str(round(settings.AXES_COOLOFF_TIME.total_seconds()))
    return page


def _page(request: HttpRequest, status: int, title: str, advice: str) -> HttpResponse:
    return render(request, "console/error.html", {"title": title, "advice": advice, "status": status}, status=status)
