"""An answer for each operation, as its reader shows it beside the schema, and values for parameters."""

from collections.abc import Mapping
from typing import Any, Final

_MESSAGE_ID: Final = "01932f4b-7c1e-7a60-9b1f-5c3d2e4f6a70"
_CONVERSATION_ID: Final = "01932f4b-7c20-7b11-8c42-3e5d6f708192"
_CHANNEL_ID: Final = "7f0c2a4e-5b61-4c1d-9d8e-2f3a4b5c6d7e"
_CONTACT_ID: Final = "01932f4b-7c22-7c33-9d54-4f6e7a8b9c0d"
_JOIN_ID: Final = "01932f4b-7c24-7d55-8e76-5a7b8c9d0e1f"
_MEDIA_ID: Final = "01932f4b-7c26-7e77-9f98-6b8c9d0e1f2a"
_TEMPLATE_ID: Final = "3e0a100d-a401-49ef-9599-6805c0e6ccc3"
_THEN: Final = "2026-10-05T09:30:00.120Z"
_LATER: Final = "2026-10-05T09:30:01.480Z"
_NEXT_DAY: Final = "2026-10-06T09:30:00.120Z"
_IN_LINK: Final = "kD3sYw0mX2q8vB6nJ4tR1uZ5"
_PHONE: Final = {"kind": "phone", "value": "15550100042"}
_TEXT: Final = {"body": "Your order is ready.", "preview_url": False}

_MESSAGE: Final[dict[str, Any]] = {
    "id": _MESSAGE_ID, "conversation": _CONVERSATION_ID, "channel": _CHANNEL_ID, "direction": "outbound",
    "sender": "api", "address": _PHONE, "author": None, "type": "text", "text": _TEXT,
    "content": {"body": _TEXT["body"]}, "preview": _TEXT["body"], "unsupported": None, "origin": None,
    "attachment": None, "context_id": None, "quoted": None, "reactions": [], "edited_at": None, "deleted_at": None,
    "provider_id": "wamid.HBgLMTU1NTAxMDAwNDI", "status": "delivered", "unknown": False, "stale": False,
    "code": None, "detail": None,
    "price": {
        "category": "utility", "type": "regular", "billed": True, "free_until": None, "cost": "0.0068",
        "currency": "USD",
    },
    "metadata": {"order": "17"}, "accepted_at": _THEN, "provider_at": None, "send_at": None, "expires_at": _NEXT_DAY,
}  # fmt: skip
_CANCELLED: Final = _MESSAGE | {
    "provider_id": None, "status": "failed", "code": "cancelled", "detail": "Cancelled before it was sent.",
    "price": None,
}  # fmt: skip


def _event(at: str, event: str, attempt: int | None = None, code: str | None = None) -> dict[str, Any]:
    return {"at": at, "event": event, "attempt": attempt, "code": code}


