"""What has to run inside the product's own environment: `python inside.py commands`, or a word named at the end.

A file that is run by its path, as a process of its own, in the environment of an installation.
"""

import json
import os
import sys
from typing import Any
from uuid import uuid4

MADE = "made"
# The look-ups of a hasty product come this many times as soon.
HASTE = 5.0


def run_commands() -> None:
    """Several commands in one process: argument lists as JSON on standard input, their answers as JSON on output."""
    from click.testing import CliRunner

    from hailgate.commands.program import program

    answers = []
    for arguments in json.load(sys.stdin):
        ran = CliRunner().invoke(program, [*arguments, "--json"], catch_exceptions=False)
        if ran.exit_code:
            sys.exit(f"{' '.join(arguments[:2])} failed: {ran.output}")
        answers.append(ran.stdout)
    print(json.dumps(answers))


def accept(count: int) -> None:
    """Accept messages and store webhooks by turns, one transaction each, and say so only after each commit."""
    prepare()
    from hailgate.accounts.models import Tenant
    from hailgate.core.address import parse_address
    from hailgate.messaging.inbound.receive import ReceivedWebhook, store_webhooks
    from hailgate.messaging.models import Channel
    from hailgate.messaging.outbound.accept import accept_messages
    from hailgate.messaging.outbound.new_message import Idempotency, NewMessage

    tenant_id = Tenant.objects.get().pk
    channel = Channel.objects.filter(tenant_id=tenant_id).order_by("id")[0]
    hook_id = channel.hook_id or 0
    content = json.dumps({"type": "text", "text": {"body": "hello"}})
    for number in range(count):
        uid = uuid4()
        if number % 2:
            store_webhooks([ReceivedWebhook(uid, tenant_id, hook_id, "{}", b'{"object": "none"}')])
        else:
            key = Idempotency(f"{number:040x}", "f" * 40)
            to = parse_address(f"+1555{number % 10:07d}")
            new = NewMessage(
                uid, tenant_id, channel.pk, to, "text", content, "api", "person", life_s=3600.0, idempotency=key
            )
            (answer,) = accept_messages([new])
            if isinstance(answer, Exception):
                raise answer
        print(MADE, uid.hex, flush=True)


def age(seconds: float) -> None:
    """Let `seconds` pass for everything stored but workers, who live in the present; then do what is done hourly."""
    prepare()
    from django.apps import apps
    from django.db import models

    from hailgate.messaging.upkeep.purge import Housekeeping, RetentionPeriods

    for model in apps.get_app_config("messaging").get_models():
        moments = [str(f.column) for f in model._meta.concrete_fields if isinstance(f, models.FloatField)]
        for column in moments if model.__name__ != "Worker" else ():
            if column.endswith(("at", "_until", "_since")):
                make_older(model._meta.db_table, column, seconds)
    round_ = Housekeeping(RetentionPeriods())
    while round_.some():
        pass


def grow(count: int) -> None:
    """Bring the store to about `count` messages: what it holds, all final, over and over, with what hangs on it."""
    prepare()
    from django.core.management.color import no_style
    from django.db import connection, models, transaction

    from hailgate.messaging.models import Attempt, Effect, Message, Receipt, WebhookEvent

    copied: list[Any] = [Message, Attempt, Receipt, WebhookEvent, Effect]
    last = {model: model.objects.aggregate(last=models.Max("id"))["last"] for model in copied}
    with transaction.atomic(), connection.cursor() as cursor:
        for time in range(1, count // Message.objects.count()):
            for model in copied:
                moved = {"id": time * last[model], "message_id": time * last[Message]}
                cursor.execute(copy_statement(model, moved, connection.vendor), [last[model]])
        for statement in connection.ops.sequence_reset_sql(no_style(), copied):
            cursor.execute(statement)


def copy_statement(model: Any, moved: dict[str, int], vendor: str) -> str:
    """Copies the rows up to an id, under ids and unique names of their own."""
    changed = {
        "uid": "gen_random_uuid()" if vendor == "postgresql" else "lower(hex(randomblob(16)))",
        "provider_id": f"provider_id || '+{moved['id']}'",
        "key": f"substr(key, 1, 20) || '+{moved['id']}'",
    } | {column: f"{column} + {by}" for column, by in moved.items()}
    columns = [str(field.column) for field in model._meta.concrete_fields]
    values = ", ".join(changed.get(column, column) for column in columns)
    table = model._meta.db_table
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table} WHERE id <= %s"


