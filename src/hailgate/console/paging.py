"""Pages of lists: the newest first, and where the older ones begin."""

from typing import Any, Final, NamedTuple

from django.db.models import QuerySet

from hailgate.console.inbox.queries import sign_place

PAGE: Final = 50


class ListPage(NamedTuple):
    items: list[Any]
    older: str


def page_of(rows: QuerySet[Any], before: int | None) -> tuple[list[Any], str]:
    if before is not None:
        rows = rows.filter(id__lt=before)
    found = list(rows.order_by("-id")[: PAGE + 1])
    page = found[:PAGE]
    return page, sign_place(page[-1].pk) if len(found) > PAGE else ""
