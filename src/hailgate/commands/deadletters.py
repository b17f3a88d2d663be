"""`hailgate deadletters`: what was given up, what may or may not have been sent, and how to send it again."""

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO
from uuid import UUID

import click

from hailgate.advice import advise
from hailgate.commands.speaking import card, json_option, moment, table, tell, tenant_option
from hailgate.commands.store import choose_tenant, deed_of, open_store
from hailgate.core.errors import InputError, NotFound

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from hailgate.messaging.letters import Wanted
    from hailgate.messaging.models import Work


@click.group()
def deadletters() -> None:
    """Messages that were given up (dead) or may or may not have been sent (unknown)."""


def filter_options(command: Any) -> Any:
    """What narrows a list of letters; given to the command as keywords."""
    moments = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])
    for option in (
        click.option("--until", type=moments, help="Accepted before this time, in UTC."),
        click.option("--since", type=moments, help="Accepted at this time or later, in UTC."),
        click.option("--code", metavar="CODE", help="Ended with this code."),
        click.option("--channel", metavar="CHANNEL", help="Of this channel, by its name or id."),
    ):
        command = option(command)
    return command


@deadletters.command("list")
@tenant_option
@filter_options
@click.option("--state", type=click.Choice(["dead", "unknown"]), help="Only these.")
@click.option("--limit", type=click.IntRange(1, 1000), metavar="NUMBER", default=100, show_default=True)
@json_option
def list_letters(tenant: str | None, limit: int, *, as_json: bool, **filters: Any) -> None:
    """The newest first."""
    with open_store():
        found = _letters(choose_tenant(tenant).pk, **filters)
        rows = [_row(work) for work in found[:limit]]
    tell(rows, table(rows, "There are none."), as_json=as_json)


@deadletters.command("causes")
@tenant_option
@filter_options
@click.option("--state", type=click.Choice(["dead", "unknown"]), help="Only these.")
@json_option
def list_causes(tenant: str | None, *, as_json: bool, **filters: Any) -> None:
    """How many ended in which way, and what to do about it; the most frequent first."""
    with open_store():
        from hailgate.messaging.letters import group_letters

        causes = [asdict(cause) for cause in group_letters(choose_tenant(tenant).pk, _wanted(**filters))]
    rows = [{**cause, **{name: moment(cause[name]) for name in ("oldest_at", "newest_at")}} for cause in causes]
    tell(rows, table(rows, "There are none."), as_json=as_json)


@deadletters.command("show")
@click.argument("message_id")
@tenant_option
@json_option
def show(message_id: str, tenant: str | None, *, as_json: bool) -> None:
    """One of them, with everything that happened to it."""
    with open_store():
        from hailgate.commands.timeline import show_timeline

        work = _find(choose_tenant(tenant).pk, message_id)
        document = {**_row(work), "timeline": show_timeline(work.message)}
    text = card({name: value for name, value in document.items() if name != "timeline"})
    tell(document, f"{text}\n\n{table(document['timeline'], '')}", as_json=as_json)


@deadletters.command("revive")
@click.argument("message_ids", nargs=-1)
@click.option("--all-dead", is_flag=True, help="All that are dead and match; the unknown ones are named one by one.")
@filter_options
@tenant_option
@json_option
def revive(message_ids: tuple[str, ...], tenant: str | None, *, all_dead: bool, as_json: bool, **filters: Any) -> None:
    """Send them again. What is unknown may arrive twice; what is old may arrive after what followed it."""
    if bool(message_ids) == all_dead or (message_ids and any(filters.values())):
        raise InputError("name the messages, or say --all-dead and what narrows it", field="message_ids")
    with open_store():
        from hailgate.accounts.audit import Action, audited
        from hailgate.messaging.letters import describe, revive_all
        from hailgate.messaging.outcomes import send_again

        tenant_id = choose_tenant(tenant).pk
        if all_dead:
            wanted = _wanted(**filters)
            deed = deed_of(tenant_id, Action.MESSAGE_REVIVED, detail=describe(wanted))
            revived = revive_all(tenant_id, wanted, partial(audited, deed, send_again))
        else:
            subject = f"message:{message_ids[0]}" if len(message_ids) == 1 else ""
            works = [_find(tenant_id, each).pk for each in message_ids]
            deed = deed_of(tenant_id, Action.MESSAGE_REVIVED, subject)
            revived = len(audited(deed, send_again, tenant_id, works))
    tell({"revived": revived}, f"{revived} will be sent again.", as_json=as_json)


