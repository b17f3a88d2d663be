"""Who may see a page. The tenant comes from the session, and every view gets it with the operator."""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeAlias
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.cache import patch_vary_headers

from hailgate.accounts import sessions
from hailgate.accounts.models import Operator
from hailgate.accounts.operators import CurrentOperator, find_viewer
from hailgate.core.errors import NotFound

Given = ParamSpec("Given")
View: TypeAlias = Callable[Concatenate[HttpRequest, CurrentOperator, Given], HttpResponse]
Guarded: TypeAlias = Callable[Concatenate[HttpRequest, Given], HttpResponse]


def signed_in(view: View[Given]) -> Guarded[Given]:
    """Everybody else is led to the sign-in page and back. What a view does not find is a page that says so."""

    def guarded(request: HttpRequest, /, *args: Given.args, **kwargs: Given.kwargs) -> HttpResponse:
        operator: Any = request.user
        if not isinstance(operator, Operator):
            return ask_to_sign_in(request)
        viewer = find_viewer(operator, request.session.get(sessions.TENANT))
        if viewer is None:
            raise PermissionDenied
        request.viewer = viewer  # type: ignore[attr-defined]  # templates show who looks
        try:
            answer = view(request, viewer, *args, **kwargs)
        except NotFound:
            raise Http404 from None
        patch_vary_headers(answer, ["HX-Request"])  # a part of a page and the whole have one address
        return answer

    return guarded


def owners_only(view: View[Given]) -> Guarded[Given]:
    """Raw events hold whatever a provider sent, and channels are what everything depends on."""

    def guarded(
        request: HttpRequest, viewer: CurrentOperator, /, *args: Given.args, **kwargs: Given.kwargs
    ) -> HttpResponse:
        if not viewer.is_owner:
            raise PermissionDenied
        return view(request, viewer, *args, **kwargs)

    return signed_in(guarded)


def ask_to_sign_in(request: HttpRequest) -> HttpResponse:
    """A part of a page cannot be a sign-in page: the whole of it goes there."""
    sign_in = reverse("console:sign-in")
    if is_partial(request):
        return HttpResponse(status=204, headers={"HX-Redirect": sign_in})
    return redirect(f"{sign_in}?next={request.path}" if request.method == "GET" else sign_in)


def is_partial(request: HttpRequest) -> bool:
    """Htmx asks for a part of a page."""
    return "HX-Request" in request.headers


def parse_uid(given: str) -> UUID:
    """A garbled id is one that nobody has."""
    try:
        return UUID(given)
    except ValueError:
        raise Http404 from None
