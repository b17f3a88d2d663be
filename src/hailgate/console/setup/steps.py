"""Steps after a channel was made: its address to enter at the provider, and whether both ways work."""

import asyncio
import time
from collections.abc import Iterable
from secrets import token_hex
from typing import Final, NamedTuple

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from hailgate.accounts.audit import AuditAction, record_deed
from hailgate.accounts.operators import CurrentOperator
from hailgate.accounts.seal import sealer
from hailgate.console.setup.subjects import deed_of, own_channel
from hailgate.console.sign_in.access import owners_only
from hailgate.core.errors import HailgateError
from hailgate.messaging.channels.credentials import get_credentials, unseal_settings, warn_of_settings
from hailgate.messaging.channels.hooks import HOOKS
from hailgate.messaging.channels.probe_calls import ask_providers, shake_hands
from hailgate.messaging.models import Business, Channel, Hook, Template
from hailgate.messaging.store.sqlite_writer import write
from hailgate.providers import get_provider
from hailgate.providers.config import Setting, describe_settings, parse_config
from hailgate.providers.spec import AnyProviderSpec

LONGEST_CHECK_S: Final = 15.0


class CheckLine(NamedTuple):
    """``state`` is ok, doubt or bad."""

    state: str
    what: str
    detail: str


@require_GET
@owners_only
@never_cache
def show_setup(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """What to enter at the provider, and what is left to do."""
    channel = own_channel(viewer, uid)
    spec = get_provider(channel.provider)
    business = _business_of(channel, spec)
    context = {
        "section": "channels",
        "channel": channel,
        "spec": spec,
        "pairs": spec.capabilities.pairs_session,
        "templates": business,
        "template_count": _count_templates(business),
        "has_public_url": bool(settings.PUBLIC_URL),
        "has_hook": channel.hook_id is not None,
    }
    return render(request, "console/setup_steps.html", context)


@require_POST
@owners_only
@never_cache
def reveal(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """The address to enter at the provider, with the words that go with it. On record: who knows it can write."""
    channel = own_channel(viewer, uid)
    hook = channel.hook
    if hook is None:
        raise Http404
    write(record_deed, deed_of(viewer, AuditAction.HOOK_REVEALED, f"hook:{hook.uid}"))
    kept = unseal_settings(hook.config)
    spec = get_provider(hook.provider)
    words = [(each.title, kept[each.name]) for each in describe_settings(spec.hook_config) if _is_told(each, kept)]
    url = f"{settings.REACHED_AT}{_path_of(hook)}"
    return render(request, "console/_setup_address.html", {"url": url, "words": words})


@require_POST
@owners_only
def check(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """What `hailgate check` says of this channel."""
    channel = own_channel(viewer, uid)
    lines = [_examine_provider(channel), *_warn_of_settings(channel), _examine_hook(channel.hook)]
    return render(request, "console/_setup_checks.html", {"channel": channel, "lines": lines})


def _examine_provider(channel: Channel) -> CheckLine:
    what = _("The provider")
    try:
        asked = ask_providers([get_credentials(channel.pk)], settings.PUBLIC_URL)
        [health] = asyncio.run(asyncio.wait_for(asked, LONGEST_CHECK_S))
    except TimeoutError:
        return CheckLine("bad", what, _("It did not answer in time."))
    except HailgateError as refused:
        return CheckLine("bad", what, refused.detail)
    return CheckLine("ok" if health.ok else "bad", what, health.detail)


def _warn_of_settings(channel: Channel) -> Iterable[CheckLine]:
    warning = warn_of_settings(channel.provider, channel.config, channel.source, time.time())
    return [CheckLine("doubt", _("Settings"), warning)] if warning else []


def _examine_hook(hook: Hook | None) -> CheckLine:
    """Our own door, asked from outside as the provider asks it."""
    what = _("Webhooks")
    if hook is None:
        return CheckLine("bad", what, _("It receives through no hook: nothing comes in."))
    if not settings.PUBLIC_URL:
        detail = _("HAILGATE_PUBLIC_URL is not set: providers on the internet cannot reach this installation.")
        return CheckLine("doubt", what, detail)
    spec = get_provider(hook.provider)
    if spec.handshake_probe is None:
        return CheckLine("doubt", what, _("They are tried by the first message that comes in."))
    probe = spec.handshake_probe(parse_config(spec.hook_config, unseal_settings(hook.config)), token_hex(8))
    [trip] = asyncio.run(shake_hands(settings.REACHED_AT, [(_path_of(hook), probe)]))
    if trip.echoed:
        return CheckLine("ok", what, _("Our address answers as the provider asks for it."))
    return CheckLine("bad", what, _("Our public address does not lead here: look at the proxy in front."))


def _path_of(hook: Hook) -> str:
    return f"{HOOKS}/{sealer().unseal(hook.token)}"


def _business_of(channel: Channel, spec: AnyProviderSpec) -> Business | None:
    if spec.templates_at is None or channel.business_id is None:
        return None
    return Business.objects.filter(tenant_id=channel.tenant_id, id=channel.business_id).first()


def _count_templates(business: Business | None) -> int:
    if business is None:
        return 0
    return Template.objects.filter(tenant_id=business.tenant_id, business_id=business.pk).count()


def _is_told(setting: Setting, kept: dict[str, str]) -> bool:
    """What is of our own making, and has to be entered at the provider."""
    return setting.generated and setting.name in kept