@deadletters.command("edit")
@click.argument("message_id")
@click.option("--text", help="What it is to say, where it is a text; - takes it from standard input.")
@click.option(
    "--content", type=click.File("rb"), metavar="FILE", help="Its content as JSON, as in the API; - as above."
)
@tenant_option
@json_option
def edit(message_id: str, text: str | None, content: BinaryIO | None, tenant: str | None, *, as_json: bool) -> None:
    """Change what a failed message says, and send it again. Its type, recipient and files stay what they are."""
    if (text is None) == (content is None):
        raise InputError("say either --text or --content", field="text")
    given = _content(text, content)
    with open_store():
        from hailgate.accounts.audit import Action, audited
        from hailgate.messaging.editing import edit_and_send_again

        work = _find(choose_tenant(tenant).pk, message_id)
        deed = deed_of(work.tenant_id, Action.MESSAGE_EDITED, f"message:{work.message.uid}")
        audited(deed, edit_and_send_again, work.tenant_id, work.message.uid, given)
    tell({"id": message_id, "revived": 1}, "It is changed and will be sent again.", as_json=as_json)


@deadletters.command("export")
@tenant_option
@filter_options
@click.option("--state", type=click.Choice(["dead", "unknown"]), help="Only these.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line instead of CSV.")
def export(tenant: str | None, *, as_json: bool, **filters: Any) -> None:
    """All that match as CSV, from the oldest on, to standard output. What the messages say is not in it."""
    with open_store():
        from hailgate.accounts.audit import Action, record_deed
        from hailgate.messaging.exporting import FORMATS, read_letters
        from hailgate.messaging.letters import describe

        tenant_id, wanted = choose_tenant(tenant).pk, _wanted(**filters)
        record_deed(deed_of(tenant_id, Action.LETTERS_EXPORTED, detail=describe(wanted)))
        form = FORMATS["ndjson" if as_json else "csv"]
        click.echo(form.head, nl=False)
        after: int | None = 0
        while after is not None:
            some = read_letters(tenant_id, wanted, after)
            click.echo(form.render(some.letters), nl=False)
            after = some.after


def _content(text: str | None, content: BinaryIO | None) -> dict[str, Any]:
    if content is None:
        return {"type": "text", "text": {"body": sys.stdin.read() if text == "-" else text}}
    import msgspec

    try:
        return msgspec.json.decode(content.read(), type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise InputError("content: must be an object of JSON, with its type", field="content") from None


def _wanted(
    channel: str | None, code: str | None, since: datetime | None, until: datetime | None, state: str | None = None
) -> "Wanted":
    from hailgate.messaging.letters import Wanted

    return Wanted(state, channel, code, since and since.replace(tzinfo=UTC), until and until.replace(tzinfo=UTC))


def _letters(tenant_id: int, **filters: Any) -> "QuerySet[Work]":
    from hailgate.messaging.letters import Wanted, find_letters

    wanted = _wanted(**filters) if filters else Wanted()
    return find_letters(tenant_id, wanted).select_related("message", "channel").order_by("-id")


def _find(tenant_id: int, message_id: str) -> "Work":
    try:
        found = _letters(tenant_id).filter(message__uid=UUID(message_id)).first()
    except ValueError:
        found = None
    if found is None:
        raise NotFound("there is no dead or unknown message of this id; see `hailgate deadletters list`")
    return found


def _row(work: "Work") -> dict[str, Any]:
    from hailgate.messaging.letters import WORDS, explain
    from hailgate.messaging.models import WorkState

    return {
        "id": str(work.message.uid),
        "channel": work.channel.name,
        "state": WORDS[WorkState(work.state)],
        "accepted_at": moment(work.message.accepted_at),
        "attempts": work.attempts,
        "code": work.code,
        "reason": " ".join(filter(None, [explain(work.code), work.detail])) or work.code,
        "advice": advise(work.code),
    }
