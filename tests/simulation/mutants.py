"""The ten bugs most likely to be made, and a few more: each planted in the product's own code as a change of one line.

A simulation that finds nothing may be a simulation that looks at nothing. Each of these has to be found, by the promise
that it breaks.
"""

import inspect
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FunctionType
from typing import NamedTuple

from hailgate.core import delivery, evidence
from hailgate.messaging.channels import registry
from hailgate.messaging.inbound import apply_events, effects, ingest, status_reports
from hailgate.messaging.inbound import turns as turn_rows
from hailgate.messaging.outbound import cancel, claim, heads, outcomes, takeover
from hailgate.messaging.work import claim as work_claim
from hailgate.messaging.work import leases, rows
from hailgate.pipeline import bridge, lease, outbound, turns, worker_run
from hailgate.providers import guarded_body
from hailgate.providers.cloud import adapter


class Change(NamedTuple):
    """One line of one function."""

    function: Callable[..., object]
    line: str
    becomes: str


class Mutant(NamedTuple):
    """``number`` is the bug's in the list of ten, 0 for the others.

    ``faults`` bring it out, and ``broken`` are the promises of which one then shows it.
    """

    number: int
    name: str
    changes: Sequence[Change]
    broken: Sequence[str]
    faults: Sequence[str] = ()

    @contextmanager
    def planted(self) -> Iterator[None]:
        with ExitStack() as stack:
            for change in self.changes:
                stack.enter_context(_planted(change))
            yield


@contextmanager
def _planted(change: Change) -> Iterator[None]:
    function = inspect.unwrap(change.function)
    assert isinstance(function, FunctionType)
    sound = function.__code__
    function.__code__ = _mutated(function, change.line, change.becomes).__code__
    try:
        yield
    finally:
        function.__code__ = sound


def _mutated(function: FunctionType, line: str, becomes: str) -> FunctionType:
    source = textwrap.dedent(inspect.getsource(function))
    if source.count(line) != 1:
        raise LookupError(f"{function.__qualname__} holds {source.count(line)} times: {line}")
    source = source.replace(line, becomes)
    names: dict[str, object] = {}
    if "__class__" in function.__code__.co_freevars:  # a method that says super()
        source = "class Around:\n" + textwrap.indent(source, "    ")
        exec(compile(source, "<mutant>", "exec"), dict(function.__globals__), names)
        return names["Around"].__dict__[function.__name__]
    exec(compile(source, "<mutant>", "exec"), dict(function.__globals__), names)
    return names[function.__name__]


ACCEPTED_LOST = ("a message was accepted that is not stored", "a webhook was answered that is not stored")
STOLEN = ("a work row made a move that no verb makes", "a row was leased to a worker that is not alive")
TWICE = ("the provider took a message twice", "a message is called dead that was taken")
NOT_ITS_OWN = ("a byte left a worker that had lost the row",)
NO_REST = ("it does not come to rest",)

