"""What has to run inside the product's own environment: `python inside.py commands | accept | age | newer | slow`.

A file that is run by its path, as a process of its own, in the environment of an installation.
"""

import json
import os
import sys
from typing import Any
from uuid import uuid4

MADE = "made"


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
    from hailgate.messaging.models import Channel
    from hailgate.messaging.receiving import ReceivedWebhook, store_webhooks
    from hailgate.messaging.sending import Idempotency, NewMessage, accept_messages

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

    from hailgate.messaging.housekeeping import Housekeeping, Kept

    for model in apps.get_app_config("messaging").get_models():
        moments = [str(f.column) for f in model._meta.concrete_fields if isinstance(f, models.FloatField)]
        for column in moments if model.__name__ != "Worker" else ():
            if column.endswith(("at", "_until")):
                make_older(model._meta.db_table, column, seconds)
    round_ = Housekeeping(Kept())
    while round_.some():
        pass


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

    async def think(self: Any, question: Any) -> Any:
        await asyncio.sleep(float(os.environ["FAULTS_THINK_S"]))
        return await compose(self, question)

    ScriptedAssistant.compose = think  # type: ignore[method-assign]
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
        case ["newer", *arguments]:
            run_newer(arguments)
        case ["slow", *arguments]:
            run_slow(arguments)
