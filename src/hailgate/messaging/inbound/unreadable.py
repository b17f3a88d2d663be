"""Unreadable messages: they wait for the readable one, and are shown as unreadable where none comes."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from hailgate.core.events import UnreadableMessage
from hailgate.messaging.store.sql import Cursor
from hailgate.messaging.store.tables import EFFECT

SHOWN_AFTER_S: Final = 600.0


class Unread(NamedTuple):
    """``received_at`` is when it was told of."""

    channel_id: int
    received_at: float
    event: UnreadableMessage


class Fate(NamedTuple):
    """``read`` where it came again and could be read; else ``waits``, or it is shown as it is."""

    read: bool
    waits: bool


def judge_unreadable(cursor: Cursor, unread: Sequence[Unread], moment: float) -> list[Fate]:
    keys = [(each.channel_id, each.event.readable_key().hex()) for each in unread]
    read = {tuple(row) for row in EFFECT.find(cursor, ("channel_id", "key"), keys, by=("channel_id", "key"))}
    return [
        Fate(key in read, moment - each.received_at < SHOWN_AFTER_S) for key, each in zip(keys, unread, strict=True)
    ]
