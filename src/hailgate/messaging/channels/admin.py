"""A channel in use: paused and resumed, changed, and how much waits on it. Workers notice at their next claim."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from django.db.models import Count, F

from hailgate.accounts.seal import sealer
from hailgate.core.consent_words import WORDS
from hailgate.core.content.templates import TemplateCall
from hailgate.core.errors import ChannelRefused, ChannelUnauthorized, InputError, NotFound
from hailgate.core.limits import Limit
from hailgate.core.uids import find_uid
from hailgate.core.window import Outside
from hailgate.messaging.assistants.registry import list_answering
from hailgate.messaging.channels.credentials import unseal_settings
from hailgate.messaging.channels.template_account import ensure_business
from hailgate.messaging.models import PERSON, Channel, Work, WorkKind, WorkState
from hailgate.messaging.store.sql import atomic_cursor
from hailgate.providers import get_provider
from hailgate.providers.config import parse_config
from hailgate.providers.spec import AnyProviderSpec

BY_HAND: Final = "paused_by_hand"
# Why a channel was paused that new settings may mend, whatever its provider is.
_MENDED_BY_SETTINGS: Final = frozenset({ChannelUnauthorized.code, ChannelRefused.code})
# A burst adds to what is sent in its second: a tenth keeps the overshoot of a rate that somebody chose that small.
BURST_SHARE: Final = 0.1
SLOWEST, FASTEST = 0.01, 10_000.0


class QueuedCounts(NamedTuple):
    """Deliveries by where they stand, in the words for people: what is parked is called unknown."""

    waiting: int
    ready: int
    sending: int
    unknown: int
    dead: int


def get_channel_row(tenant_id: int, id_or_name: str) -> Channel:
    """Also one that is switched off. Raises NotFound."""
    ours = Channel.objects.filter(tenant_id=tenant_id)
    found = ours.filter(name=id_or_name).first()
    if found is None and (uid := find_uid(id_or_name)):
        found = ours.filter(uid=uid).first()
    if found is None:
        raise NotFound("there is no channel of this id or name; the list of channels has both", field="channel")
    return found


def pause_channel(tenant_id: int, channel: UUID) -> bool:
    """Send nothing until it is resumed; one that is paused already keeps its reason. False where there is none."""
    ours = Channel.objects.filter(tenant_id=tenant_id, uid=channel)
    ours.filter(paused_at=None).update(paused_at=time.time(), paused_reason=BY_HAND)
    return ours.exists()


def resume_channel(tenant_id: int, channel: UUID) -> bool:
    """Let a paused channel send again, with its breaker closed. False where there is none."""
    return _change(
        tenant_id,
        channel,
        paused_at=None,
        paused_reason="",
        ready_at=0,
        breaker_failures=0,
        breaker_opened_at=None,
        breaker_probe_at=None,
        breaker_share=0,
        passed_at=None,
    )


def set_rate(tenant_id: int, channel: UUID, per_second: float) -> bool:
    """Instead of its provider's rate. Raises InputError."""
    limit = chosen_rate(per_second)
    return _change(tenant_id, channel, rate_interval=limit.interval, rate_burst=limit.burst, ready_at=0)


def set_calling_code(tenant_id: int, channel: UUID, code: str) -> bool:
    """Of the country of numbers that are written without one; empty where these are refused. Raises InputError."""
    digits = code.strip().removeprefix("+")
    if digits and not (digits.isascii() and digits.isdigit() and len(digits) <= 3 and digits[0] != "0"):
        raise InputError("calling_code: needs one to three digits, such as 1 or 55.", field="calling_code")
    return _change(tenant_id, channel, calling_code=digits)


def chosen_rate(per_second: float) -> Limit:
    """Raises InputError for what is no rate."""
    if not SLOWEST <= per_second <= FASTEST:
        raise InputError(f"rate: needs {SLOWEST:g} to {FASTEST:,.0f} messages a second.", field="rate")
    return Limit.per_second(per_second, max(1, int(per_second * BURST_SHARE)))


