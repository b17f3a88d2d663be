"""`hailgate deadletters`: what was given up, what may or may not have been sent, and how to send it again."""

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO
from uuid import UUID

import click

from hailgate.commands.bootstrap import choose_tenant, deed_of, open_store
from hailgate.commands.output import card, json_option, moment, table, tell, tenant_option
from hailgate.core.errors import InputError, NotFound

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from hailgate.messaging.deadletters.dead_letters import DeadLetterFilter


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
@click.option("--state", type=click.Choice(["dead", "unknown", "failed"]), help="Only these.")
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
@click.option("--state", type=click.Choice(["dead", "unknown", "failed"]), help="Only these.")
@json_option
def list_causes(tenant: str | None, *, as_json: bool, **filters: Any) -> None:
    """How many ended in which way, and what to do about it; the most frequent first."""
    with open_store():
        from hailgate.messaging.deadletters.dead_letters import group_letters

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
        document = {**_row(work), "timeline": show_timeline(work)}
    text = card({name: value for name, value in document.items() if name != "timeline"})
    tell(document, f"{text}\n\n{table(document['timeline'], '')}", as_json=as_json)


@deadletters.command("revive")
@click.argument("message_ids", nargs=-1)
@click.option("--all-dead", "which", flag_value="dead", help="All that are dead and match.")
@click.option(
    "--all-restored", "which", flag_value="unknown", help="All that waited in a backup which was restored, and match."
)
@filter_options
@tenant_option
@json_option
def revive(
    message_ids: tuple[str, ...], tenant: str | None, *, which: str | None, as_json: bool, **filters: Any
) -> None:
    """Send them again. What is unknown may arrive twice; what is old may arrive after what followed it."""
    if bool(message_ids) == bool(which) or (message_ids and any(filters.values())):
        raise InputError("name the messages, or say --all-dead and what narrows it", field="message_ids")
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.deadletters.dead_letters import describe, revive_all
        from hailgate.messaging.deadletters.deeds import Again
        from hailgate.settings import ENV

        send_again = Again(ENV.message_ttl_s, "command line").send
        tenant_id = choose_tenant(tenant).pk
        if which:
            wanted = _restored(**filters) if which == "unknown" else _wanted(**filters)
            deed = deed_of(tenant_id, AuditAction.MESSAGE_REVIVED, detail=describe(wanted))
            revived = revive_all(tenant_id, wanted, partial(audited, deed, send_again))
        else:
            subject = f"message:{message_ids[0]}" if len(message_ids) == 1 else ""
            works = [_find(tenant_id, each).pk for each in message_ids]
            deed = deed_of(tenant_id, AuditAction.MESSAGE_REVIVED, subject)
            revived = len(audited(deed, send_again, tenant_id, works))
    tell({"revived": revived}, f"{revived} will be sent again.", as_json=as_json)


