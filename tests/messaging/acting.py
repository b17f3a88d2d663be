"""The parts that tests let play: people who write, callers who send, workers who claim, providers who answer."""

import itertools
from typing import NamedTuple

from django.db import connection

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import InboundText, Text, TextBody, encode_content
from hailgate.core.delivery import Action, Decision
from hailgate.core.errors import SendError
from hailgate.core.events import InboundMessage, MessageStatus
from hailgate.core.slots import open_room
from hailgate.core.status import Status
from hailgate.messaging.inbound.apply_events import apply_events
from hailgate.messaging.inbound.arrivals import Arrival
from hailgate.messaging.inbound.call_turns import Debounce
from hailgate.messaging.inbound.ingest import apply_webhooks, take_webhooks, understand_webhooks
from hailgate.messaging.models import Channel, Conversation, Message, Work
from hailgate.messaging.outbound.accept import accept_messages
from hailgate.messaging.outbound.attempts import Outcome, record_attempts
from hailgate.messaging.outbound.claim import Claim, claim_deliveries
from hailgate.messaging.outbound.new_message import NewMessage
from hailgate.messaging.outbound.outcomes import record_outcomes
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.sql import atomic_cursor, every_tenant, use_clock
from hailgate.messaging.work import leases

HOLD_S = 120.0
LEASE_S = 15.0
EVERY_TENANT = every_tenant("test")
NO_WAIT = Debounce(0.0, 0.0)
NOON = 1_800_000_000.0