def set_answerer(tenant_id: int, channel: UUID, name: str) -> bool:
    """For new conversations; those there are stay as they are. Raises InputError."""
    return _change(tenant_id, channel, answered_by=check_answerer(tenant_id, name))


def set_outside_window(tenant_id: int, channel: UUID, outside: Outside, template: str = "", language: str = "") -> bool:
    """What becomes of an assistant's answer that the window closed on. Raises InputError."""
    call = check_fallback(template, language) if outside is Outside.TEMPLATE else ""
    version = F("version") + 1
    return _change(tenant_id, channel, outside_window=outside.value, fallback_template=call, version=version)


def set_consent_languages(tenant_id: int, channel: UUID, languages: Sequence[str]) -> bool:
    """In whose words a person may stop messages; none where they may not. Raises InputError."""
    for language in languages:
        if language not in WORDS:
            listed = ", ".join(WORDS)
            raise InputError(f"languages: {language[:10]!r} is not known; there are: {listed}.", field="languages")
    return _change(tenant_id, channel, consent_languages=",".join(dict.fromkeys(languages)))


def check_fallback(template: str, language: str) -> str:
    """As it is stored. A fallback has no variables: nobody could fill them in. Raises InputError."""
    for field, value in (("template", template), ("language", language)):
        if not value.strip():
            raise InputError(f"{field}: is missing; name the template to send, and its language.", field=field)
    try:
        parsed = msgspec.convert({"name": template, "language": {"code": language}}, TemplateCall)
    except msgspec.ValidationError as wrong:
        raise InputError(f"template: {wrong}.", field="template") from None
    return msgspec.json.encode(parsed).decode()


def check_answerer(tenant_id: int, name: str) -> str:
    """`person` or an assistant's name. Raises InputError."""
    known = [PERSON, *list_answering(tenant_id)]
    if name not in known:
        listed = ", ".join(known)
        raise InputError(f"nobody is called {name!r} here; there are: {listed}.", field="answered_by")
    return name


def change_settings(found: Channel, changes: Mapping[str, str]) -> None:
    """Raises InputError where the settings as a whole would not do; then nothing is changed.

    A channel that was paused because its provider refused them goes on with the new ones.
    """
    settings = {**unseal_settings(found.config), **changes}
    spec = get_provider(found.provider)
    config = parse_config(spec.channel_config, settings)
    sealed = sealer().seal(msgspec.json.encode(settings).decode())
    with atomic_cursor() as cursor:
        business_id = ensure_business(cursor, found.tenant_id, spec, spec.business_of(config))
        account, version = spec.account_of(config, found.number), F("version") + 1
        _change(found.tenant_id, found.uid, config=sealed, account=account, business_id=business_id, version=version)
        if is_mended_by_settings(spec, found.paused_reason):
            resume_channel(found.tenant_id, found.uid)


def is_mended_by_settings(spec: AnyProviderSpec, reason: str) -> bool:
    """Whether new settings may mend it; what else pauses a channel needs somebody to say that it is mended."""
    note = spec.codes.get(reason)
    return reason in _MENDED_BY_SETTINGS or (note is not None and note.mended_by_settings)


def count_queued(tenant_id: int, channel_ids: Iterable[int]) -> Mapping[int, QueuedCounts]:
    ours = Work.objects.filter(tenant_id=tenant_id, channel_id__in=channel_ids, kind=WorkKind.DELIVERY)
    counts: dict[int, dict[int, int]] = defaultdict(dict)
    for channel_id, state, count in ours.order_by().values_list("channel_id", "state").annotate(Count("id")):
        counts[channel_id][state] = count
    return {id_: QueuedCounts(*(counts[id_].get(state, 0) for state in WorkState.values)) for id_ in channel_ids}


def _change(tenant_id: int, channel: UUID, **columns: Any) -> bool:
    return bool(Channel.objects.filter(tenant_id=tenant_id, uid=channel).update(**columns))