MUTANTS = (
    Mutant(
        1,
        "answers_before_the_commit",
        [
            Change(
                bridge.Gate.submit,
                "return await done",
                "return item if self._read_back else await done",
            )
        ],
        ACCEPTED_LOST,
    ),
    Mutant(
        2,
        "marks_seen_before_done",
        [
            Change(
                apply_events.apply_events,
                "fresh = record_effects(cursor, channels, arrivals, moment)",
                "fresh = record_effects(cursor, channels, arrivals, moment); "
                "cursor.execute('COMMIT'); cursor.execute('BEGIN')",
            )
        ],
        ("a person's message was answered with 200 and lost", "a message does not stand where it was reported"),
        ("lost_before_commit", "lost_after_commit", "kill_at_edge"),
    ),
    Mutant(
        3,
        "retries_a_time_out_as_if_it_had_failed",
        [
            Change(
                guarded_body.GuardedPayload.verdict,
                "return OutcomeUnknown(say(failure))",
                "return ProviderUnavailable(say(failure))",
            )
        ],
        TWICE,
        ("taken_then_reset", "withheld_statuses"),
    ),
    Mutant(
        4,
        "sends_without_looking_at_the_lease",
        [
            Change(
                lease.Lease.check,
                "if self.lost or time.monotonic() >= self._deadline:",
                "if False:",
            )
        ],
        NOT_ITS_OWN,
        ("freeze_at_point", "slow_renewal"),
    ),
    Mutant(
        4,
        "writes_without_fencing",
        [
            Change(
                work_claim.lock_held,
                "return {id_ for id_, lease in found if leases[id_] == lease}",
                "return set(leases)",
            ),
            Change(leases.find_alive, "return now(cursor) if alive else None", "return now(cursor)"),
        ],
        (*STOLEN, *NOT_ITS_OWN, *TWICE, "an error that nobody expected"),
        ("freeze_at_edge", "freeze_at_byte", "freeze"),
    ),
    Mutant(
        5,
        "follows_a_cursor",
        [
            Change(
                heads.find_heads,
                "return _divided([DeliveryHead._make(row) for row in found], shares)",
                "return _divided([DeliveryHead._make(row) for row in found if row[4] == 0], shares)",
            )
        ],
        NO_REST,
        ("failing",),
    ),
    Mutant(
        5,
        "forgets_a_head",
        [
            Change(
                outcomes.record_outcomes,
                "rows.promote(cursor, WorkKind.DELIVERY, freed, moment)",
                "pass",
            )
        ],
        ("a key was left without a head",),
    ),
    Mutant(
        6,
        "swallows_cancellation",
        [
            Change(
                worker_run.WorkerRun._forever,
                "except Exception as bug:",
                "except BaseException as bug:",
            )
        ],
        ("an error that nobody expected", "a worker was told to stop and did not"),
    ),
    Mutant(
        6,
        "cancels_a_send_as_if_it_had_not_left",
        [
            Change(
                guarded_body.GuardedPayload.verdict,
                "if self.begun:",
                "if self.begun and not isinstance(failure, asyncio.CancelledError):",
            )
        ],
        TWICE,
        ("taken_then_silent", "slow_answer", "stop", "withheld_statuses"),
    ),
    Mutant(
        7,
        "counts_a_delivery_after_it_ran",
        [
            Change(
                claim._lease,
                'f"tries = tries + 1, code',
                'f"code',
            )
        ],
        NO_REST,
        ("poison",),
    ),
    Mutant(
        7,
        "counts_a_webhook_after_it_ran",
        [
            Change(
                ingest.take_webhooks,
                "_count_tries(cursor, hook_id, found[1])",
                "pass",
            )
        ],
        NO_REST,
        ("poison",),
    ),
    Mutant(
        8,
        "takes_the_tenant_from_the_request",
        [
            Change(
                registry.get_channel,
                'WHERE tenant_id = %s AND {column} = %s AND active",\n            [tenant_id, value],',
                'WHERE {column} = %s AND active",\n            [value],',
            )
        ],
        ("a stranger sent through a channel of another tenant",),
        ("stranger",),
    ),
    # There is no address yet that a stranger may choose; what guards the first byte can be forgotten all the same.
    Mutant(
        9,
        "checks_once_and_not_before_the_first_byte",
        [
            Change(
                guarded_body.GuardedPayload.begin,
                "self.guard()",
                "pass",
            )
        ],
        (*NOT_ITS_OWN, *TWICE),
        ("freeze_at_point", "slow_renewal"),
    ),
    Mutant(
        0,
        "begins_without_a_mark",
        [Change(outbound.Outbound._guard, "self._marks.begin(row)", "pass")],
        TWICE,
        ("kill_at_byte",),
    ),
    Mutant(
        10,
        "takes_an_empty_signature",
        [
            Change(
                adapter.CloudReceiver.verify,
                "_same(given, expected.encode())",
                "expected.startswith(given)",
            )
        ],
        ("a forged webhook was taken",),
        ("forged_webhook",),
    ),
    Mutant(
        0,
        "sends_while_the_attempt_is_being_written",
        [
            Change(
                outbound.Outbound._recorded,
                "return await self._db(record_attempts, self._worker_id, claims)",
                "asyncio.create_task(self._db(record_attempts, self._worker_id, claims)); "
                "return {claim.id for claim in claims}",
            )
        ],
        ("a byte left before its attempt was committed", *NOT_ITS_OWN),
        ("slow_store",),
    ),
    Mutant(
        0,
        "retries_before_it_may",
        [
            Change(
                delivery.decide,
                "due_at = now + _floor_of(error, past, policy) + random()",
                "due_at = now + random()",
            )
        ],
        ("a byte left before the provider's Retry-After",),
        ("throttled",),
    ),
    Mutant(
        0,
        "takes_a_late_list_for_evidence",
        [
            Change(
                evidence.judge,
                "positive = not found.matches and found.newer and found.settled",
                "positive = not found.matches",
            )
        ],
        ("a row was revived that nobody touched", *TWICE),
        ("late_list", "taken_then_reset", "withheld_statuses"),
    ),
    Mutant(
        0,
        "lets_a_status_fall",
        [
            Change(
                status_reports._change_messages,
                'ranks, rising=("status",))',
                "ranks)",
            )
        ],
        ("a status fell",),
        ("slow_webhook",),
    ),
    Mutant(
        0,
        "takes_a_repeated_event_for_a_new_one",
        [
            Change(
                effects.tell_effect,
                "if place not in fresh:",
                "if False:",
            )
        ],
        ("an inbound message has two rows",),
        ("repeated_webhook",),
    ),
    Mutant(
        0,
        "lets_followers_pass_a_parked_message_at_once",
        [
            Change(
                rows.hold_conversations,
                "SELECT max(hold_until) FROM messaging_work",
                "SELECT NULL FROM messaging_work",
            )
        ],
        ("the provider took a later message first",),
        ("taken_then_reset",),
    ),
    Mutant(
        0,
        "answers_a_turn_that_is_no_longer_its_own",
        [
            Change(
                turn_rows.finish_turns,
                "mine = [each for each in finished if each.turn.id in held]",
                "mine = list(finished)",
            ),
            Change(leases.find_alive, "return now(cursor) if alive else None", "return now(cursor)"),
        ],
        (*STOLEN, "a turn has two replies", "an error that nobody expected", "a person was answered twice", *NO_REST),
        ("freeze", "freeze_at_edge"),
    ),
    Mutant(
        0,
        "cancels_what_is_being_sent",
        [Change(cancel._check_may_cancel, "if work.attempting:", "if False:")],
        ("a message that was taken back was sent", "a message is called sent that was never taken", *NOT_ITS_OWN),
        ("hasty_operator", "slow_way"),
    ),
    Mutant(
        0,
        "claims_for_a_paused_channel",
        [Change(claim._lock_channels, "WHERE active AND paused_at IS NULL", "WHERE active")],
        ("a row of a paused channel was leased",),
        ("hasty_operator", "token_revoked"),
    ),
    Mutant(
        0,
        "takes_over_and_lets_the_answer_go",
        [Change(takeover.hand_over, "cancel_answers(cursor, [key], now(cursor))", "pass")],
        ("an assistant's answer outlived the take-over",),
        ("hasty_operator", "throttled"),
    ),
    Mutant(
        0,
        "asks_the_assistant_about_the_last_lines",
        [
            Change(
                turns._question,
                "history = (*map(said_in, context), *_opening_line(turn), *map(said_in, asked))",
                "history = tuple(said_in(line) for line in turn.lines)",
            )
        ],
        ("a person was not answered", "a person was answered twice"),
    ),
)  # fmt: skip
