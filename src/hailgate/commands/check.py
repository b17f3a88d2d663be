"""`hailgate check`: everything an installation leans on, line by line, and what to do about what fails."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

import click

from hailgate.commands.probes import Unwell, greet_rabbitmq, ping_redis
from hailgate.commands.speaking import json_option, moment, print_json
from hailgate.commands.store import open_store
from hailgate.core.errors import ConfigurationError, HailgateError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from hailgate.commands.calls import RoundTrip
    from hailgate.env import Environment
    from hailgate.messaging.models import Business, Channel, Hook
    from hailgate.providers.contract import ChannelHealth

MARKS = {"ok": ("ok  ", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "red")}

Owned = TypeVar("Owned", "Channel", "Hook")


class Finding(NamedTuple):
    """``advice`` is what to do; it is never empty for what fails."""

    subject: str
    state: Literal["ok", "warn", "fail"]
    detail: str
    advice: str = ""


@click.command()
@json_option
@click.pass_context
def check(context: click.Context, *, as_json: bool) -> None:
    """Check settings, database, spool, Redis, RabbitMQ, channels, assistant and webhooks."""
    findings = []
    for finding in examine():
        findings.append(finding)
        if not as_json:
            _print(finding)
    well = all(finding.state != "fail" for finding in findings)
    if as_json:
        print_json({"ok": well, "findings": [finding._asdict() for finding in findings]})
    context.exit(0 if well else 1)


def examine() -> Iterator[Finding]:
    """In the order in which one leans on the other; what cannot be asked any more is left out."""
    try:
        with open_store() as env:
            yield from _examine_settings(env)
            yield from _examine_database(env)
            yield _examine_spool(env)
            yield _handshake("redis", env.redis_url, ping_redis)
            yield _handshake("rabbitmq", env.rabbitmq_url, greet_rabbitmq)
            yield from _examine_channels()
            yield Finding("assistant", "ok", "scripted, needs no key")
            yield from _examine_hooks(env)
    except ConfigurationError as refused:
        for fault in refused.faults:
            yield Finding("settings", "fail", fault, "Correct it in the environment or in .env; see .env.example.")
    except HailgateError as refused:
        yield Finding("database", "fail", refused.detail, "Start it, or correct HAILGATE_DATABASE_URL.")


def _examine_settings(env: "Environment") -> Iterator[Finding]:
    kept = "in the environment" if env.secret_keys else f"in {env.home}"
    yield Finding("settings", "ok", f"read; {len(env.sealing_keys)} sealing key(s) {kept}")
    if not env.public_url:
        yield Finding(
            "public url",
            "warn",
            "not set",
            "Set HAILGATE_PUBLIC_URL to the https:// address that providers reach you under.",
        )
    elif env.public_url.startswith("http://") and not env.demo:
        yield Finding("public url", "warn", "not https", "Providers post to https:// addresses only.")


def _examine_database(env: "Environment") -> Iterator[Finding]:
    from hailgate.commands.schema import pending_migrations

    pending = pending_migrations()
    kind = "SQLite" if env.on_sqlite else "PostgreSQL"
    if pending:
        yield Finding("database", "fail", f"{kind} lacks {len(pending)} migrations", "Run `hailgate migrate`.")
        return
    yield Finding("database", "ok", f"{kind} answers, schema is up to date")


def _examine_spool(env: "Environment") -> Finding:
    from hailgate.core.errors import SpoolUnavailable
    from hailgate.edge.segments import Segments
    from hailgate.providers import list_providers

    if not any(env.spools(repeats=spec.capabilities.repeats_webhooks) for spec in list_providers()):
        return Finding("spool", "ok", "not needed: providers repeat their webhooks, or none are kept")
    segments = Segments(env.spool_path, env.spool_bytes)
    try:
        segments.check()
    except SpoolUnavailable:
        advice = "Make room there, or correct HAILGATE_SPOOL_FOLDER."
        return Finding("spool", "fail", f"no webhook can be kept in {env.spool_path}", advice)
    finally:
        segments.close()
    return Finding("spool", "ok", f"webhooks can be kept in {env.spool_path}")


def _handshake(subject: str, url: "SecretStr | None", shake: Callable[[str], None]) -> Finding:
    if url is None:
        return Finding(subject, "ok", "not configured, not needed")
    try:
        shake(url.get_secret_value())
    except Unwell as unwell:
        return Finding(subject, "fail", str(unwell), f"Start it, or correct HAILGATE_{subject.upper()}_URL.")
    return Finding(subject, "ok", "answers")


def _examine_channels() -> Iterator[Finding]:
    from hailgate.commands.calls import ask_providers
    from hailgate.messaging.channels import get_credentials
    from hailgate.messaging.models import Business, Channel

    channels = [row for tenant_id in _tenants() for row in _active(Channel, tenant_id)]
    if not channels:
        yield Finding("channels", "warn", "there is none", "Make one with `hailgate channel add`.")
        return
    answers = asyncio.run(ask_providers([get_credentials(channel.pk) for channel in channels]))
    for channel, health in zip(channels, answers, strict=True):
        yield _judge_channel(channel, health)
        if channel.business_id is not None:
            business = Business.objects.get(tenant_id=channel.tenant_id, id=channel.business_id)
            yield _judge_business(f"templates {channel.tenant.name}/{channel.name}", business)


def _tenants() -> "Iterable[int]":
    from hailgate.accounts.models import Tenant

    return Tenant.objects.order_by("id").values_list("id", flat=True)


def _active(model: "type[Owned]", tenant_id: int) -> "Iterable[Owned]":
    rows = model._default_manager  # noqa: SLF001 - Django's documented way to a model that is a parameter
    return rows.filter(tenant_id=tenant_id, active=True).select_related("tenant").order_by("id")


def _judge_channel(channel: "Channel", health: "ChannelHealth") -> Finding:
    from hailgate.commands.channels import describe_state

    subject = f"channel {channel.tenant.name}/{channel.name}"
    if not health.ok:
        return Finding(subject, "fail", health.detail, "Put its settings right: `hailgate channel set`.")
    if (state := describe_state(channel)) != "ok":
        return Finding(subject, "warn", f"{health.detail} But it is {state}.", "See `hailgate channel resume`.")
    return Finding(subject, "ok", health.detail)


def _judge_business(subject: str, business: "Business") -> Finding:
    if business.code:
        advice = "Its token needs whatsapp_business_management; then run `hailgate templates sync`."
        return Finding(subject, "warn", f"could not be listed: {business.detail}", advice)
    if business.synced_at is None:
        return Finding(subject, "warn", "not listed yet", "A worker does it, or `hailgate templates sync`.")
    return Finding(subject, "ok", f"listed at {moment(business.synced_at)}")


def _examine_hooks(env: "Environment") -> Iterator[Finding]:
    from hailgate.accounts.seal import sealer
    from hailgate.commands.calls import address_of, shake_hands
    from hailgate.commands.credentials import unseal_settings
    from hailgate.messaging.models import Hook

    hooks = [row for tenant_id in _tenants() for row in _active(Hook, tenant_id)]
    # A provider without a verify token has no handshake; its door is tried by its first message.
    tokens = {hook: token for hook in hooks if (token := unseal_settings(hook.config).get("verify_token"))}
    calls = [(f"/hooks/{sealer().unseal(hook.token)}", token) for hook, token in tokens.items()]
    base = address_of(env)
    for hook, trip in zip(tokens, asyncio.run(shake_hands(base, calls)), strict=True):
        yield _judge_trip(f"webhook {hook.tenant.name}/{hook.provider}", base, trip)


def _judge_trip(subject: str, base: str, trip: "RoundTrip") -> Finding:
    if trip.echoed:
        return Finding(subject, "ok", f"the handshake came back from {base}")
    if trip.status is None:
        advice = "Start `hailgate serve`; if it runs, look at HAILGATE_PUBLIC_URL and the proxy in front."
        return Finding(subject, "warn", f"nobody answers at {base}", advice)
    advice = "Another program or another installation may answer there; look at HAILGATE_PUBLIC_URL."
    return Finding(subject, "fail", f"{base} answers with status {trip.status}", advice)


def _print(finding: Finding) -> None:
    mark, colour = MARKS[finding.state]
    click.echo(f"{click.style(mark, fg=colour)}  {finding.subject}: {finding.detail}")
    if finding.advice:
        click.echo(f"      {finding.advice}")
