"""Stored messages by the million, made by the database itself: what a growing installation would have kept.

Ten messages to a conversation, half of them from the person, with the raw webhook and the effect of each of those.
They differ in length, as people's do: of one length they would leave a gap in every page, just right for a short reply.
Runs inside the product's process; statements are written for both databases.
"""

import time
from typing import Any

MESSAGES_PER_CONVERSATION = 10
STEP = 200_000


def fill(size: int) -> dict[str, Any]:
    """Bring the store to ``size`` messages."""
    from hailgate.messaging.models import Message

    have = Message.objects.count()
    for start in range(have, size, STEP):
        _add(start, min(start + STEP, size))
    tidy()
    return {"messages": Message.objects.count()}


def fill_queue(size: int) -> dict[str, Any]:
    """Bring the queue to ``size`` deliveries that are due, each the head of another conversation."""
    from hailgate.messaging.models import Work

    _run(
        "INSERT INTO messaging_work (tenant_id, kind, key, channel_id, message_id, state, priority, due_at, lease, "
        "tries, knocks, attempts, attempting, code, detail, expires_at, created_at) "
        "SELECT tenant_id, 1, conversation_id, channel_id, min(id), 1, 0, 0, 0, 0, 0, 0, FALSE, '', '', NULL, %(now)s "
        "FROM messaging_message WHERE direction = 2 AND conversation_id NOT IN (SELECT key FROM messaging_work) "
        "GROUP BY tenant_id, conversation_id, channel_id ORDER BY min(id) LIMIT %(count)s",
        now=time.time(),
        count=max(0, size - Work.objects.count()),
    )
    # As if just accepted: what a status has proven is not sent again.
    queued = "SELECT message_id FROM messaging_work"
    _run(f"UPDATE messaging_message SET status = 0, provider_id = NULL WHERE id IN ({queued})")
    tidy()
    return {"queued": Work.objects.count()}


def _add(start: int, end: int) -> None:
    first, last = start // MESSAGES_PER_CONVERSATION, end // MESSAGES_PER_CONVERSATION
    now = time.time()
    _run(
        "INSERT INTO messaging_contact (tenant_id, uid, is_group, name, origin, created_at) "
        "SELECT tenant_id, {uuid}, FALSE, 'Sheena Nelson', 'filled ' || i, %(now)s FROM {series} {channel}",
        first, last, now=now,
    )  # fmt: skip
    _run(
        "INSERT INTO messaging_contactaddress (tenant_id, contact_id, kind, value, digest) "
        "SELECT tenant_id, id, 'phone', '16500000000', origin FROM messaging_contact "
        "WHERE origin LIKE 'filled %%' AND id NOT IN (SELECT contact_id FROM messaging_contactaddress)"
    )
    _run(
        "INSERT INTO messaging_conversation (tenant_id, uid, channel_id, contact_id, answered_by, version, "
        "last_message_id, last_inbound_id, last_inbound_at, answered_id, pair_tat, created_at) "
        "SELECT contact.tenant_id, {uuid}, channel.id, contact.id, 'scripted', 1, contact.id, 0, %(now)s, 0, 0, "
        "%(now)s FROM messaging_contact contact {channel} WHERE contact.origin LIKE 'filled %%' "
        "AND contact.id NOT IN (SELECT contact_id FROM messaging_conversation)",
        now=now,
    )
    _run(
        "INSERT INTO messaging_message (uid, tenant_id, conversation_id, channel_id, direction, sender, kind, content,"
        " address_kind, address, author_kind, author, context_id, provider_id, status, unknown, code, detail, ordinal,"
        " metadata, accepted_at) "
        "SELECT {uuid}, conversation.tenant_id, conversation.id, channel_id, 1 + i %% 2, 'contact', 'text', "
        "%(before)s || substr(%(words)s, 1, 40 + i * 37 %% 160) || %(after)s, 'phone', '16500000000', '', '', '', "
        "'wamid.filled' || i, 3, FALSE, '', '', 0, '', "
        "%(now)s - 1e7 + i FROM {series} JOIN messaging_conversation conversation ON conversation.id = i / {each} + ("
        "SELECT min(id) FROM messaging_conversation)",
        start, end, now=now, before='{"type":"text","text":{"body":"', words="x" * 200, after='"}}',
    )  # fmt: skip
    _run(
        "INSERT INTO messaging_effect (tenant_id, channel_id, key, at) "
        "SELECT tenant_id, id, {digest}, %(now)s FROM {series} {channel}",
        start // 2, end // 2, now=now,
    )  # fmt: skip
    _run(
        "INSERT INTO messaging_webhookevent (uid, tenant_id, hook_id, received_at, headers, body, state, tries, "
        "outcome) "
        "SELECT {uuid}, tenant_id, hook_id, %(now)s, '', {bytes}, 1, 1, '1 message' FROM {series} {channel}",
        start // 2, end // 2, now=now,
    )  # fmt: skip


def _run(statement: str, first: int = 0, last: int = 0, **parameters: Any) -> None:
    """``{series}`` holds ``i`` from ``first`` up to, not including, ``last``."""
    from django.db import connection

    words = _POSTGRESQL if connection.vendor == "postgresql" else _SQLITE
    known = {name: word.format(first=first, last=last) for name, word in words.items()}
    named = statement.format(channel="CROSS JOIN messaging_channel channel", each=MESSAGES_PER_CONVERSATION, **known)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET statement_timeout = 0")
        cursor.execute(named, parameters)


_POSTGRESQL = {
    "series": "generate_series({first}, {last} - 1) AS series(i)",
    "uuid": "gen_random_uuid()",
    "digest": "md5('effect ' || i)",
    "bytes": "convert_to(repeat('x', 700), 'UTF8')",
}
_SQLITE = {
    "series": "(WITH RECURSIVE series(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM series WHERE i < {last} - 1) "
    "SELECT i FROM series)",
    "uuid": "lower(hex(randomblob(16)))",
    "digest": "lower(hex(randomblob(16)))",
    "bytes": "zeroblob(700)",
}


def tidy() -> None:
    """What autovacuum and the checkpointer do in their own time, or the larger store is measured beside them.

    What follows pays for the first touch of each page after a checkpoint, of which a larger store has more.
    """
    from django.db import connection

    on_postgresql = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        for statement in ("VACUUM ANALYZE", "CHECKPOINT") if on_postgresql else ("PRAGMA wal_checkpoint(TRUNCATE)",):
            cursor.execute(statement)
