"""Setting up a channel with the hook that it receives through: what to ask for, and both made at once.

Whoever sets one up here does not own the machine: an address that this installation is to call must lead outside, or be
one that the installation's owner has listed.
"""

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from django.db import transaction
from msgspec import Struct

from hailgate.core.egress import EgressRules, any_inside, check_url, find_address
from hailgate.core.errors import InputError
from hailgate.messaging.channels.hooks import NewHook, add_hook
from hailgate.messaging.channels.registry import add_channel
from hailgate.providers import get_provider
from hailgate.providers.config import Setting, describe_settings
from hailgate.providers.spec import AnyProviderSpec

OWNERS_LIST: Final = "HAILGATE_PROVIDER_HOSTS"

Resolve = Callable[[str, int], Iterable[str]]


def settings_to_ask(spec: AnyProviderSpec, *, with_hook: bool) -> list[Setting]:
    """Of the channel, and of its hook; what both have is asked for once, and what is required comes first."""
    asked: dict[str, Setting] = {}
    for kind in (spec.channel_config, spec.hook_config) if with_hook else (spec.channel_config,):
        for setting in describe_settings(kind):
            if setting.name not in asked or setting.required:
                asked[setting.name] = setting
    return sorted(asked.values(), key=lambda setting: not setting.required)


class NewChannel(NamedTuple):
    """What somebody filled in; ``settings`` are the hook's too, unless ``hook`` is one that there is."""

    provider: str
    name: str
    number: str
    settings: Mapping[str, str]
    hook: UUID | None = None


def set_up_channel(tenant_id: int, wanted: NewChannel) -> tuple[UUID, NewHook | None]:
    """The channel, and the hook that was made for it; both or neither. Raises what `add_channel` does."""
    spec, made = get_provider(wanted.provider), None
    with transaction.atomic():
        if wanted.hook is None:
            made = add_hook(tenant_id, spec.name, _only(wanted.settings, spec.hook_config))
        given = _only(wanted.settings, spec.channel_config)
        hook = made.id if made else wanted.hook
        channel = add_channel(tenant_id, spec.name, wanted.name, wanted.number, given, hook=hook)
    return channel, made


def _only(settings: Mapping[str, str], kind: type[Struct]) -> dict[str, str]:
    known = {setting.name for setting in describe_settings(kind)}
    return {name: value for name, value in settings.items() if name in known}


def resolve_host(host: str, port: int) -> Sequence[str]:
    """Every address that a name has. Raises OSError."""
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def check_addresses(
    spec: AnyProviderSpec, settings: Mapping[str, str], rules: EgressRules, resolve: Resolve = resolve_host
) -> None:
    """Of each setting that is an address to be called. Raises InputError naming the setting."""
    for setting in describe_settings(spec.channel_config):
        if setting.is_url and (url := settings.get(setting.name)):
            _check_address(setting, url, rules, resolve)


def default_addresses(spec: AnyProviderSpec) -> dict[str, str]:
    """What is called where a setting is left out."""
    return {each.name: each.default for each in describe_settings(spec.channel_config) if each.is_url and each.default}


def _check_address(setting: Setting, url: str, rules: EgressRules, resolve: Resolve) -> None:
    try:
        target = check_url(url, rules)
    except InputError as refused:
        rule = refused.detail.removeprefix("The URL ").rstrip(".")
        raise _not_allowed(setting, rule) from None
    # What the program itself suggests, and what the owner listed, needs no resolver.
    if url == setting.default or rules.allows(target.host, target.port) or find_address(target.host) is not None:
        return
    try:
        found = list(resolve(target.host, target.port))
    except OSError:
        raise InputError(f"Setting {setting.name}: nobody knows the name {target.host}.", field=setting.name) from None
    if not found or any_inside(found):
        raise _not_allowed(setting, "must lead to a public address")


def _not_allowed(setting: Setting, rule: str) -> InputError:
    return InputError(
        f"Setting {setting.name} {rule}; the owner of the installation may allow an address by {OWNERS_LIST}.",
        field=setting.name,
    )
