"""Stopped messages narrowed to some of them, and counted by what stopped them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from hailgate.core.uids import find_uid
from hailgate.messaging.deadletters.dead_letters import ALL_STATES, DeadLetterFilter, FailureCause, group_letters
from hailgate.messaging.models import Channel

LONGEST_CODE = 60


class Filter(NamedTuple):
    """As it stands in the page's address; what cannot be meant counts as not said."""

    show: str = "all"
    code: str = ""
    channel: str = ""

    @property
    def wanted(self) -> DeadLetterFilter:
        return DeadLetterFilter(self.show if self.show in ALL_STATES else None, self.channel or None, self.code or None)

    @property
    def query(self) -> str:
        """Of the address of this page."""
        return urlencode({name: value for name, value in self._asdict().items() if value})

    @property
    def export(self) -> str:
        """Of the address of the table to take away."""
        given = {"format": "csv", "state": self.wanted.state, "code": self.code, "channel": self.channel}
        return urlencode({name: value for name, value in given.items() if value})


class CauseRow(NamedTuple):
    """``query`` leads to its messages alone."""

    cause: FailureCause
    reason: str
    advice: str
    query: str


class CauseCounts(NamedTuple):
    """``failed`` is how many of all these were given up, and may pass if they are sent again together."""

    rows: Sequence[CauseRow]
    failed: int


def read_filter(given: Mapping[str, str]) -> Filter:
    show, code, channel = given.get("show", ""), given.get("code", ""), given.get("channel", "")
    return Filter(
        show if show in ALL_STATES else "all",
        code if len(code) <= LONGEST_CODE and code.isascii() and code.isprintable() else "",
        _uid(channel),
    )


def look_at_causes(tenant_id: int, chosen: Filter) -> CauseCounts:
    found = group_letters(tenant_id, chosen.wanted)
    rows = [
        CauseRow(
            cause,
            _(cause.reason) if cause.reason else cause.code,
            _(cause.advice),
            chosen._replace(show=cause.state, code=cause.code).query,
        )
        for cause in found
    ]
    return CauseCounts(rows, sum(cause.count for cause in found if cause.state == "dead" and cause.remedy == "again"))


def list_channels(tenant_id: int) -> list[tuple[str, str]]:
    """To choose one of: id and name."""
    rows = Channel.objects.filter(tenant_id=tenant_id).order_by("name").values_list("uid", "name")
    return [(uid.hex, name) for uid, name in rows]


def _uid(given: str) -> str:
    uid = find_uid(given)
    return uid.hex if uid else ""
