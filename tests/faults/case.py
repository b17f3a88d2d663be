"""One scenario on one database: its stand, its dice, its ledgers, and what it found."""

import asyncio
import os
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

from .checker import Fate, Verdict, check
from .ledgers import ClientLedger, Delivery, Promise
from .load import Client
from .processes import Process
from .report import Result
from .stand import Stand, gather_all

LOOK_S = 0.25
# Nothing may arrive any more for this long before the books are closed: late duplicates would show now.
QUIET_S = 1.0
# The evidence for an unknown outcome comes with a webhook, which may have to be repeated first.
EVIDENCE_S = 60.0
ASK_AT_ONCE = 20
# What a caller may be told while something is hurt: wait, or ask again.
PASSING_ERRORS = frozenset({409, 429, 503})
PAGE = 200


class Case:
    def __init__(self, stand: Stand, result: Result) -> None:
        self.stand, self.result = stand, result
        self.dice = Random(f"{result.id} {result.database} {result.seed}")
        self.ledger = ClientLedger()
        self.client = Client(stand, self.ledger)
        # Conversations in which the product may say something of its own, which bears no token.
        self.own_words: set[str] = set()
        self._last_fault = time.monotonic()

    @property
    def on_postgresql(self) -> bool:
        return self.result.database == "postgresql"

    def times(self, count: int, at_least: int = 1) -> int:
        """`count` at full scale."""
        return max(at_least, round(count * self.result.scale))

    def expect(self, holds: bool, rule: str) -> None:
        if not holds:
            self.result.broken.append(rule)

    def skip(self, reason: str) -> None:
        """Said loudly; where everything is required it is an error."""
        print(f"{self.result.id} IS SKIPPED: {reason}", file=sys.stderr)
        self.note(skipped=reason)
        self.expect(os.environ.get("HAILGATE_TEST_REQUIRE") != "all", reason)

    def note(self, **facts: Any) -> None:
        self.result.notes |= facts

    def fault(self, count: int = 1) -> None:
        self.result.faults += count
        self._last_fault = time.monotonic()

    # --- hurting ------------------------------------------------------------------------------------------------------

    async def kill(self, victim: Process) -> None:
        await victim.kill()
        self.result.kills += 1
        self.fault()

    async def kill_at_random(self, victims: Sequence[Process], count: int, calm: tuple[float, float]) -> None:
        """SIGKILL one of them, `count` times, each after it has run for a random while; it starts again at once."""
        for _ in range(count):
            victim = self.dice.choice(victims)
            await victim.ready()
            await asyncio.sleep(self.dice.uniform(*calm))
            await self.kill(victim)
            await victim.start()
        for victim in victims:
            await victim.ready()

    # --- judging ------------------------------------------------------------------------------------------------------

    async def settle(self, patience: float = 90.0) -> dict[str, Fate]:
        """Until every accepted message is delivered, ended or listed as unknown; what became of the undelivered.

        `patience` is for standing still: a backlog that shrinks, at whatever rate its limits allow, is waited for.
        """
        fates, fewest, moved_at = await self._fates(), float("inf"), time.monotonic()
        while (still_open := list(fates.values()).count(Fate.OPEN)) and time.monotonic() < moved_at + patience:
            moves = still_open < fewest
            if moves:
                fewest, moved_at = still_open, time.monotonic()
            await asyncio.sleep(LOOK_S)
            fates = await self._fates(each=not moves)
        self.result.recover_s = round(time.monotonic() - self._last_fault, 1)
        return fates

    async def count_open(self) -> int:
        """Accepted messages of which nothing has come yet. Of a large backlog nobody asks for every one."""
        return list((await self._fates()).values()).count(Fate.OPEN)

    async def conclude(self, patience: float = 90.0) -> Verdict:
        """Close the books: settle, wait until nothing arrives any more, and let the checker join the ledgers."""
        await self.settle(patience)
        deliveries, fates = await self._quiet(), await self._fates(each=True)
        deliveries = [each for each in deliveries if each.token or each.conversation not in self.own_words]
        verdict = check(list(self.ledger.promises.values()), deliveries, fates)
        self.result.take(verdict)
        await self._expect_listed([token for token, fate in fates.items() if fate is Fate.UNKNOWN])
        self.note(http_errors=self.client.errors)
        if verdict.reordered:
            self.note(timelines=await self._timelines(verdict.examples["reordered"]))
        bugs = {status: count for status, count in self.client.errors.items() if status not in PASSING_ERRORS}
        self.expect(not bugs, f"callers were answered {bugs}")
        return verdict

    async def count_so_far(self) -> None:
        """For a scenario that ends in an error: what was accepted and delivered, not a row of zeros."""
        if self.result.accepted:
            return
        deliveries = await self.stand.simulator.deliveries()
        verdict = check(list(self.ledger.promises.values()), deliveries, {})
        self.note(undecided=verdict.lost)
        verdict.lost = 0  # nobody has waited for them, nor asked what became of them
        self.result.take(verdict)

    async def wait_for(self, tokens: Iterable[str], patience: float) -> set[str]:
        """Until the provider has all of them; those that it does not have in time."""
        wanted, deadline = set(tokens), time.monotonic() + patience
        while missing := wanted - {delivery.token for delivery in await self.stand.simulator.deliveries()}:
            if time.monotonic() > deadline:
                return missing
            await asyncio.sleep(LOOK_S)
        return set()

    async def expect_evidence(self) -> None:
        """Where statuses flow, what the provider has is not left listed as unknown."""
        deadline = time.monotonic() + EVIDENCE_S
        while (unresolved := await self.unresolved()) and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_S)
        self.note(unresolved=len(unresolved))
        self.expect(not unresolved, f"{len(unresolved)} messages that the provider has are still listed as unknown")

    async def unresolved(self) -> list[Promise]:
        """Messages that the provider has and that the product lists as unknown."""
        listed = await self.listed_unknown()
        delivered = {delivery.token for delivery in await self.stand.simulator.deliveries()}
        return [p for p in self.ledger.accepted if p.message_id in listed and p.token in delivered]

    async def listed_unknown(self) -> set[str]:
        """Ids of messages that a person finds as unknown among the dead letters."""
        return {letter["id"] async for letter in self.stand.pages("/v1/dead-letters") if letter["state"] == "unknown"}

    async def _timelines(self, tokens: Sequence[str]) -> dict[str, list[str]]:
        """What the product says became of these, each step with its seconds after the call that asked for it."""
        told = {}
        for promise in (self.ledger.promises[token] for token in tokens):
            message = await self.stand.ask(f"/v1/messages/{promise.message_id}")
            begun = datetime.fromtimestamp(promise.asked_at, UTC)
            steps = [(each["event"], datetime.fromisoformat(each["at"]) - begun) for each in message["timeline"]]
            told[promise.token] = [f"{event} {after.total_seconds():.2f}" for event, after in steps]
        return told

    async def _expect_listed(self, unknown: Sequence[str]) -> None:
        """What is unknown is not only said of a message to whoever asks for it: a person finds it in a list."""
        ids = {self.ledger.promises[token].message_id for token in unknown}
        unlisted = ids - await self.listed_unknown() if ids else set()
        self.expect(not unlisted, f"{len(unlisted)} unknown messages are in no list")

    async def _fates(self, *, each: bool = False) -> dict[str, Fate]:
        """What became of what the provider does not have. Of a large backlog only `each` asks for every one."""
        delivered = {delivery.token for delivery in await self.stand.simulator.deliveries()}
        missing = [promise for promise in self.ledger.accepted if promise.token not in delivered]
        if len(missing) > PAGE and not each:
            return {promise.token: Fate.OPEN for promise in missing}
        fates: dict[str, Fate] = {}
        for batch in batches(missing, ASK_AT_ONCE):
            found = await gather_all(*(self._fate(promise) for promise in batch))
            fates |= {promise.token: fate for promise, fate in zip(batch, found, strict=True)}
        return fates

    async def _fate(self, promise: Promise) -> Fate:
        if not _is_ours(promise.message_id or ""):
            return Fate.OPEN
        message = await self.stand.ask(f"/v1/messages/{promise.message_id}")
        if message["unknown"]:
            return Fate.UNKNOWN
        return Fate.FAILED if message["status"] == "failed" else Fate.OPEN

    async def _quiet(self) -> list[Delivery]:
        deliveries = await self.stand.simulator.deliveries()
        while True:
            known = len(deliveries)
            await asyncio.sleep(QUIET_S)
            deliveries = await self.stand.simulator.deliveries()
            if len(deliveries) == known:
                return deliveries


def _is_ours(message_id: str) -> bool:
    """A UUID of the API's. What was accepted with a provider's id ends with an answer that quotes it."""
    return message_id.count("-") == 4


def batches(items: Sequence[Any], size: int) -> Iterable[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
