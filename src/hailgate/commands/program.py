"""The program as a whole: its commands, and how an error leaves it."""

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from hailgate.commands.accounts import key, tenant
from hailgate.commands.alarms import alarms
from hailgate.commands.assistants import assistant
from hailgate.commands.audit import audit
from hailgate.commands.backup import backup, restore
from hailgate.commands.cancel import cancel
from hailgate.commands.channels import channel
from hailgate.commands.check import check
from hailgate.commands.deadletters import deadletters
from hailgate.commands.demo import demo, demo_server
from hailgate.commands.docs_gen import generate
from hailgate.commands.floods import flood
from hailgate.commands.hooks import hook
from hailgate.commands.init import init
from hailgate.commands.migrate import migrate
from hailgate.commands.money import budget, costs, prices
from hailgate.commands.operators import operator
from hailgate.commands.output import print_json, print_note
from hailgate.commands.patterns import pattern
from hailgate.commands.people import people
from hailgate.commands.send import send
from hailgate.commands.serve import release, serve, work
from hailgate.commands.simulate import simulate
from hailgate.commands.templates import templates
from hailgate.commands.timeline import timeline
from hailgate.core.errors import HailgateError, InputError

FAILED = 1
INTERRUPTED = 130


class Program(click.Group):
    """Exit codes: 0 done, 1 not done and the sentence says why, 2 the command itself was misspelt, 3 not yet done."""

    def main(  # type: ignore[override]  # click's overloads differ in `standalone_mode`, which is settled here
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **_: Any
    ) -> NoReturn:
        given = sys.argv[1:] if args is None else list(args)
        try:
            code = super().main(given, prog_name, standalone_mode=False)
        except HailgateError as refused:
            code = _show(_problem(refused), str(refused), FAILED, given)
        except OSError as failed:
            sentence = f"{failed.filename or 'The system'}: {failed.strerror}"
            code = _show({"title": "System error", "detail": sentence, "code": "system_error"}, sentence, FAILED, given)
        except click.Abort:
            code = INTERRUPTED
        except click.ClickException as misused:
            code = _show_misuse(misused, given)
        sys.exit(code)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="hailgate", message="%(prog)s %(version)s")
def program() -> None:
    """WhatsApp gateway, assistant and inbox that loses no message.

    Settings come from HAILGATE_* variables and from .env. To look around, begin with `hailgate demo`.
    """


for command in (
    demo, demo_server, init, serve, work, release, migrate, check, backup, restore, simulate, send, cancel, timeline,
    tenant, operator, key, hook, channel, assistant, budget, prices, costs, deadletters, people, templates, alarms,
    flood, pattern, audit, generate,
):  # fmt: skip
    program.add_command(command)


def _show(problem: dict[str, Any], sentence: str, code: int, given: Sequence[str]) -> int:
    if "--json" in given:
        print_json(problem)
    else:
        print_note(f"Error: {sentence}")
    return code


def _show_misuse(misused: click.ClickException, given: Sequence[str]) -> int:
    if "--json" not in given:
        misused.show()
        return misused.exit_code
    sentence = misused.format_message()
    return _show({"title": "Command misused", "detail": sentence, "code": "usage"}, sentence, misused.exit_code, given)


def _problem(refused: HailgateError) -> dict[str, Any]:
    """The same words as in the API's problem details."""
    problem = {
        "title": refused.title,
        "status": refused.status,
        "detail": refused.detail,
        "code": refused.code,
        "retryable": refused.retryable,
    }
    if isinstance(refused, InputError) and refused.field:
        problem["field"] = refused.field
    return problem
