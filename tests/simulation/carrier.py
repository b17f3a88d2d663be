"""The provider, as far as a delivery can tell: takes messages, answers or not, and reports until it is heard.

How it says so is its ``Dialect``; what goes wrong is the same for all.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import UUID

from hailgate.core.status import Status

from .dialects import Call, Listed, Send, Told
from .network import Answer
from .rows import POISON

if TYPE_CHECKING:
    from .world import World

STEPS = ("sent", "delivered", "read")
# It repeats a webhook for days, ever more slowly; here often enough to be done when a story ends.
LONGEST_BACKOFF_S = 8.0


class Carrier:
    def __init__(self, world: "World") -> None:
        self._dialect, self._hook_url = world.dialect, world.premises.hook_url
        self._world, self._faults, self._chance, self._loop = world, world.faults, world.chance, world.loop
        self._numbers = count(1)
        self._taken: list[Listed] = []
        late = self._dialect.finds_sent and self._faults.strikes("late_list")
        self._lag = self._chance.uniform(1.0, 400.0) if late else 0.0
        self.under_way = 0

    # --- sends --------------------------------------------------------------------------------------------------------

    def receive(self, url: str, request: bytes, answered: "asyncio.Future[Answer]") -> None:
        """A request has left somebody; it arrives a little later, or never."""
        send = self._dialect.read(url, request)
        if send is not None:
            self._world.promises.first_byte(send.uid, send.attempt)
        self.under_way += 1
        self._later(self._faults.way(), self._arrive, send, answered)

    def _arrive(self, send: Send | None, answered: "asyncio.Future[Answer]") -> None:
        self.under_way -= 1
        if send is None:
            self._answer(answered, 200, {"success": True})
        elif self._faults.strikes("reset_before_read"):
            self._world.note("reset", send.tracker)
            self._reset(answered)
        elif (refusal := self._refusal()) is not None:
            status, code, headers = refusal
            if headers.get("Retry-After", "").isdigit():
                self._world.promises.told_to_wait(send.uid, float(headers["Retry-After"]))
            self._world.note("refused", send.tracker, code)
            self._answer(answered, status, self._dialect.error(code) if code else {}, headers)
        else:
            self._take(send, answered)

    def show(self, url: str, answered: "asyncio.Future[Answer]") -> None:
        """What was taken, and what others sent a moment ago; some lists lag behind, for the whole story."""
        until = self._world.moment() - self._lag
        listed = [one for one in self._taken if one.at <= until]
        self._answer(answered, 200, self._dialect.shown(url, listed, until))

    def _refusal(self) -> tuple[int, int, Mapping[str, str]] | None:
        """HTTP status, the provider's code (0: none), headers."""
        refusals, choice = self._dialect.refusals, self._chance.choice
        if self._faults.strikes("throttled"):
            after = choice(({}, {"Retry-After": "7"}, {"Retry-After": "soon"}))
            return *map(choice, refusals.throttled), after
        if self._faults.strikes("mute_error"):
            return 503, 0, {}
        for kind, named in (
            ("failing", refusals.failing),
            ("refused", refusals.final),
            ("opted_out", refusals.opted_out),
            ("token_revoked", refusals.expired),
        ):
            if self._faults.strikes(kind):
                return *map(choice, named), {}
        return None

    def _take(self, send: Send, answered: "asyncio.Future[Answer]") -> None:
        self._world.promises.taken(send.uid, send.attempt, send.text)
        provider_id = f"wamid.out{next(self._numbers)}"
        self._world.note("taken", send.uid, send.attempt, provider_id)
        self._taken.append(Listed(send, provider_id, self._world.moment()))
        self._report(send, provider_id)
        if self._faults.strikes("taken_then_reset"):
            self._reset(answered)
        elif self._faults.strikes("taken_then_garbage"):
            self._answer(answered, 200, {"messages": "soon"})
        elif self._faults.strikes("taken_then_error"):
            self._answer(answered, 502, {})
        elif not self._faults.strikes("taken_then_silent"):
            slow = self._chance.uniform(5.0, 15.0) if self._faults.strikes("slow_answer") else 0.0
            self._answer(answered, *self._dialect.taken(send, provider_id), after=slow)

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

    def _report(self, send: Send, provider_id: str) -> None:
        if self._faults.strikes("withheld_statuses"):
            return
        steps = (
            ("sent", "failed") if self._faults.strikes("failed_later") else STEPS[: self._chance.choice((1, 1, 2, 3))]
        )
        at = 0.0
        for step in steps:
            at += 0.0 if self._faults.strikes("early_status") else self._chance.uniform(0.05, 2.0)
            told = Told(step, self._seconds(), tracked=not self._faults.strikes("untracked_status"))
            call = self._dialect.status(send, provider_id, told)
            self._world.outside(self._post_status(at, call, send.uid if told.tracked else None, Status[step.upper()]))

    async def _post_status(self, after: float, call: Call, uid: UUID | None, status: Status) -> None:
        await asyncio.sleep(after)
        await self._post(call)
        if uid is not None:
            self._world.promises.reported(uid, status)

    async def tell(self, account: str, written: Sequence[tuple[str, str, str]]) -> None:
        """People wrote: (id, number, text)."""
        for call in self._dialect.messages(account, written, self._seconds()):
            poisoned = POISON.encode() in call.body  # the whole webhook is set aside
            await self._post(call._replace(told=()) if poisoned else call)

    async def _post(self, call: Call) -> None:
        """Until it is answered with 200; sometimes once more, in the way of a provider that missed the answer."""
        url = f"{self._hook_url}?{call.query}" if call.query else self._hook_url
        proof = self._dialect.proof(url, call.body)
        if self._faults.strikes("slow_webhook"):
            await asyncio.sleep(self._chance.uniform(0.5, 15.0))
        if self._faults.strikes("forged_webhook"):
            forged = call._replace(body=call.body.replace(b"wamid.", b"forged."))
            claimed = self._chance.choice(("", "sha256=", "sha256=" + "0" * 64, proof))
            answer = await self._world.ask(lambda door: door.receive_hook(forged, url, claimed))
            self._world.promises.holds(answer is None, "a forged webhook was taken")
        backoff = 0.5
        more = 1 + self._faults.strikes("repeated_webhook")
        while more:
            stored = await self._world.ask(lambda door: door.receive_hook(call, url, proof))
            if stored is not None:
                more -= 1
                self._world.promises.stored(stored, call.told)
            else:
                await asyncio.sleep(backoff * self._chance.uniform(0.5, 1.0))
                backoff = min(backoff * 2, LONGEST_BACKOFF_S)

    def _seconds(self) -> int:
        return int(self._world.moment())

    def _later(self, delay: float, callback: Any, *arguments: Any) -> None:
        self._loop.call_later(delay, callback, *arguments, context=self._loop.outside.context)