_CONVERSATION: Final = {
    "id": _CONVERSATION_ID,
    "channel": {"id": _CHANNEL_ID, "name": "reception"},
    "contact": {
        "id": _CONTACT_ID, "name": "Ana Souza", "told_name": "ana", "is_group": False, "addresses": [_PHONE],
    },
    "answered_by": "person",
    "last_message": _MESSAGE,
    "last_message_at": _THEN,
    "window_open": True,
    "window_closes_at": _NEXT_DAY,
    "free_until": None,
    "thread": {"owner": "us", "role": None, "told_at": None},
}  # fmt: skip
_CHANNEL: Final = {
    "id": _CHANNEL_ID, "name": "reception", "provider": "cloud", "number": "15550100000", "answered_by": "person",
    "active": True, "paused": False, "paused_reason": None, "paused_at": None,
    "breaker": {"state": "closed", "failures": 0, "opened_at": None}, "rate": {"per_second": 80.0, "burst": 8},
    "queued": {"waiting": 2, "ready": 1, "sending": 1, "unknown": 0, "dead": 0},
    "kinds": [
        {"kind": "text", "text": 4096, "caption": None, "bytes": None, "types": [], "quotable": True,
         "options": None, "mentions": False, "mentions_all": False, "voice_by_link": True, "degrades_to": None,
         "words_only": False},
        {"kind": "image", "text": None, "caption": 1024, "bytes": 5242880, "types": ["image/jpeg", "image/png"],
         "quotable": True, "options": None, "mentions": False, "mentions_all": False, "voice_by_link": True,
         "degrades_to": None, "words_only": False},
    ],
}  # fmt: skip
_PAUSED: Final = {"paused": True, "paused_reason": "paused_by_hand", "paused_at": _LATER}
_JOIN: Final = {
    "id": _JOIN_ID, "state": "joined", "proof": "operator", "source": "",
    "one": {"id": _CONTACT_ID, "name": "Ana", "addresses": ["+15550100042"]},
    "other": {"id": _CONVERSATION_ID, "name": "Ana Souza", "addresses": ["+15550100043"]},
    "by": "orders", "told_at": _THEN, "joined_at": _THEN, "undone_at": None,
}  # fmt: skip
_SUGGESTED: Final = {"state": "suggested", "proof": "spelling", "by": "", "joined_at": None}
_SESSION: Final = {
    "state": "pairing", "wish": "pair", "since": _THEN, "number": None, "unconfirmed_number": None, "detail": None,
    "has_code": True, "worker_running": True,
}  # fmt: skip
_TEMPLATE: Final = {
    "id": _TEMPLATE_ID, "name": "order_ready", "language": "en_US", "category": "UTILITY", "status": "APPROVED",
    "quality": "GREEN", "reason": None, "sendable": True, "parameter_format": "positional",
    "components": [{"type": "BODY", "text": "Your {{1}} is ready."}],
    "variables": [{"key": "body.1", "kind": "text", "place": "1", "example": "order 17", "required": True}],
    "account": "102000000000001", "provider_id": "1600", "changed_at": _THEN, "synced_at": _LATER, "gone_at": None,
}  # fmt: skip
_SYNC: Final = {
    "account": "102000000000001", "templates": 12, "synced_at": _THEN, "due_at": _LATER, "code": None, "detail": None,
}  # fmt: skip
_REJECTED: Final = {
    "state": "dead", "code": "rejected", "reason": "The provider refuses this message for good.",
    "advice": "Change the message: the same one would be refused again.", "remedy": "edit",
}  # fmt: skip
_LETTER: Final = _REJECTED | {
    "id": _MESSAGE_ID, "provider_code": "131009", "detail": "Parameter value is not valid.", "attempts": 1,
    "channel": _CHANNEL_ID, "conversation": _CONVERSATION_ID, "to": _PHONE, "accepted_at": _THEN,
}  # fmt: skip
_CAUSE: Final = _REJECTED | {"provider_code": "131009", "count": 3, "oldest_at": _THEN, "newest_at": _LATER}
_FILE: Final = {
    "id": _MEDIA_ID, "state": "failed", "kind": "image", "type": None, "size": None, "name": "plan.png",
    "code": "media_gone", "detail": "The provider has the file no more.", "created_at": _THEN,
}  # fmt: skip
_ENTRY: Final = {
    "id": "4702f422-a4fe-4d6d-8d91-e46e04ad5494", "at": _THEN,
    "actor": {"kind": "key", "id": "9816ca5219a64049baedaedfeaf94431", "name": "orders"},
    "action": "channel.paused", "subject": f"channel:{_CHANNEL_ID}", "count": 1, "detail": "",
}  # fmt: skip
_ACCEPTED: Final = {
    "id": _MESSAGE_ID, "status": "queued", "channel": _CHANNEL_ID, "to": "+15550100042", "accepted_at": _THEN,
}  # fmt: skip
_TALLY: Final = {
    "messages": 412, "charged": 38, "free_service": 374, "unpriced": 0, "tokens": 182000, "unpriced_answers": 0,
    "costs": [{"currency": "USD", "amount": "0.8112"}],
}  # fmt: skip
_BUDGET: Final = {
    "subject": "tenant", "period": "month", "unit": "money", "most": "50", "spent": "0.8112", "currency": "USD",
}  # fmt: skip
_SPENDING: Final = {"stopped_at": None, "budgets": [_BUDGET]}
_CONSENTS: Final = {
    "items": [
        {"scope": "marketing", "wanted": None, "at": None, "reason": "", "proof": ""},
        {"scope": "unasked", "wanted": False, "at": _THEN, "reason": "wrote_it", "proof": _MESSAGE_ID},
        {"scope": "assistant", "wanted": None, "at": None, "reason": "", "proof": ""},
    ]
}
_PATTERN: Final = {
    "name": "greeting", "language": "en", "text": "Hello {{name}}, how can we help you?", "variables": ["name"],
}  # fmt: skip
_REVIVED: Final = {"revived": [_MESSAGE_ID], "not_found": []}


def _page(item: Any) -> dict[str, Any]:
    return {"items": [item], "next": None}


