"""The demo's own data: one tenant, one key, and for each provider a hook and a channel at the simulator.

Everything is found again at the next start; only what is missing is made, and addresses follow the ports.
"""

import json
import secrets
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import msgspec

from hailgate.accounts.keys import add_key, add_tenant, find_key
from hailgate.accounts.models import Tenant
from hailgate.accounts.operators import add_operator, make_sign_in_link
from hailgate.accounts.seal import sealer
from hailgate.commands.credentials import unseal_settings
from hailgate.commands.demo.layout import read_document, write_private
from hailgate.messaging.channels import add_channel, add_hook
from hailgate.messaging.models import Channel
from hailgate.messaging.tending import change_settings
from hailgate.providers import PROVIDERS
from hailgate.providers.contract import AnyProviderSpec, Secret

if TYPE_CHECKING:
    from hailgate.commands.demo.layout import Layout

TENANT = "Demo"
ASSISTANT = "scripted"
OPERATOR = "olivia@demo.example"
LINK_LIFE_S = 12 * 3600.0
FIRST_NUMBER = 15_550_100_000
FIRST_ACCOUNT = 100_000_000_000_001  # of the length that ids at Meta have
FIRST_BUSINESS = 102_000_000_000_001


class Example(NamedTuple):
    """A channel at the simulator, as the product knows it and as the simulator is told."""

    channel: Channel
    registration: dict[str, Any]


def prepare_example(layout: "Layout") -> None:
    """Makes what is missing and writes `demo.json`, the header file and the simulator's registration."""
    tenant = Tenant.objects.filter(name=TENANT).first() or add_tenant(TENANT)
    key = _find_key(layout, tenant) or add_key(tenant.pk, "demo").key
    examples = [_prepare_channel(layout, tenant, spec, place) for place, spec in enumerate(PROVIDERS)]
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


def _prepare_channel(layout: "Layout", tenant: Tenant, spec: AnyProviderSpec, place: int) -> Example:
    channel = Channel.objects.filter(tenant_id=tenant.pk, name=spec.name).select_related("hook").first()
    if channel is None:
        channel = _make_channel(layout, tenant, spec, place)
    settings, there = unseal_settings(channel.config), _at_simulator(layout, spec, place)
    if not there.items() <= settings.items():
        change_settings(channel, there)
        settings |= there
    hook = channel.hook
    if hook is None:
        raise AssertionError("the demo's channel lost its hook")
    del settings["api_url"]
    return Example(
        channel,
        {
            "provider": spec.name,
            "number": channel.number,
            "webhook_url": f"{layout.url}/hooks/{sealer().unseal(hook.token)}",
            "credentials": {**unseal_settings(hook.config), **settings},
        },
    )


def _make_channel(layout: "Layout", tenant: Tenant, spec: AnyProviderSpec, place: int) -> Channel:
    hook = add_hook(tenant.pk, spec.name, _invent(spec.hook_config, place))
    settings = {**_invent(spec.channel_config, place), **_at_simulator(layout, spec, place)}
    number = str(FIRST_NUMBER + place)
    uid = add_channel(tenant.pk, spec.name, spec.name, number, settings, hook=hook.id, answered_by=ASSISTANT)
    return Channel.objects.select_related("hook").get(tenant_id=tenant.pk, uid=uid)


def _at_simulator(layout: "Layout", spec: AnyProviderSpec, place: int) -> dict[str, str]:
    """Where the simulator is, and in which of its accounts the channel's templates are."""
    business = {spec.templates_at: str(FIRST_BUSINESS + place)} if spec.templates_at else {}
    return {"api_url": layout.sim_url, **business}


def _invent(config: type[msgspec.Struct], place: int) -> dict[str, str]:
    """Something for every setting that has no default: secrets are random, the rest are ids."""
    return {
        field.name: secrets.token_hex(16)
        if Secret in {field.type, *get_args(field.type)}
        else str(FIRST_ACCOUNT + place)
        for field in msgspec.structs.fields(config)
        if field.required
    }


def _describe(channel: Channel) -> dict[str, str]:
    return {"id": str(channel.uid), "name": channel.name, "provider": channel.provider, "number": channel.number}
