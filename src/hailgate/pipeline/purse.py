"""Purse: what one turn may spend. Room is reserved before its message and before each call, and settled after them."""

from contextlib import suppress

import msgspec

from hailgate.assistant.contract import Usage
from hailgate.assistant.settings import ModelChoice
from hailgate.core.errors import BudgetSpent, StoreUnavailable
from hailgate.messaging.assistants.spending import Amounts, Reservation, charge, reserve, settle
from hailgate.messaging.assistants.spending_rules import SpendingAsked, SpendingRules, open_spending
from hailgate.messaging.store.ports import Db


class TurnPurse:
    """Of one turn, opened once. ``exceeded`` names the limit that leaves no room even for its message.

    ``usage`` is what its calls took so far, also where no answer came of them. A reservation that cannot be settled
    counts as spent.
    """

    def __init__(self, db: Db) -> None:
        self._db = db
        self._opened: tuple[SpendingRules, Reservation] | None = None
        self._spent = Amounts()
        self._open: tuple[ModelChoice, Reservation] | None = None
        self.usage = Usage()

    async def open(self, asked: SpendingAsked) -> None:
        if self._opened is None:
            self._opened = await self._db(open_spending, asked)
            self._spent = self._opened[1].reserved

    @property
    def exceeded(self) -> str:
        return self._opened[1].exceeded if self._opened else ""

    async def reserve(self, choice: ModelChoice, input_tokens: int, output_tokens: int) -> None:
        assert self._opened  # noqa: S101 -- who composes has opened it
        (rules, _), tokens = self._opened, input_tokens + output_tokens
        wanted = Amounts(0, tokens, rules.cost(choice, input_tokens, output_tokens) or 0)
        exceeded = rules.exceeded_by_turn(self._spent, wanted)
        if not exceeded:
            made = await self._db(reserve, rules.tenant_id, rules.limits, wanted, rules.currency)
            exceeded = made.exceeded
        if exceeded:
            raise BudgetSpent("A budget leaves no room for another call of a model.", code=exceeded)
        self._open, self._spent = (choice, made), self._spent.plus(wanted)
        self.usage = msgspec.structs.replace(self.usage.plus(1, 0, 0), vendor=choice.vendor, model=choice.model)

    async def settle(self, input_tokens: int, output_tokens: int) -> None:
        if self._open is None:
            return
        assert self._opened  # noqa: S101 -- something was reserved
        rules, (choice, made) = self._opened[0], self._open
        self._open = None
        took = Amounts(0, input_tokens + output_tokens, rules.cost(choice, input_tokens, output_tokens) or 0)
        self.usage = self.usage.plus(0, input_tokens, output_tokens)
        self._spent = self._spent.less(made.reserved).plus(took)
        await self._settle(made, took)

    async def close(self, *, said: bool) -> None:
        """What was said counts, also where there was no room for it: nobody is left without a word. Else its message
        is given back.
        """
        if self._opened is None:
            return
        rules, message = self._opened
        if not message.exceeded:
            await self._settle(message, message.reserved if said else Amounts())
        elif said:
            with suppress(StoreUnavailable):
                await self._db(charge, rules.tenant_id, rules.limits, message.reserved, rules.currency)

    async def _settle(self, made: Reservation, took: Amounts) -> None:
        if made.rows and took != made.reserved:
            with suppress(StoreUnavailable):
                await self._db(settle, made, took)
