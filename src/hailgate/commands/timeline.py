"""A message's timeline as commands show it."""

from typing import TYPE_CHECKING, Any

from hailgate.commands.speaking import moment

if TYPE_CHECKING:
    from hailgate.messaging.models import Message


def show_timeline(message: "Message") -> list[dict[str, Any]]:
    """The same entries as the API's, to the second."""
    from hailgate.messaging.timeline import tell_timeline

    return [
        {**happening._asdict(), "at": moment(happening.at), "next_at": moment(happening.next_at)}
        for happening in tell_timeline(message)
    ]