class Clock:
    """Time that stands still until it is turned."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now
        use_clock(lambda: self.now)

    def forward(self, seconds: float) -> float:
        self.now += seconds
        return self.now


def ingest(worker_id, hook_id, understand, limit=500):
    """As a worker does it; ``understand`` gets the body."""
    taken = take_webhooks(worker_id, hook_id, limit)
    understood = understand_webhooks(taken, lambda stored: understand(stored.body))
    return apply_webhooks(worker_id, hook_id, understood, NO_WAIT)


# --- callers ----------------------------------------------------------------------------------------------------------


def phone(number: int) -> Address:
    return Address(AddressKind.PHONE, f"1555{number:07}")


def text(body: str) -> str:
    return encode_content(Text(TextBody(body)))


def new_message(channel, to=1, body="hello", **given) -> NewMessage:
    given = {"sender": "api", "answered_by": channel.answered_by, "life_s": 86_400.0} | given
    return NewMessage(
        uid=uuid7(),
        tenant_id=channel.tenant_id,
        channel_id=channel.id,
        to=phone(to) if isinstance(to, int) else to,
        kind="text",
        content=text(body),
        **given,
    )


def send(channel, to=1, body="hello", **given) -> Message:
    """Accept one message; returns its row."""
    return send_all(channel, [new_message(channel, to, body, **given)])[0]


def send_all(channel, batch) -> list[Message]:
    accept_messages(batch)
    rows = {row.uid: row for row in Message.objects.filter(tenant_id=channel.tenant_id)}
    return [rows[message.uid] for message in batch]


# --- workers ----------------------------------------------------------------------------------------------------------


def new_worker(lock_file: str = "/nowhere/worker.lock", lease_s: float = LEASE_S) -> int:
    return leases.register(lease_s, lock_file)


def claim(worker: int, limit: int = 100) -> list[Claim]:
    return claim_deliveries(worker, open_room(limit)).claims


def claim_one(worker: int) -> Claim:
    (only,) = claim(worker)
    return only


def sent(claim: Claim, provider_id: str | None = None, **given) -> Outcome:
    return Outcome(claim, attempted=True, provider_id=provider_id or f"wamid.{claim.uid}", **given)


def decided(claim: Claim, action: Action, due_at: float | None = None, *, code="a_code", **flags) -> Outcome:
    flags = {"pauses_channel": False, "suppresses": False, "breaker_failure": False} | flags
    return Outcome(claim, attempted=True, decision=Decision(action, due_at, code, "Why.", **flags))


def failed(claim: Claim, error: SendError, due_at: float | None = None) -> Outcome:
    """The outcome of an error, without the arithmetic of its delay."""
    return decided(
        claim,
        Action(error.disposition),
        due_at,
        code=error.code,
        pauses_channel=error.pauses_channel,
        suppresses=error.suppresses,
        breaker_failure=error.breaker_failure,
    )


def tell(worker: int, *outcomes: Outcome) -> list[bool]:
    return record_outcomes(worker, HOLD_S, outcomes)


def attempt(worker: int, *claims: Claim) -> set[int]:
    return record_attempts(worker, claims)


def deliver(worker: int, *claims: Claim) -> None:
    """From the attempt to the receipt."""
    assert attempt(worker, *claims) == {claim.id for claim in claims}
    assert all(tell(worker, *map(sent, claims)))


def deliver_all(worker: int) -> list[Claim]:
    """Whatever is due, until nothing is; in the order in which it was claimed."""
    delivered = []
    while claims := claim(worker):
        deliver(worker, *claims)
        delivered += claims
    return delivered


def let_expire(worker: int) -> None:
    execute(f"UPDATE messaging_worker SET expires_at = 0 WHERE id = {worker}")


# --- providers and people ---------------------------------------------------------------------------------------------

_numbers = itertools.count(1)


def wrote(channel, *sender, body="hello", message_id=None, at=0.0, name="Ada", account=None, **given) -> InboundMessage:
    """``sender`` is the addresses of a person or a group, best first; numbers stand for phones."""
    given = {"author": None, "context_id": None} | given
    return InboundMessage(
        account=account or account_of(channel),
        message_id=message_id or f"in.{next(_numbers)}",
        chat=tuple(phone(one) if isinstance(one, int) else one for one in sender or (1,)),
        name=name,
        at=at,
        content=InboundText(body),
        **given,
    )


def told(channel, status: Status, message_id: str, *, tracker=None, at=0.0, code=None, recipient=None) -> MessageStatus:
    return MessageStatus(account_of(channel), message_id, status, at, recipient, tracker, code, None)


def account_of(channel) -> str:
    return _column_of(channel, "account")


def hook_id_of(channel) -> int:
    return _column_of(channel, "hook_id")


def _column_of(channel, column: str):
    ((value,),) = execute(f"SELECT {column} FROM messaging_channel WHERE id = %s", [channel.id])
    return value


def apply(channel, *events, debounce=NO_WAIT, moment=None):
    """As if one webhook had carried all of these; returns its note."""
    with atomic_cursor() as cursor:
        from hailgate.messaging.store.sql import now

        arrival = Arrival(1, uuid7(), channel.tenant_id, events)
        notes, _ = apply_events(cursor, hook_id_of(channel), [arrival], debounce, moment or now(cursor))
    return notes[0][1]


# --- looking ----------------------------------------------------------------------------------------------------------


def work(tenant_id: int, **wanted) -> list[Work]:
    return list(Work.objects.filter(tenant_id=tenant_id, **wanted).order_by("id"))


def work_of(message: Message) -> Work | None:
    return Work.objects.filter(tenant_id=message.tenant_id, message_id=message.id).first()


def fresh(row):
    return type(row).objects.get(tenant_id=row.tenant_id, id=row.id)


def conversation_of(message: Message) -> Conversation:
    return Conversation.objects.get(tenant_id=message.tenant_id, id=message.conversation_id)


def messages(tenant_id: int, **wanted) -> list[Message]:
    return list(Message.objects.filter(tenant_id=tenant_id, **wanted).order_by("id"))


def change(row, **values) -> None:
    """Set columns of a row behind the product's back."""
    type(row).objects.filter(tenant_id=row.tenant_id, id=row.id).update(**values)


def change_channel(channel, **values) -> None:
    Channel.objects.filter(tenant_id=channel.tenant_id, id=channel.id).update(**values)


def channel_row(channel) -> Channel:
    return Channel.objects.get(tenant_id=channel.tenant_id, id=channel.id)


def execute(statement: str, parameters=()) -> list:
    with connection.cursor() as cursor:
        cursor.execute(f"{statement} {EVERY_TENANT}", parameters)
        return cursor.fetchall() if cursor.description else []


class Number(NamedTuple):
    """A further number of the clinic: what a test needs of a channel."""

    id: int
    tenant_id: int
    answered_by: str
    name: str


def add_number(tenant, hook, place: int, *, answered_by="person") -> Number:
    import given
    from hailgate.messaging.channels.registry import add_channel, get_channel

    settings = given.CHANNEL_SETTINGS | {"phone_number_id": f"2065{place:011}"}
    name = f"number {place}"
    add_channel(tenant.id, "cloud", name, f"1666{place:07}", settings, hook=hook.id, answered_by=answered_by)
    view = get_channel(tenant.id, name)
    return Number(view.id, tenant.id, answered_by, name)
