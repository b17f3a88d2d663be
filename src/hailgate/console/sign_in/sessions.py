"""The one middleware of the console: a session ends when nothing is done, and in any case after some hours."""

import time
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.contrib.auth import SESSION_KEY, login, logout
from django.http import HttpRequest, HttpResponse

from hailgate.accounts import sessions
from hailgate.accounts.models import Operator

# What the page asks for by itself, woken by an event, says so: nobody did anything.
BACKGROUND: Final = "HTTP_X_BACKGROUND"


class SessionLimits:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and SESSION_KEY in request.session:
            now = time.time()
            if sessions.has_ended(request.session, limits(), now):
                logout(request)
            elif BACKGROUND not in request.META:
                sessions.note_activity(request.session, limits(), now)
        return self._get_response(request)


def limits() -> sessions.Limits:
    return sessions.Limits(settings.SESSION_IDLE_S, settings.SESSION_COOKIE_AGE)


def begin_session(request: HttpRequest, operator: Operator) -> None:
    """With a new id, so that one which somebody planted before is worth nothing."""
    login(request, operator, backend="django.contrib.auth.backends.ModelBackend")
    sessions.begin(request.session, time.time())