def make_older(table: str, column: str, seconds: float) -> None:
    """All rows in one statement. It locks them in another order than the product: who loses a deadlock tries again."""
    from django.db import OperationalError, connection

    for tries_left in reversed(range(10)):
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"UPDATE {table} SET {column} = {column} - %s WHERE {column} > %s", [seconds, seconds])
        except OperationalError as failed:
            if getattr(failed.__cause__, "sqlstate", None) != "40P01" or not tries_left:
                raise
        else:
            return


def run_newer(arguments: list[str]) -> None:
    """The product one migration ahead of what is installed elsewhere (folder later)."""
    from hailgate import settings

    settings.INSTALLED_APPS.append("later")
    run_program(arguments)


def run_slow(arguments: list[str]) -> None:
    """The product with an assistant that thinks for as long as the environment says."""
    import asyncio

    from hailgate.assistant.scripted import ScriptedAssistant

    compose = ScriptedAssistant.compose

    async def think(self: Any, question: Any, runs: Any = None) -> Any:
        await asyncio.sleep(float(os.environ["FAULTS_THINK_S"]))
        return await compose(self, question, runs)

    ScriptedAssistant.compose = think  # type: ignore[method-assign]
    run_program(arguments)


def run_unmarked(arguments: list[str]) -> None:
    """The product as it was before its workers kept marks: of what a killed one had on record nothing is known."""
    from hailgate.messaging.work import marks

    marks.read_prepared = lambda descriptor: frozenset()  # noqa: ARG005 -- as the real one names it
    run_program(arguments)


def run_hasty(arguments: list[str]) -> None:
    """The product whose look-ups at a provider, and polls, come after seconds instead of minutes.

    It decides the same: each rule is a pure function of the looks and their times (`hailgate.core.evidence`), all of
    its waits are shortened by one factor, and the hold of the conversation with them.
    """
    os.environ["DJANGO_SETTINGS_MODULE"] = "hailgate.settings"
    import django

    django.setup()
    from hailgate.core import evidence
    from hailgate.messaging.inbound import polls
    from hailgate.providers.twilio import evidence as twilio_evidence

    evidence.FIRST_LOOK_S /= HASTE  # type: ignore[misc]
    evidence.LAST_LOOK_S /= HASTE  # type: ignore[misc]
    evidence.LOOKED_FOR_S /= HASTE  # type: ignore[misc]
    evidence.GIVE_UP_S /= HASTE  # type: ignore[misc]
    twilio_evidence.CLOCK_SKEW_S /= HASTE  # type: ignore[misc]
    polls.POLL_EVERY_S = 3.0  # type: ignore[misc]
    run_program(arguments)


def run_program(arguments: list[str]) -> None:
    from hailgate.commands.program import program

    program.main(arguments, prog_name="hailgate")


def prepare() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "hailgate.settings"
    import django

    django.setup()
    from hailgate.accounts.seal import Sealer, use_sealer
    from hailgate.settings import ENV

    use_sealer(Sealer(ENV.sealing_keys, content=ENV.seal_content))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["commands"]:
            run_commands()
        case ["accept", number]:
            accept(int(number))
        case ["age", number]:
            age(float(number))
        case ["grow", number]:
            grow(int(number))
        case ["newer", *arguments]:
            run_newer(arguments)
        case ["slow", *arguments]:
            run_slow(arguments)
        case ["hasty", *arguments]:
            run_hasty(arguments)
        case ["unmarked", *arguments]:
            run_unmarked(arguments)
