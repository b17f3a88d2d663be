"""Set up a channel: choose its provider, fill in what that asks for, change it later, remove it. For owners."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from hailgate.accounts.audit import AuditAction, record_deed
from hailgate.accounts.operators import CurrentOperator
from hailgate.console.setup import forms
from hailgate.console.setup.subjects import deed_of, own_channel
from hailgate.console.sign_in.access import owners_only, parse_uid
from hailgate.core.egress import EgressRules
from hailgate.core.errors import HailgateError, InputError, NotFound
from hailgate.messaging.assistants.registry import list_answering
from hailgate.messaging.channels.admin import change_settings, set_answerer, set_calling_code, set_rate
from hailgate.messaging.channels.credentials import unseal_settings
from hailgate.messaging.channels.removal import remove_channel, remove_hook, rename_channel
from hailgate.messaging.channels.setup import (
    NewChannel,
    check_addresses,
    default_addresses,
    set_up_channel,
    settings_to_ask,
)
from hailgate.messaging.models import PERSON, Channel
from hailgate.messaging.store.sqlite_writer import write
from hailgate.providers import get_provider, list_providers
from hailgate.providers.config import describe_settings
from hailgate.providers.spec import AnyProviderSpec

Change: TypeAlias = tuple[str, Callable[[], object]]


class SharedHook(NamedTuple):
    uid: UUID
    serves: str


@require_GET
@owners_only
def choose_provider(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    del viewer
    return render(request, "console/setup_providers.html", {"section": "channels", "providers": list_providers()})


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@owners_only
@never_cache
def add(request: HttpRequest, viewer: CurrentOperator, provider: str) -> HttpResponse:
    """A new channel, and a hook for it unless one that there is receives for it too."""
    spec = _spec_of(provider)
    hook = _chosen_hook(request, viewer, spec)
    asked = settings_to_ask(spec, with_hook=hook is None)
    context: dict[str, Any] = {"section": "channels", "spec": spec, "hooks": _hooks_of(viewer, spec), "hook": hook}
    if request.method == "GET":
        return render(request, "console/setup_channel.html", {**context, "fields": forms.empty_fields(asked)})
    typed = forms.read_settings(asked, request.POST)
    try:
        check_addresses(spec, {**default_addresses(spec), **typed}, EgressRules(allowed=settings.PROVIDER_HOSTS))
        named = request.POST.get("name", ""), request.POST.get("number", "")
        channel = write(_add, viewer, NewChannel(spec.name, *named, typed, hook.uid if hook else None))
    except HailgateError as refused:
        told = forms.tell(refused)
        context |= {"fields": forms.refused_fields(asked, typed, {}, told), "problem": told, "typed": request.POST}
        return render(request, "console/setup_channel.html", context, status=422)
    return redirect("console:channel-setup", channel.hex)


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@owners_only
@never_cache
def edit(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """A secret that is left empty stays as it is."""
    channel = own_channel(viewer, uid)
    spec = get_provider(channel.provider)
    asked, stored = describe_settings(spec.channel_config), unseal_settings(channel.config)
    context: dict[str, Any] = {
        "section": "channels",
        "channel": channel,
        "spec": spec,
        "answerers": [PERSON, *list_answering(viewer.tenant_id)],
        "rate": shown_rate(channel),
        "fields": forms.stored_fields(asked, stored),
    }
    if request.method == "GET":
        return render(request, "console/setup_edit.html", context)
    typed = forms.read_settings(asked, request.POST)
    changed = {name: value for name, value in typed.items() if stored.get(name) != value}
    try:
        check_addresses(spec, changed, EgressRules(allowed=settings.PROVIDER_HOSTS))
        write(_edit, viewer, channel, request.POST.dict(), changed)
    except HailgateError as refused:
        told = forms.tell(refused)
        context |= {"fields": forms.refused_fields(asked, typed, stored, told), "problem": told, "typed": request.POST}
        return render(request, "console/setup_edit.html", context, status=422)
    return redirect("console:channel-setup", channel.uid.hex)


@require_http_methods(["GET", "POST"])
@owners_only
def remove(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """Asked once more, since it is for good; its hook goes with it where nothing else receives through it."""
    channel = own_channel(viewer, uid)
    context = {"section": "channels", "channel": channel}
    if request.method == "GET":
        return render(request, "console/setup_remove.html", context)
    try:
        write(_remove, viewer, channel)
    except HailgateError as refused:
        return render(request, "console/setup_remove.html", {**context, "problem": refused.detail}, status=409)
    return redirect("console:channels")


def _add(viewer: CurrentOperator, wanted: NewChannel) -> UUID:
    with transaction.atomic():
        channel, hook = set_up_channel(viewer.tenant_id, wanted)
        if hook is not None:
            record_deed(deed_of(viewer, AuditAction.HOOK_MADE, f"hook:{hook.id}"))
        record_deed(deed_of(viewer, AuditAction.CHANNEL_MADE, f"channel:{channel}"))
    return channel


def _edit(viewer: CurrentOperator, channel: Channel, form: Mapping[str, str], changed: Mapping[str, str]) -> None:
    """All of it or nothing. Raises what the changes raise."""
    with transaction.atomic():
        if done := [what for what, change in _changes(channel, form, changed) if change() is not False]:
            record_deed(deed_of(viewer, AuditAction.CHANNEL_CHANGED, f"channel:{channel.uid}", ", ".join(done)))


def _changes(channel: Channel, form: Mapping[str, str], changed: Mapping[str, str]) -> Iterator[Change]:
    """What differs from how the channel is, each with its words for the record."""
    tenant_id, uid = channel.tenant_id, channel.uid
    if (name := form.get("name", "").strip()) != channel.name:
        yield f"was {channel.name}", partial(rename_channel, channel, name)
    if (rate := form.get("rate", "")) != shown_rate(channel):
        yield "rate", partial(set_rate, tenant_id, uid, _number(rate))
    if (code := form.get("calling_code", "")) != channel.calling_code:
        yield "calling code", partial(set_calling_code, tenant_id, uid, code)
    if (answerer := form.get("answered_by", "")) != channel.answered_by:
        yield f"answered by {answerer}", partial(set_answerer, tenant_id, uid, answerer)
    if changed:
        yield ", ".join(sorted(changed)), partial(change_settings, channel, changed)


def _remove(viewer: CurrentOperator, channel: Channel) -> None:
    """With its hook, where nothing else receives through that."""
    hook = channel.hook
    with transaction.atomic():
        remove_channel(channel)
        record_deed(deed_of(viewer, AuditAction.CHANNEL_REMOVED, f"channel:{channel.uid}", channel.name))
        if hook and not Channel.objects.filter(tenant_id=viewer.tenant_id, hook=hook, active=True).exists():
            remove_hook(hook)
            record_deed(deed_of(viewer, AuditAction.HOOK_REMOVED, f"hook:{hook.uid}"))


def shown_rate(channel: Channel) -> str:
    """Messages a second, as a person writes it."""
    return f"{1 / channel.rate_interval:g}"


def _spec_of(provider: str) -> AnyProviderSpec:
    try:
        return get_provider(provider)
    except (InputError, NotFound):
        raise Http404 from None


def _hooks_of(viewer: CurrentOperator, spec: AnyProviderSpec) -> list[SharedHook]:
    """Those that may receive for another channel too: a session's hook is its own."""
    if spec.capabilities.pairs_session:
        return []
    ours = Channel.objects.filter(tenant_id=viewer.tenant_id, active=True, hook__provider=spec.name, hook__active=True)
    names: dict[UUID, list[str]] = {}
    for uid, name in ours.order_by("id").values_list("hook__uid", "name"):
        names.setdefault(uid, []).append(name)
    return [SharedHook(uid, ", ".join(served)) for uid, served in names.items()]


def _chosen_hook(request: HttpRequest, viewer: CurrentOperator, spec: AnyProviderSpec) -> SharedHook | None:
    if not (wanted := request.GET.get("hook", "")):
        return None
    uid = parse_uid(wanted)
    found = next((hook for hook in _hooks_of(viewer, spec) if hook.uid == uid), None)
    if found is None:
        raise Http404
    return found


def _number(typed: str) -> float:
    try:
        return float(typed)
    except ValueError:
        raise InputError("rate: needs a number of messages a second.", field="rate") from None
