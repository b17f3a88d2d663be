"""Evidence from Twilio's list of messages: which of them is the one whose outcome nobody knows. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from hailgate.core.content.menus import render_question
from hailgate.core.content.outbound import Interactive, Outbound, Template
from hailgate.providers.abilities import Sought
from hailgate.providers.reading import identifier
from hailgate.providers.twilio.wire import needs_content, parse_date, render_address, render_body

# The list tells whole seconds of Twilio's clock, and an attempt began by ours: they may differ by so much.
CLOCK_SKEW_S: Final = 5.0


class Listed(NamedTuple):
    """A message as the list shows it; ``created_at`` is in seconds since the epoch, 0.0 where it is not told.

    ``sender`` is empty where a messaging service has not chosen one yet.
    """

    sid: str
    sender: str
    to: str
    body: str
    files: int
    created_at: float
    outbound: bool


def parse_listed(message: Mapping[str, Any]) -> Listed:
    files = str(message.get("num_media", "0"))
    return Listed(
        sid=identifier(message.get("sid")) or "",
        sender=str(message.get("from") or ""),
        to=str(message.get("to", "")),
        body=str(message.get("body", "")),
        files=int(files) if files.isascii() and files.isdigit() and len(files) < 3 else 0,
        created_at=parse_date(message.get("date_created")),
        outbound=str(message.get("direction", "")).startswith("outbound"),
    )


def find_alike(listed: Iterable[Listed], sought: Sought, sender: str | None) -> list[Listed]:
    """To the same recipient, made after the attempt began, and no other message of ours; their words are not read yet.

    ``sender`` is the only one that can have sent it, None where a messaging service chooses: other numbers of the
    account write to the same people.
    """
    to, files = render_address(sought.message.to), _count_files(sought.message.content)
    return [
        one
        for one in listed
        if one.outbound
        and one.sid
        and one.sid not in sought.known
        and one.to == to
        and (sender is None or one.sender in {sender, ""})
        and one.created_at >= sought.attempted_at - CLOCK_SKEW_S
        and (files is None or one.files == files)
    ]


def find_newer(listed: Iterable[Listed], sought: Sought) -> bool:
    """Whether the list shows something that was made after the attempt: then it does not lag behind it."""
    return any(one.created_at > sought.attempted_at + CLOCK_SKEW_S for one in listed)


def reaches_back(listed: Sequence[Listed], sought: Sought, most: int) -> bool:
    """Whether one page holds all that was sent since the attempt began: the newest come first."""
    return len(listed) < most or any(one.created_at < sought.attempted_at - CLOCK_SKEW_S for one in listed)


def find_words(content: Outbound) -> str:
    """As the list shows what is no template."""
    if needs_content(content) and isinstance(content, Interactive):
        return render_question(content.interactive)
    return dict(render_body(content)).get("Body", "")


def _count_files(content: Outbound) -> int | None:
    """None where Twilio alone knows: a template's."""
    if isinstance(content, Template):
        return None
    return 0 if needs_content(content) else sum(name == "MediaUrl" for name, _ in render_body(content))
