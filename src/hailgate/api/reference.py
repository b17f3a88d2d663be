"""The management API as a whole."""

from importlib.metadata import version

from ninja import NinjaAPI

from hailgate.api import (
    audit,
    channels,
    conversations,
    deadletters,
    media,
    messages,
    money,
    patterns,
    people,
    sessions,
    templates,
)
from hailgate.api.access import BearerKey, answer_errors
from hailgate.api.query_names import hold_to_known_names

DESCRIPTION = """\
Send and receive WhatsApp messages through any provider.

Every call needs an API key: `Authorization: Bearer <key>`. Errors are problem details (RFC 9457) with a stable
`code`; [all codes](/v1/docs/errors) are documented. Ids are UUIDs; times are RFC 3339 in UTC.
"""


def make_api() -> NinjaAPI:
    api = NinjaAPI(
        title="Hailgate",
        version=version("hailgate"),
        description=DESCRIPTION,
        auth=BearerKey(),
        docs_url=None,
        openapi_url=None,
        urls_namespace="v1",
    )
    answer_errors(api)
    hold_to_known_names(api)
    parts = (
        messages, conversations, people, channels, sessions, templates, patterns, deadletters, media, money, audit,
    )  # fmt: skip
    for part in parts:
        api.add_router("", part.router)
    return api
