"""Purse: what one turn may spend. Room is reserved before its message and before each call, and settled after them."""

from contextlib import suppress

import msgspec

from hailgate.assistant.contract import Usage
from hailgate.assistant.settings import ModelChoice
from hailgate.core.errors import BudgetSpent, StoreUnavailable
from hailgate.messaging.assistants.spending import Amounts, Reservation, reserve, settle
from hailgate.messaging.assistants.spending_rules import SpendingAsked, SpendingRules, open_spending
from hailgate.messaging.store.ports import Db


class TurnPurse:
    """Of one turn. ``exceeded`` names the limit that leaves no room even for its message.

    ``usage`` is what its calls took so far. A reservation that cannot be settled counts as spent.
    """

    def __init__(self, db: Db, rules: SpendingRules, message: Reservation) -> None:
        self._db, self._rules, self._message = db, rules, message
        self._spent = message.reserved
        self._open: tuple[ModelChoice, Reservation] | None = None
        self.usage = Usage()

    @classmethod
    async def open(cls, db: Db, asked: SpendingAsked) -> "TurnPurse":
        return cls(db, *await db(open_spending, asked))

    @property
    def exceeded(self) -> str:
        return self._message.exceeded

    async def reserve(self, choice: ModelChoice, input_tokens: int, output_tokens: int) -> None:
        rules, tokens = self._rules, input_tokens + output_tokens
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
        (choice, made), self._open = self._open, None
        took = Amounts(0, input_tokens + output_tokens, self._rules.cost(choice, input_tokens, output_tokens) or 0)
        self.usage = self.usage.plus(0, input_tokens, output_tokens)
        self._spent = self._spent.less(made.reserved).plus(took)
        await self._settle(made, took)

    async def close(self, *, answered: bool) -> None:
        """Where nothing was answered, the message is given back."""
        await self._settle(self._message, self._message.reserved if answered else Amounts())

    async def _settle(self, made: Reservation, took: Amounts) -> None:
        if made.rows and took != made.reserved:
            with suppress(StoreUnavailable):
                await self._db(settle, made, took)