@deadletters.command("dismiss")
@click.argument("message_ids", nargs=-1, required=True)
@tenant_option
@json_option
def dismiss(message_ids: tuple[str, ...], tenant: str | None, *, as_json: bool) -> None:
    """They are dealt with: they leave the list, and keep their end."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.deadletters.deeds import dismiss_failures

        tenant_id = choose_tenant(tenant).pk
        uids = [_find(tenant_id, each).uid for each in message_ids]
        subject = f"message:{uids[0]}" if len(uids) == 1 else ""
        deed = deed_of(tenant_id, AuditAction.FAILURE_DISMISSED, subject)
        done = len(audited(deed, dismiss_failures, tenant_id, uids, "command line"))
    tell({"dismissed": done}, f"{done} dismissed.", as_json=as_json)


@deadletters.command("settle")
@click.argument("message_id", required=False)
@click.option("--sent/--not-sent", default=None, required=True, help="Whether the person has it.")
@click.option("--all-restored", is_flag=True, help="All that waited in a backup which was restored, and match.")
@filter_options
@tenant_option
@json_option
def settle(
    message_id: str | None, tenant: str | None, *, sent: bool, all_restored: bool, as_json: bool, **filters: Any
) -> None:
    """Say what became of a message whose outcome is unknown, once somebody has looked."""
    if bool(message_id) == all_restored or (message_id and any(filters.values())):
        raise InputError("name the message, or say --all-restored and what narrows it", field="message_id")
    if message_id is None:
        _settle_restored(tenant, sent=sent, as_json=as_json, **filters)
        return
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.deadletters.deeds import settle_unknown

        tenant_id = choose_tenant(tenant).pk
        uid = _find(tenant_id, message_id).uid
        what = "sent" if sent else "not sent"
        deed = deed_of(tenant_id, AuditAction.MESSAGE_SETTLED, f"message:{uid}", what)
        audited(deed, partial(settle_unknown, sent=sent), tenant_id, uid)
    tell({"id": message_id, "sent": sent}, f"It counts as {what}.", as_json=as_json)


def _settle_restored(tenant: str | None, *, sent: bool, as_json: bool, **filters: Any) -> None:
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.deadletters.dead_letters import describe
        from hailgate.messaging.deadletters.deeds import settle_all, settle_each

        tenant_id, wanted = choose_tenant(tenant).pk, _restored(**filters)
        what = "sent" if sent else "not sent"
        deed = deed_of(tenant_id, AuditAction.MESSAGE_SETTLED, detail=f"{what} {describe(wanted)}")
        settled = settle_all(tenant_id, wanted, partial(audited, deed, partial(settle_each, sent=sent)))
    tell({"settled": settled, "sent": sent}, f"{settled} count as {what}.", as_json=as_json)


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
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.deadletters.edit import edit_and_send_again

        work = _find(choose_tenant(tenant).pk, message_id)
        deed = deed_of(work.tenant_id, AuditAction.MESSAGE_EDITED, f"message:{work.uid}")
        audited(deed, edit_and_send_again, work.tenant_id, work.uid, given)
    tell({"id": message_id, "revived": 1}, "It is changed and will be sent again.", as_json=as_json)


@deadletters.command("export")
@tenant_option
@filter_options
@click.option("--state", type=click.Choice(["dead", "unknown", "failed"]), help="Only these.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line instead of CSV.")
def export(tenant: str | None, *, as_json: bool, **filters: Any) -> None:
    """All that match as CSV, from the oldest on, to standard output. What the messages say is not in it."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, record_deed
        from hailgate.messaging.deadletters.dead_letters import describe
        from hailgate.messaging.deadletters.export import FORMATS, read_letters

        tenant_id, wanted = choose_tenant(tenant).pk, _wanted(**filters)
        record_deed(deed_of(tenant_id, AuditAction.LETTERS_EXPORTED, detail=describe(wanted)))
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
) -> "DeadLetterFilter":
    from hailgate.messaging.deadletters.dead_letters import DeadLetterFilter

    return DeadLetterFilter(
        state, channel, code, since and since.replace(tzinfo=UTC), until and until.replace(tzinfo=UTC)
    )


def _restored(code: str | None = None, **filters: Any) -> "DeadLetterFilter":
    """What waited in a backup that was restored: all of it is unknown, and ends with one code."""
    from hailgate.messaging.outbound.search import RESTORED

    if code:
        raise InputError("goes with --all-dead: what was restored ends with one code", field="code")
    return _wanted(code=RESTORED, state="unknown", **filters)


def _letters(tenant_id: int, **filters: Any) -> "QuerySet[Any]":
    from hailgate.messaging.deadletters.dead_letters import DeadLetterFilter, find_letters

    wanted = _wanted(**filters) if filters else DeadLetterFilter()
    return find_letters(tenant_id, wanted).select_related("channel", "conversation__merged_into").order_by("-id")


def _find(tenant_id: int, message_id: str) -> Any:
    try:
        found = _letters(tenant_id).filter(uid=UUID(message_id)).first()
    except ValueError:
        found = None
    if found is None:
        raise NotFound("there is no failed or unknown message of this id; see `hailgate deadletters list`")
    return found


def _row(message: Any) -> dict[str, Any]:
    """A row of ``find_letters``."""
    from hailgate.delivery_codes import advise, explain, remedy_of
    from hailgate.messaging.deadletters.dead_letters import our_code

    provider = message.channel.provider
    code = our_code(provider, message.end_code)
    return {
        "id": str(message.uid),
        "channel": message.channel.name,
        "state": message.state,
        "accepted_at": moment(message.accepted_at),
        "attempts": message.tries,
        "code": message.end_code,
        "reason": " ".join(filter(None, [explain(code, provider), message.end_detail])) or message.end_code,
        "advice": advise(code, provider),
        "remedy": remedy_of(code, provider, unknown=message.state == "unknown"),
    }
