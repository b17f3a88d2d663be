"""What was promised and what was delivered, both written down outside the product.

Every message carries a token of its own in its text. The client's ledger holds what the product answered to it, the
simulator's holds what the provider accepted; the checker joins them on the token.
"""

import re
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

TOKEN = re.compile(r"T-[0-9a-f]{8}-[0-9]+")


class Promise(msgspec.Struct):
    """One message that was asked for. Times are seconds since the epoch; `troubles` counts answers that were none."""

    token: str
    conversation: str
    asked_at: float
    answered_at: float | None = None
    message_id: str | None = None
    refused: int | None = None
    troubles: int = 0

    @property
    def accepted(self) -> bool:
        return self.message_id is not None


class Delivery(msgspec.Struct, frozen=True):
    """One row of the provider's ledger; `token` is empty where nothing of ours is in the text."""

    token: str
    conversation: str
    at: float
    provider_id: str = ""
    correlation: str = ""


class ClientLedger:
    """Promises in the order in which they were asked for."""

    def __init__(self) -> None:
        self._run = secrets.token_hex(4)
        self.promises: dict[str, Promise] = {}

    def ask(self, conversation: str) -> Promise:
        promise = Promise(f"T-{self._run}-{len(self.promises) + 1}", conversation, time.time())
        self.promises[promise.token] = promise
        return promise

    @property
    def accepted(self) -> list[Promise]:
        return [promise for promise in self.promises.values() if promise.accepted]


def accept(promise: Promise, message_id: str) -> None:
    promise.message_id, promise.answered_at = message_id, time.time()


def read_deliveries(rows: Iterable[Mapping[str, Any]]) -> list[Delivery]:
    """The accepted sends among rows of the simulator's ledger, in its order; one for each token of what they say."""
    return [
        Delivery(
            token,
            f"{row['channel']}/{row['to']}",
            row["at"],
            row["provider_id"],
            row["correlation"] or "",
        )
        for row in rows
        if row["operation"] == "send"
        for token in TOKEN.findall(_words(row["body"])) or [""]
    ]


def _words(body: Mapping[str, Any]) -> str:
    text = body.get("text")
    if isinstance(text, dict):
        return str(text["body"])
    return str(body.get("template", "") if "messaging_product" in body else body)


def find_token(text: str) -> str:
    found = TOKEN.search(text)
    return found.group() if found else ""
