"""Meta, as far as a delivery can tell: takes messages, answers or not, and reports in webhooks until they are taken."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import UUID

from hailgate.core.status import Status

from .network import Answer
from .rows import POISON

if TYPE_CHECKING:
    from .world import World

APP_SECRET = "a secret of the app"
# Codes that ask for a slower pace (with the longest wait they may ask for), for another try, or are final.
THROTTLES = (130429, 131056)
PASSING = (131016, 131000, 2)
FINAL = (131026, 131051)
OPTED_OUT = 131050
TOKEN_EXPIRED = 190
FAILED_LATER = 131049
STEPS = ("sent", "delivered", "read")
# Meta repeats a webhook for days, ever more slowly; here often enough to be done when a story ends.
LONGEST_BACKOFF_S = 8.0


class Meta:
    def __init__(self, world: "World") -> None:
        self._world, self._faults, self._chance, self._loop = world, world.faults, world.chance, world.loop
        self._numbers = count(1)
        self.under_way = 0

    # --- sends --------------------------------------------------------------------------------------------------------

    def receive(self, url: str, request: bytes, answered: "asyncio.Future[Answer]") -> None:
        """A request has left somebody; it arrives a little later, or never."""
        call = json.loads(request)
        if "biz_opaque_callback_data" in call:
            self._world.promises.first_byte(*_tracked(call))
        self.under_way += 1
        self._later(self._faults.way(), self._arrive, url, call, answered)

    def _arrive(self, url: str, call: dict[str, Any], answered: "asyncio.Future[Answer]") -> None:
        self.under_way -= 1
        if "biz_opaque_callback_data" not in call:
            self._answer(answered, 200, {"success": True})
        elif self._faults.strikes("reset_before_read"):
            self._world.note("reset", call["biz_opaque_callback_data"])
            self._reset(answered)
        elif (refusal := self._refusal()) is not None:
            status, code, headers = refusal
            if headers.get("Retry-After", "").isdigit():
                self._world.promises.told_to_wait(_tracked(call)[0], float(headers["Retry-After"]))
            self._world.note("refused", call["biz_opaque_callback_data"], code)
            self._answer(answered, status, _error(code) if code else {}, headers)
        else:
            self._take(url.split("/")[-2], call, answered)

    def _refusal(self) -> tuple[int, int, Mapping[str, str]] | None:
        """HTTP status, Meta's code (0: none), headers."""
        if self._faults.strikes("throttled"):
            after = self._chance.choice(({}, {"Retry-After": "7"}, {"Retry-After": "soon"}))
            return self._chance.choice((400, 429)), self._chance.choice(THROTTLES), after
        if self._faults.strikes("failing"):
            return 500, self._chance.choice(PASSING), {}
        if self._faults.strikes("mute_error"):
            return 503, 0, {}
        for kind, code in (("refused", self._chance.choice(FINAL)), ("opted_out", OPTED_OUT)):
            if self._faults.strikes(kind):
                return 400, code, {}
        return (401, TOKEN_EXPIRED, {}) if self._faults.strikes("token_revoked") else None

    def _take(self, account: str, call: dict[str, Any], answered: "asyncio.Future[Answer]") -> None:
        uid, attempt = _tracked(call)
        self._world.promises.taken(uid, attempt, call["text"]["body"])
        wamid = f"wamid.out{next(self._numbers)}"
        self._world.note("taken", uid, attempt, wamid)
        self._report(account, call, wamid)
        if self._faults.strikes("taken_then_reset"):
            self._reset(answered)
        elif self._faults.strikes("taken_then_garbage"):
            self._answer(answered, 200, {"messages": "soon"})
        elif self._faults.strikes("taken_then_error"):
            self._answer(answered, 502, {})
        elif not self._faults.strikes("taken_then_silent"):
            slow = self._chance.uniform(5.0, 15.0) if self._faults.strikes("slow_answer") else 0.0
            self._answer(answered, 200, {"messages": [{"id": wamid}], "contacts": [{"wa_id": call["to"]}]}, after=slow)

    def _answer(
        self,
        answered: "asyncio.Future[Answer]",
        status: int,
        body: dict[str, Any],
        headers: Mapping[str, str] | None = None,
        after: float = 0.0,
    ) -> None:
        answer = Answer(status, dict(headers or {}), json.dumps(body).encode())
        self._later(after + self._faults.way(), lambda: answered.done() or answered.set_result(answer))

    def _reset(self, answered: "asyncio.Future[Answer]") -> None:
        self._later(self._faults.way(), lambda: answered.done() or answered.set_exception(ConnectionResetError()))

    # --- webhooks -----------------------------------------------------------------------------------------------------

    def _report(self, account: str, call: Mapping[str, Any], wamid: str) -> None:
        if self._faults.strikes("withheld_statuses"):
            return
        uid, _ = _tracked(call)
        steps = (
            ("sent", "failed") if self._faults.strikes("failed_later") else STEPS[: self._chance.choice((1, 1, 2, 3))]
        )
        at = 0.0
        for step in steps:
            at += 0.0 if self._faults.strikes("early_status") else self._chance.uniform(0.05, 2.0)
            untracked = self._faults.strikes("untracked_status")
            told = {"id": wamid, "status": step, "timestamp": str(self._seconds()), "recipient_id": call["to"]}
            if step == "failed":
                told["errors"] = [{"code": FAILED_LATER, "title": "late"}]
            if not untracked:
                told["biz_opaque_callback_data"] = call["biz_opaque_callback_data"]
            status = Status[step.upper()]
            self._world.outside(self._post_status(at, account, told, None if untracked else uid, status))

    async def _post_status(
        self, after: float, account: str, told: dict[str, Any], uid: UUID | None, status: Status
    ) -> None:
        await asyncio.sleep(after)
        await self.post(account, {"statuses": [told]})
        if uid is not None:
            self._world.promises.reported(uid, status)

    async def tell(self, account: str, written: Sequence[tuple[str, str, str]]) -> None:
        """People wrote: (id, number, text), in one webhook."""
        messages = [
            {"id": id_, "from": sender, "timestamp": str(self._seconds()), "type": "text", "text": {"body": text}}
            for id_, sender, text in written
        ]
        poisoned = any(POISON in text for _, _, text in written)  # the whole webhook is set aside
        await self.post(account, {"messages": messages}, [] if poisoned else [id_ for id_, _, _ in written])

    async def post(self, account: str, news: dict[str, Any], provider_ids: Sequence[str] = ()) -> None:
        """Until it is answered with 200; sometimes once more, in the way of a provider that missed the answer."""
        value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": account}, **news}
        changes = [{"field": "messages", "value": value}]
        body = json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]}).encode()
        if self._faults.strikes("slow_webhook"):
            await asyncio.sleep(self._chance.uniform(0.5, 15.0))
        if self._faults.strikes("forged_webhook"):
            forged = body.replace(b"wamid.", b"forged.")
            proof = self._chance.choice(("", "sha256=", "sha256=" + "0" * 64, signature(body)))
            answer = await self._world.ask(lambda door: door.receive_hook(forged, proof))
            self._world.promises.holds(answer is None, "a forged webhook was taken")
        backoff = 0.5
        more = 1 + self._faults.strikes("repeated_webhook")
        while more:
            stored = await self._world.ask(lambda door: door.receive_hook(body, signature(body)))
            if stored is not None:
                more -= 1
                self._world.promises.stored(stored, provider_ids)
            else:
                await asyncio.sleep(backoff * self._chance.uniform(0.5, 1.0))
                backoff = min(backoff * 2, LONGEST_BACKOFF_S)

    def _seconds(self) -> int:
        return int(self._world.moment())

    def _later(self, delay: float, callback: Any, *arguments: Any) -> None:
        self._loop.call_later(delay, callback, *arguments, context=self._loop.outside.context)


def signature(body: bytes) -> str:
    return "sha256=" + hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()


def _tracked(call: Mapping[str, Any]) -> tuple[UUID, int]:
    uid, _, attempt = call["biz_opaque_callback_data"].partition(".")
    return UUID(uid), int(attempt)


def _error(code: int) -> dict[str, Any]:
    return {"error": {"message": "no", "type": "OAuthException", "code": code, "fbtrace_id": "A"}}
