"""Edits, deletions and reactions: what people did to messages that were here, in any order, early or late.

Each is kept as it came. An edit or a deletion replaces the content of its message, so that whoever reads a message
reads what stands now; what stood before is kept with the change. One that comes before its message waits for it.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from hailgate.accounts.seal import sealer
from hailgate.core.address import Address, AddressKind
from hailgate.core.content import encode_content
from hailgate.core.content.inbound import Deleted
from hailgate.core.events import Change, MessageChange
from hailgate.messaging.assistants.summaries import forget_covering
from hailgate.messaging.inbound.targets import Target, find_targets
from hailgate.messaging.models import Direction
from hailgate.messaging.people.conversations import address_digest
from hailgate.messaging.people.identify import settle_parties
from hailgate.messaging.people.party import Party
from hailgate.messaging.people.proofs import ProofKind
from hailgate.messaging.store.sql import Cursor, Row, among, array, atomic_cursor, every_tenant, fetch, locked, now
from hailgate.messaging.store.tables import AMENDMENT, MESSAGE

# A change of a message that we never had is kept, but waited with no longer than this.
EARLY_CHANGE_LIFE_S = 600.0


class Amended(NamedTuple):
    """A change that came in on one of our channels."""

    tenant_id: int
    channel_id: int
    event: MessageChange
    portfolio: str = ""


def record_changes(cursor: Cursor, changes: Sequence[Amended], moment: float) -> list[bool]:
    """Of each whether the message that it names is here."""
    if not changes:
        return []
    settle_parties(cursor, [_party(one) for one in changes if _is_persons(one)], ProofKind.WEBHOOK, moment)
    targets = [Target(one.tenant_id, one.channel_id, one.event.target, _chat(one)) for one in changes]
    found = find_targets(cursor, targets)
    rows: list[Row] = [_row(one, at.id if at else None, moment) for one, at in zip(changes, found, strict=True)]
    AMENDMENT.insert(cursor, _COLUMNS, rows)
    _settle(cursor, {row[3] for row in rows if row[4] != Change.REACTION and row[3] is not None})
    return [at is not None for at in found]


def _chat(amended: Amended) -> tuple[Address, ...]:
    event = amended.event
    return event.chat or ((event.author,) if event.author else ())


def _is_persons(amended: Amended) -> bool:
    chat = amended.event.chat
    return bool(chat) and chat[0].kind is not AddressKind.GROUP


def _party(amended: Amended) -> Party:
    """Whom it names, and how they are known."""
    tenant_id, channel_id, event, portfolio = amended
    return Party(
        tenant_id, channel_id, event.chat, "", event.name or "", told=True, at=event.at, portfolio=portfolio
    )  # fmt: skip


def apply_early_changes(limit: int = 500) -> int:
    """Changes that came before their messages."""
    with atomic_cursor(read_only=True) as cursor:
        early = (
            f"SELECT 1 FROM messaging_amendment WHERE message_id IS NULL AND received_at > %s {every_tenant('sweep')}"
        )
        if not fetch(cursor, f"{early} LIMIT 1", [now(cursor) - EARLY_CHANGE_LIFE_S]):
            return 0
    with atomic_cursor() as cursor:
        found = fetch(
            cursor,
            f"SELECT amendment.id, coalesce(message.id, tokened.id), amendment.change "
            f"FROM messaging_amendment amendment LEFT JOIN messaging_message message "
            f"ON message.channel_id = amendment.channel_id AND message.provider_id = amendment.provider_id "
            f"LEFT JOIN messaging_message tokened "
            f"ON tokened.channel_id = amendment.channel_id AND tokened.message_token = amendment.provider_id "
            f"WHERE amendment.message_id IS NULL AND amendment.received_at > %s "
            f"AND coalesce(message.id, tokened.id) IS NOT NULL {every_tenant('sweep')} "
            f"ORDER BY amendment.id LIMIT %s{locked(of='amendment', skip=True)}",
            [now(cursor) - EARLY_CHANGE_LIFE_S, limit],
        )
        AMENDMENT.update(cursor, ("message_id",), [(id_, message_id) for id_, message_id, _ in found])
        _settle(cursor, {message_id for _, message_id, change in found if change != Change.REACTION})
        return len(found)


_COLUMNS = (
    "tenant_id", "channel_id", "provider_id", "message_id", "change", "author_kind", "author", "author_digest",
    "content", "before", "at", "received_at",
)  # fmt: skip


def _row(amended: Amended, message_id: int | None, moment: float) -> tuple[object, ...]:
    event, seal = amended.event, sealer().seal_content
    author = ("", "", "")
    if event.author is not None:
        author = (event.author.kind.value, seal(event.author.value), address_digest(event.author))
    return (
        amended.tenant_id, amended.channel_id, _any_id(event)[:255], message_id, event.change.value,
        *author, seal(_said(event)), "",
        float(min(event.at, moment)) if event.at > 0 else moment, moment,
    )  # fmt: skip


def _any_id(event: MessageChange) -> str:
    """Under which its target can be found, whatever the provider calls it by then."""
    return event.target_token or event.target


def _said(event: MessageChange) -> str:
    """The emoji of a reaction, the content that an edit or a deletion puts in the place of the old one."""
    if event.change is Change.REACTION:
        return event.emoji
    return encode_content(Deleted() if event.content is None else event.content)


class _Replacing(NamedTuple):
    """An edit or a deletion, in the order in which they count: a deletion is final, else the latest edit stands."""

    message_id: int
    deletes: bool
    at: float
    id: int
    content: str
    applied: bool


def _settle(cursor: Cursor, message_ids: Collection[int]) -> None:
    """Let each message say what its latest edit says, or that it was deleted. Each side changes only what it wrote."""
    if not message_ids:
        return
    stood = fetch(
        cursor,
        f"SELECT id, direction, content FROM messaging_message WHERE {among('id')} {every_tenant('by key')} "
        f"ORDER BY id{locked()}",
        [array(message_ids)],
    )
    standing = _standing(cursor, [id_ for id_, _, _ in stood])
    due = ((standing.get((id_, direction == Direction.OUTBOUND)), content) for id_, direction, content in stood)
    fresh = [(one, content) for one, content in due if one and not one.applied]
    AMENDMENT.update(cursor, ("before",), sorted((one.id, content) for one, content in fresh))
    MESSAGE.update(cursor, ("content",), [(one.message_id, one.content) for one, _ in fresh])
    forget_covering(cursor, [one.message_id for one, _ in fresh])


def _standing(cursor: Cursor, message_ids: Collection[int]) -> dict[tuple[int, bool], _Replacing]:
    """By the message, and whether it was us who changed it."""
    found = fetch(
        cursor,
        f"SELECT message_id, change, at, id, content, before, author_kind FROM messaging_amendment "
        f"WHERE {among('message_id')} AND change <> '{Change.REACTION.value}' {every_tenant('by key')}",
        [array(message_ids)],
    )
    standing: dict[tuple[int, bool], _Replacing] = {}
    for message_id, change, at, id_, content, before, author_kind in found:
        one = _Replacing(message_id, change == Change.DELETION, at, id_, content, bool(before))
        place = message_id, not author_kind
        standing[place] = max(one, standing.get(place, one))
    return standing
