"""The edge's doors in OpenAPI's words; the schemas are those of the structs that read the bodies."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

Refusals = Callable[[Sequence[int]], dict[str, Any]]

_IDEMPOTENCY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same body gets the first answer again, for 24 hours. In a batch it "
    "counts for each message by its place.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[ -~]+$"},
}
_BYTES: Final = {"type": "string", "format": "binary"}
_FORM: Final = {
    "multipart/form-data": {"schema": {"type": "object", "required": ["file"], "properties": {"file": _BYTES}}}
}
_AS: Final = {
    "name": "as",
    "in": "query",
    "required": False,
    "description": "`voice` makes audio of any format a voice note: Ogg with Opus, one channel. Needs the extra "
    "`voice`; up to 16 MB and a quarter of an hour.",
    "schema": {"type": "string", "enum": ["voice"]},
}


def _query(name: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": {"type": "string", **schema}}


_LETTERS: Final = [
    _query("state", enum=["dead", "unknown"]),
    _query("channel", maxLength=100),
    _query("code", maxLength=60),
    _query("since", format="date-time"),
    _query("until", format="date-time"),
]
_TABLE: Final = {
    "description": "One letter a line.",
    "content": {each: {"schema": {"type": "string"}} for each in ("text/csv", "application/x-ndjson")},
}
_FILE: Final = {"description": "The file.", "content": {"*/*": {"schema": _BYTES}}}
_KEY: Final[list[dict[str, list[str]]]] = [{"BearerKey": []}]
_SENDING: Final = (400, 401, 408, 409, 413, 415, 422, 429, 503)


def doors(refusals: Refusals) -> Mapping[str, Mapping[str, Any]]:
    """``refusals`` renders the problem answers of an operation."""
    return {
        "/v1/messages": {"post": _create_message(refusals)},
        "/v1/messages/batch": {"post": _create_batch(refusals)},
        "/v1/media": {"post": _upload_media(refusals)},
        "/v1/media/{media_id}": {"get": _download_media(refusals)},
        "/media/{token}": {"get": _open_media_link(refusals)},
        "/v1/dead-letters/export": {"get": _export_dead_letters(refusals)},
        "/files/{token}": {"get": _fetch_file_link(refusals)},
        "/hooks/{token}": _hook(refusals, [_parameter("token")]),
        "/hooks/{token}/{rest}": _hook(
            refusals,
            [_parameter("token"), _parameter("rest")],
            "_below",
            " A path of the provider's own below the hook.",
        ),
    }


def _create_message(refusals: Refusals) -> Mapping[str, Any]:
    return {
        "operationId": "create_message",
        "summary": "Send Message",
        "description": "Accepts one message. The answer comes after it is stored; delivery follows. "
        "A key that was used before gets the answer of then, with `Idempotency-Replayed: true`.",
        "tags": ["Messages"],
        "security": _KEY,
        "parameters": [_IDEMPOTENCY],
        "requestBody": _json("MessageRequest"),
        "responses": {"202": _answer("Stored and queued.", "AcceptedMessage"), **refusals(_SENDING)},
    }


def _create_batch(refusals: Refusals) -> Mapping[str, Any]:
    return {
        "operationId": "create_batch",
        "summary": "Send Batch",
        "description": "Accepts up to 1,000 messages; each gets its own answer, in order.",
        "tags": ["Messages"],
        "security": _KEY,
        "parameters": [_IDEMPOTENCY],
        "requestBody": _json("BatchRequest"),
        "responses": {"200": _answer("A result for each message.", "BatchAnswer"), **refusals(_SENDING)},
    }


def _upload_media(refusals: Refusals) -> Mapping[str, Any]:
    return {
        "operationId": "upload_media",
        "summary": "Upload Media",
        "description": "Stores a file to be sent, up to 100 MB. The body is the file itself, or a form with a "
        "part called `file`; the file's type is told by its content. "
        '`Content-Disposition: attachment; filename="…"` may give it a name.',
        "tags": ["Media"],
        "security": _KEY,
        "parameters": [_AS],
        "requestBody": {"required": True, "content": {"application/octet-stream": {"schema": _BYTES}, **_FORM}},
        "responses": {"201": _answer("Stored.", "MediaOut"), **refusals([400, 401, 408, 413, 415, 422, 503])},
    }


def _download_media(refusals: Refusals) -> Mapping[str, Any]:
    return {
        "operationId": "download_media",
        "summary": "Download Media",
        "description": "The file, only ever as something to save.",
        "tags": ["Media"],
        "security": _KEY,
        "parameters": [_parameter("media_id")],
        "responses": {"200": _FILE, **refusals([401, 404, 503])},
    }


def _open_media_link(refusals: Refusals) -> Mapping[str, Any]:
    return {
        "operationId": "open_media_link",
        "summary": "Open Media Link",
        "description": "The file that a link of `POST /v1/media/{media_id}/link` leads to, for five minutes.",
        "tags": ["Media"],
        "security": [],
        "parameters": [_parameter("token")],
        "responses": {"200": _FILE, **refusals([404, 503])},
    }


def _export_dead_letters(refusals: Refusals) -> Mapping[str, Any]:
    return {
        "operationId": "export_dead_letters",
        "summary": "Export Dead Letters",
        "description": "All that match, from the oldest on, streamed: CSV for spreadsheets, NDJSON for "
        "programs. What a message says is not in it.",
        "tags": ["Dead letters"],
        "security": _KEY,
        "parameters": [_query("format", enum=["csv", "ndjson"]), *_LETTERS],
        "responses": {"200": _TABLE, **refusals([401, 422, 503])},
    }


def _fetch_file_link(refusals: Refusals) -> Mapping[str, Any]:
    return {
        "operationId": "fetch_file_link",
        "summary": "Fetch File Link",
        "description": "A provider fetches the file of a message, by the link that it was given with it. "
        "The link ends with its time.",
        "tags": ["Media"],
        "security": [],
        "parameters": [_parameter("token")],
        "responses": {"200": _FILE, **refusals([404, 503])},
    }


_POSTED_FORM: Final = {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}
_TEXT: Final = {"description": "The challenge.", "content": {"text/plain": {"schema": {"type": "string"}}}}


def _hook(refusals: Refusals, parameters: list[dict[str, Any]], name: str = "", more: str = "") -> dict[str, Any]:
    below = name.replace("_", " ").title()
    return {
        "get": {
            "operationId": f"answer_handshake{name}",
            "summary": f"Answer Handshake{below}",
            "description": f"A provider asks whether this hook is ours. The query is the provider's.{more}",
            "tags": ["Hooks"],
            "security": [],
            "parameters": parameters,
            "responses": {"200": _TEXT, **refusals([403, 404, 503])},
        },
        "post": {
            "operationId": f"receive_webhook{name}",
            "summary": f"Receive Webhook{below}",
            "description": f"A provider tells what happened. Stored before it is answered, understood later.{more}",
            "tags": ["Hooks"],
            "security": [],
            "parameters": parameters,
            "requestBody": {"required": True, "content": {"application/json": {"schema": {}}, **_POSTED_FORM}},
            "responses": {"200": {"description": "Stored."}, **refusals([400, 401, 404, 408, 413, 415, 503])},
        },
    }


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _json(schema: str) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": _ref(schema)}}}


def _answer(description: str, schema: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _ref(schema)}}}


def _ref(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}
