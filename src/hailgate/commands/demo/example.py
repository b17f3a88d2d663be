"""The demo's own data: one tenant, one key, and a hook and a channel for each provider that the simulator speaks too.

Everything is found again at the next start; only what is missing is made, and addresses follow the ports.
"""

import json
import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from hailgate.accounts.keys import add_key, add_tenant, find_key
from hailgate.accounts.models import Tenant
from hailgate.accounts.operators import add_operator, make_sign_in_link
from hailgate.accounts.seal import sealer
from hailgate.commands.demo.http_client import list_spoken
from hailgate.commands.demo.layout import read_document, write_private
from hailgate.core.sessions import SessionWish
from hailgate.messaging.channels.admin import change_settings
from hailgate.messaging.channels.credentials import unseal_settings
from hailgate.messaging.channels.hooks import add_hook
from hailgate.messaging.channels.registry import add_channel
from hailgate.messaging.channels.sessions import wish_session
from hailgate.messaging.models import Channel
from hailgate.providers import PROVIDERS
from hailgate.providers.config import Setting, describe_settings
from hailgate.providers.spec import AnyProviderSpec

if TYPE_CHECKING:
    from hailgate.commands.demo.layout import Layout

TENANT = "Demo"
ASSISTANT = "scripted"
OPERATOR = "olivia@demo.example"
LINK_LIFE_S = 12 * 3600.0
FIRST_NUMBER = 15_550_100_000
FIRST_ACCOUNT = 100_000_000_000_001
FIRST_BUSINESS = 102_000_000_000_001


class Example(NamedTuple):
    """A channel at the simulator, as the product knows it and as the simulator is told."""

    channel: Channel
    registration: dict[str, Any]


def prepare_example(layout: "Layout") -> None:
    """Makes what is missing and writes `demo.json`, the header file and the simulator's registration."""
    tenant = Tenant.objects.filter(name=TENANT).first() or add_tenant(TENANT)
    key = _find_key(layout, tenant) or add_key(tenant.pk, "demo").key
    examples = _prepare_channels(layout, tenant)
    summary = {
        "console_url": layout.url,
        "sign_in_url": f"{layout.url}/console/sign-in/{_make_link(tenant)}",
        "sim_url": layout.sim_url,
        "api_key": key,
        "channels": [_describe(example.channel) for example in examples],
    }
    write_private(layout.registration, json.dumps([example.registration for example in examples]))
    write_private(layout.header, f"Authorization: Bearer {key}\n")
    write_private(layout.summary, json.dumps(summary, indent=2) + "\n")


def _make_link(tenant: Tenant) -> str:
    """A new one with each start, good for as long as one looks around; in the demo it may be used again."""
    operator = add_operator(tenant.pk, OPERATOR, name="Olivia", installation_owner=True)
    return make_sign_in_link(operator, life_s=LINK_LIFE_S, reusable=True)


def _find_key(layout: "Layout", tenant: Tenant) -> str | None:
    """The key of the last start, while it is still good."""
    known = read_document(layout.summary) or {}
    view = find_key(str(known.get("api_key", "")))
    return known["api_key"] if view and view.tenant_id == tenant.pk else None


def _prepare_channels(layout: "Layout", tenant: Tenant) -> list[Example]:
    """One for each provider that both know; it keeps its place, and so its number, whichever the others are."""
    spoken = list_spoken(layout)
    known = [(place, spec) for place, spec in enumerate(PROVIDERS) if spec.name in spoken]
    return [_prepare_channel(layout, tenant, spec, place, spoken[spec.name]) for place, spec in known]


def _prepare_channel(
    layout: "Layout", tenant: Tenant, spec: AnyProviderSpec, place: int, spoken: Mapping[str, Any]
) -> Example:
    there = _at_simulator(spec, place, spoken)
    channel = Channel.objects.filter(tenant_id=tenant.pk, name=spec.name).select_related("hook").first()
    if channel is None:
        channel = _make_channel(tenant, spec, place, there)
    settings = unseal_settings(channel.config)
    if not there.items() <= settings.items():
        change_settings(channel, there)
        settings |= there
    hook = channel.hook
    if hook is None:
        raise AssertionError("the demo's channel lost its hook")
    known = {**unseal_settings(hook.config), **settings}
    return Example(
        channel,
        {
            "provider": spec.name,
            "number": channel.number,
            "webhook_url": f"{layout.url}/hooks/{sealer().unseal(hook.token)}",
            "credentials": {
                credential["name"]: known[credential["name"]]
                for credential in spoken["credentials"]
                if known.get(credential["name"])
            },
        },
    )


def _make_channel(tenant: Tenant, spec: AnyProviderSpec, place: int, there: Mapping[str, str]) -> Channel:
    secrets_of_hook = _invent(spec.hook_config, place)
    hook = add_hook(tenant.pk, spec.name, secrets_of_hook)
    settings = {**_invent(spec.channel_config, place, secrets_of_hook), **there}
    number = str(FIRST_NUMBER + place)
    uid = add_channel(tenant.pk, spec.name, spec.name, number, settings, hook=hook.id, answered_by=ASSISTANT)
    channel = Channel.objects.select_related("hook").get(tenant_id=tenant.pk, uid=uid)
    if spec.capabilities.pairs_session:  # the simulator's phones are paired from the start
        wish_session(channel, SessionWish.OPEN)
    return channel


def _at_simulator(spec: AnyProviderSpec, place: int, spoken: Mapping[str, Any]) -> dict[str, str]:
    """Where the simulator is, and in which of its accounts the channel's templates are."""
    optional = {setting.name for setting in describe_settings(spec.channel_config) if not setting.required}
    business = {spec.templates_at: str(FIRST_BUSINESS + place)} if spec.templates_at in optional else {}
    return {"api_url": spoken["api_url"], **business}


def _invent(config: type[msgspec.Struct], place: int, known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Something for every setting that has no default: secrets are random, the rest are ids.

    What the hook knows under the same name is the same credential.
    """
    known = known or {}
    invented = {}
    for setting in describe_settings(config):
        if setting.name in known:
            invented[setting.name] = known[setting.name]
        elif setting.required:
            invented[setting.name] = secrets.token_hex(16) if setting.secret else _invent_id(setting, place)
    return invented


def _invent_id(setting: Setting, place: int) -> str:
    """In the shape of its example, where a run of x stands for what differs."""
    if "xxxx" in setting.example:
        return re.sub("x{4,}", lambda run: f"{place:0{len(run[0])}x}", setting.example)
    return str(FIRST_ACCOUNT + place)


def _describe(channel: Channel) -> dict[str, str]:
    return {"id": str(channel.uid), "name": channel.name, "provider": channel.provider, "number": channel.number}