# By operation: what its answer of 2xx holds, by media type where that is not JSON.
ANSWERS: Final[Mapping[str, Any]] = {
    "find_messages": _page(_MESSAGE),
    "create_message": _ACCEPTED,
    "create_batch": {"results": [{"status": 202, "message": _ACCEPTED}]},
    "get_message": _MESSAGE
    | {
        "timeline": [
            _event(_THEN, "queued"),
            _event(_THEN, "sending", 1),
            _event(_LATER, "sent", 1),
            _event(_LATER, "delivered"),
        ]
    },
    "cancel_message": _CANCELLED | {"timeline": [_event(_THEN, "queued"), _event(_LATER, "failed", None, "cancelled")]},
    "list_conversations": _page(_CONVERSATION),
    "get_conversation": _CONVERSATION,
    "list_messages": {**_page(_MESSAGE), "previous": None},
    "hand_over": _CONVERSATION,
    "list_joins": _page(_JOIN | _SUGGESTED),
    "join_contacts": {"done": True},
    "take_suggestion": _JOIN | {"proof": "spelling"},
    "dismiss_suggestion": _JOIN | _SUGGESTED | {"state": "dismissed"},
    "undo_join": _JOIN | {"state": "undone", "undone_at": _LATER},
    "get_consent": _CONSENTS,
    "set_consent": _CONSENTS,
    "list_patterns": {"items": [_PATTERN]},
    "set_pattern": _PATTERN,
    "remove_pattern": {"removed": True},
    "name_contact": {"id": _CONTACT_ID, "name": "Ana Souza"},
    "list_channels": _page(_CHANNEL),
    "pause_channel": _CHANNEL | _PAUSED,
    "resume_channel": _CHANNEL,
    "get_session": _SESSION,
    "change_session": _SESSION,
    "get_pairing_code": {"code": "2@kD3sYw0mX2q8vB6n", "kind": "qr", "expires_at": _LATER},
    "confirm_number": _SESSION | {"state": "open", "wish": "open", "number": "15550100000", "has_code": False},
    "list_templates": _page(_TEMPLATE),
    "get_template": _TEMPLATE,
    "get_template_sync": _SYNC,
    "sync_templates": _SYNC | {"due_at": None},
    "list_dead_letters": _page(_LETTER),
    "list_causes": {"items": [_CAUSE]},
    "revive_dead_letters": _REVIVED,
    "revive_all_dead_letters": {"revived": 3},
    "dismiss_dead_letters": {"dismissed": [_MESSAGE_ID], "not_found": []},
    "settle_dead_letter": {"id": _MESSAGE_ID, "sent": True},
    "edit_dead_letter": _REVIVED,
    "make_media_link": {"url": f"/media/{_IN_LINK}", "expires_at": _LATER},
    "list_failed_media": _page(_FILE),
    "fetch_media_again": _FILE | {"state": "awaited", "code": None, "detail": None},
    "list_audit": _page(_ENTRY),
    "get_costs": {
        "month": "2026-10",
        "channels": [
            {"channel": {"id": _CHANNEL_ID, "name": "reception"}, **_TALLY, "origins": {"assistant": _TALLY}},
        ],
    },
    "get_spending": _SPENDING,
    "stop_assistants": _SPENDING | {"stopped_at": _THEN},
    "resume_assistants": _SPENDING,
    "upload_media": {
        "id": _MEDIA_ID, "kind": "document", "type": "application/pdf", "size": 48211, "sha256": "0f" * 32,
        "name": "plan.pdf",
    },
    "answer_handshake": "1158201444",
    "answer_handshake_below": "1158201444",
}  # fmt: skip
EXPORTS: Final = {
    "text/csv": f"id,state,code\r\n{_MESSAGE_ID},dead,rejected\r\n",
    "application/x-ndjson": f'{{"id":"{_MESSAGE_ID}","state":"dead","code":"rejected"}}\n',
}
PARAMETERS: Final[Mapping[str, Any]] = {
    "message_id": _MESSAGE_ID, "conversation_id": _CONVERSATION_ID, "contact_id": _CONTACT_ID, "join_id": _JOIN_ID,
    "channel_id": _CHANNEL_ID, "template_id": _TEMPLATE_ID, "media_id": _MEDIA_ID, "token": _IN_LINK,
    "rest": "messages-upsert", "channel": "reception", "code": "rejected", "since": "2026-10-01T00:00:00Z",
    "until": "2026-11-01T00:00:00Z", "metadata": {"order": "17"}, "Idempotency-Key": "order-17", "limit": 50,
    "name": "order_ready", "language": "en_US",
}  # fmt: skip
