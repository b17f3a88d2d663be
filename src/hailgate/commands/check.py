"""`hailgate check`: everything an installation leans on, line by line, and what to do about what fails."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

import click

from hailgate.commands.bootstrap import open_store
from hailgate.commands.open_home import find_opened, take_from_others
from hailgate.commands.output import json_option, moment, print_json
from hailgate.commands.probes import Unwell, greet_rabbitmq, ping_redis
from hailgate.core.errors import ConfigurationError, HailgateError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from hailgate.env import Environment
    from hailgate.messaging.channels.probe_calls import RoundTrip
    from hailgate.messaging.models import Business, Channel, Hook
    from hailgate.providers.contract import ChannelHealth
    from hailgate.providers.spec import HandshakeProbe

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
        if (fresh := _find_nothing_yet()) is not None:
            yield fresh
            return
        with open_store() as env:
            yield from _examine_settings(env)
            database = _examine_database(env)
            yield database
            if database.state == "fail":
                return
            if env.direct:
                yield _examine_pooler()
            yield _examine_workers()
            yield _examine_home(env)
            yield _examine_spool(env)
            yield _handshake("redis", env.redis_url, ping_redis)
            yield _handshake("rabbitmq", env.rabbitmq_url, greet_rabbitmq)
            yield from _examine_channels(env)
            yield from _examine_assistants()
            yield from _examine_hooks(env)
    except ConfigurationError as refused:
        for fault in refused.faults:
            yield Finding("settings", "fail", fault, "Correct it in the environment or in .env; see .env.example.")
    except HailgateError as refused:
        yield Finding("database", "fail", refused.detail, "Mend that, or correct HAILGATE_DATABASE_URL.")


def _examine_settings(env: "Environment") -> Iterator[Finding]:
    from hailgate.env import find_unknown_names

    kept = "in the environment" if env.secret_keys else f"in {env.home}"
    yield Finding("settings", "ok", f"read; {len(env.sealing_keys)} sealing key(s) {kept}")
    for unknown in find_unknown_names():
        yield Finding("settings", "warn", unknown, "Correct its name, or remove it.")
    yield from _examine_extras(env)
    if not env.public_url:
        yield Finding(
            "public url",
            "warn",
            "not set",
            "Set HAILGATE_PUBLIC_URL to the https:// address that providers reach you under.",
        )
    if env.in_clear and not env.demo:
        yield Finding(
            "encryption",
            "warn",
            "passwords, keys and messages cross the network in clear",
            "Put a proxy that ends TLS before it, and set HAILGATE_PUBLIC_URL to its https:// address, "
            "which providers need anyway.",
        )


def _find_nothing_yet() -> Finding | None:
    """Where no database was ever made: to look must not make one, nor keys."""
    from hailgate.env import load_environment

    env = load_environment()
    if not env.on_sqlite or Path(env.database.removeprefix("sqlite:///")).exists():
        return None
    return Finding("database", "fail", "there is none yet", "Run `hailgate migrate`, which makes it and its keys.")


def _examine_extras(env: "Environment") -> Iterator[Finding]:
    """What `hailgate serve` refuses to start without."""
    if env.alarm_urls:
        yield _judge_extra("alarms", lambda: _open_alarms(env))
    if env.traces_url:
        yield _judge_extra("traces", lambda: _open_traces(env))


def _open_alarms(env: "Environment") -> None:
    from hailgate.pipeline.alarm_checks import open_notifier

    open_notifier(tuple(url.get_secret_value() for url in env.alarm_urls))


def _open_traces(env: "Environment") -> None:
    from hailgate.telemetry.traces import open_tracer

    _, end = open_tracer(env.traces_url, "check")
    end()


def _judge_extra(subject: str, open_it: Callable[[], None]) -> Finding:
    try:
        open_it()
    except ConfigurationError as refused:
        return Finding(subject, "fail", refused.faults[0], "Mend it, or leave the setting empty.")
    return Finding(subject, "ok", "can be told")


def _examine_database(env: "Environment") -> Finding:
    from hailgate.accounts.schema import find_outgrown, pending_migrations

    pending = pending_migrations()
    kind = "SQLite" if env.on_sqlite else "PostgreSQL"
    if pending:
        return Finding("database", "fail", f"{kind} lacks {len(pending)} migrations", "Run `hailgate migrate`.")
    if find_outgrown():
        return Finding("database", "fail", f"{kind} was migrated for newer programs", "Install the new version.")
    return Finding("database", "ok", f"{kind} answers, schema is up to date")


def _examine_pooler() -> Finding:
    from psycopg import Error

    from hailgate.commands.pooler import find_missing_defaults, hears_notifications

    if missing := find_missing_defaults():
        advice = "Run `hailgate migrate`, then let the pooler make its connections anew (RECONNECT)."
        return Finding("pooler", "fail", f"its connections lack {', '.join(missing)}", advice)
    try:
        heard = hears_notifications()
    except Error as away:
        heard = False
        detail = f"the database does not answer past it ({type(away).__name__})"
    else:
        detail = "what is notified through it is not heard past it"
    if not heard:
        return Finding("pooler", "fail", detail, "Let HAILGATE_DATABASE_DIRECT_URL name the same database, past it.")
    return Finding("pooler", "ok", "its connections have our time-outs, and notifications are heard past it")


def _examine_workers() -> Finding:
    from hailgate.messaging.work.leases import any_alive

    if any_alive():
        return Finding("worker", "ok", "one is running")
    return Finding("worker", "warn", "none is running: messages wait", "Run `hailgate serve`, or `hailgate work`.")


def _examine_home(env: "Environment") -> Finding:
    if (opened := find_opened(env.home)) is not None:
        return Finding("home", "fail", opened, take_from_others(env.home))
    return Finding("home", "ok", f"{env.home} is this user's alone")


def _examine_spool(env: "Environment") -> Finding:
    from hailgate.core.errors import SpoolUnavailable
    from hailgate.providers import list_providers
    from hailgate.spool.segments import Segments

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


def _examine_channels(env: "Environment") -> Iterator[Finding]:
    from hailgate.messaging.channels.credentials import get_credentials
    from hailgate.messaging.channels.probe_calls import ask_providers
    from hailgate.messaging.models import Business, Channel

    channels = [row for tenant_id in _tenants() for row in _active(Channel, tenant_id)]
    if not channels:
        yield Finding("channels", "warn", "there is none", "Make one with `hailgate channel add`.")
        return
    credentials = [get_credentials(channel.pk) for channel in channels]
    answers = asyncio.run(ask_providers(credentials, env.public_url))
    for channel, health in zip(channels, answers, strict=True):
        yield _judge_channel(channel, health)
        yield from _warn_of_settings(channel)
        if channel.business_id is not None:
            business = Business.objects.get(tenant_id=channel.tenant_id, id=channel.business_id)
            yield _judge_business(f"templates {channel.tenant.name}/{channel.name}", business, channel.provider)


def _examine_assistants() -> Iterator[Finding]:
    """Who answers. Whether models do is not asked here: each answer is paid."""
    from hailgate.accounts.models import Tenant
    from hailgate.messaging.assistants.registry import list_standing
    from hailgate.messaging.store.sql import atomic_cursor

    with atomic_cursor(read_only=True) as cursor:
        standing = list_standing(cursor)
    if not standing:
        yield Finding("assistant", "ok", "no tenant has one of its own")
    names = dict(Tenant.objects.values_list("id", "name"))
    for each in standing:
        asked = ", then ".join(f"{choice.vendor} {choice.model}" for choice in each.settings.choices)
        by_model = f"asks {asked}; `hailgate assistant check {each.name}` tries it"
        detail = "answers by its script" if each.settings.is_scripted else by_model
        yield Finding(f"assistant {names[each.tenant_id]}/{each.name}", "ok", detail)


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


def _warn_of_settings(channel: "Channel") -> Iterator[Finding]:
    from hailgate.messaging.channels.credentials import warn_of_settings

    if warning := warn_of_settings(channel.provider, channel.config, channel.source, time.time()):
        subject = f"settings of {channel.tenant.name}/{channel.name}"
        yield Finding(subject, "warn", warning, "Change them with `hailgate channel set`.")


def _judge_business(subject: str, business: "Business", provider: str) -> Finding:
    from hailgate.providers import get_provider

    if business.code:
        advice = f"{get_provider(provider).templates_advice} Then run `hailgate templates sync`.".lstrip()
        return Finding(subject, "warn", f"could not be listed: {business.detail}", advice)
    if business.synced_at is None:
        return Finding(subject, "warn", "not listed yet", "A worker does it, or `hailgate templates sync`.")
    return Finding(subject, "ok", f"listed at {moment(business.synced_at)}")


def _examine_hooks(env: "Environment") -> Iterator[Finding]:
    from hailgate.accounts.seal import sealer
    from hailgate.messaging.channels.probe_calls import shake_hands
    from hailgate.messaging.models import Hook

    hooks = [row for tenant_id in _tenants() for row in _active(Hook, tenant_id)]
    if not env.public_url:
        yield from filter(None, map(_miss_public_url, hooks))
    # Where a provider has no handshake, its door is tried by its first message.
    probes = {hook: probe for hook in hooks if (probe := _find_probe(hook))}
    calls = [(f"/hooks/{sealer().unseal(hook.token)}", probe) for hook, probe in probes.items()]
    base = env.reached_at
    for hook, trip in zip(probes, asyncio.run(shake_hands(base, calls)), strict=True):
        yield _judge_trip(f"webhook {hook.tenant.name}/{hook.provider}", base, trip)


def _miss_public_url(hook: "Hook") -> Finding | None:
    from hailgate.providers import get_provider

    if not get_provider(hook.provider).needs_public_url:
        return None
    advice = "Set HAILGATE_PUBLIC_URL to the https:// address that it reaches you under."
    return Finding(f"webhook {hook.tenant.name}/{hook.provider}", "warn", "its provider is told no address", advice)


def _find_probe(hook: "Hook") -> "HandshakeProbe | None":
    from hailgate.messaging.channels.credentials import unseal_settings
    from hailgate.providers import get_provider
    from hailgate.providers.config import parse_config

    spec = get_provider(hook.provider)
    if spec.handshake_probe is None:
        return None
    return spec.handshake_probe(parse_config(spec.hook_config, unseal_settings(hook.config)), token_hex(8))


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
