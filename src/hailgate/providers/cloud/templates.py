"""Templates at the Cloud API: the list of a WhatsApp Business Account, and what webhooks tell of them."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct

from hailgate.core.errors import ProviderUnavailable
from hailgate.core.events import Ignored, ProviderEvent, TemplateChange
from hailgate.core.templates import APPROVED, TemplateDefinition
from hailgate.providers.cloud.wire import parse_ack
from hailgate.providers.contract import TemplatePage
from hailgate.providers.reading import identifier, read

FIELDS: Final = "id,name,language,status,category,parameter_format,quality_score,rejected_reason,components"
# A template may have ten kilobytes and more, and an answer is read up to a megabyte.
PAGE: Final = 50
LONGEST_WORD: Final = 60
LONGEST_REASON: Final = 300

STATUS: Final = "message_template_status_update"
QUALITY: Final = "message_template_quality_update"
CATEGORY: Final = "template_category_update"
COMPONENTS: Final = "message_template_components_update"
TEMPLATE_FIELDS: Final = frozenset({STATUS, QUALITY, CATEGORY, COMPONENTS})
# What a status event may say that is the status since then; the other events say that something else changed.
STATUSES: Final = {
    word: word
    for word in (
        APPROVED, "ARCHIVED", "DELETED", "DISABLED", "IN_APPEAL", "LIMIT_EXCEEDED", "PAUSED", "PENDING",
        "PENDING_DELETION", "REJECTED",
    )
} | {"REINSTATED": APPROVED}  # fmt: skip


class _Score(Struct):
    score: str = ""


class _Listed(Struct):
    id: str
    name: str
    language: str
    status: str
    category: str = ""
    parameter_format: str = ""
    quality_score: Raw = Raw(b"null")
    rejected_reason: str | None = None
    components: Raw = Raw(b"[]")


class _Cursors(Struct, frozen=True):
    after: str | None = None


class _Paging(Struct, frozen=True):
    cursors: _Cursors = _Cursors()
    next: str | None = None


class _Page(Struct):
    data: list[Raw]
    paging: _Paging = _Paging()


class _Rejection(Struct):
    reason: str | None = None
    recommendation: str | None = None


class _Told(Struct):
    """The value of each of the four fields."""

    message_template_id: Raw
    message_template_name: str
    message_template_language: str
    event: str = ""
    reason: str | None = None
    rejection_info: _Rejection | None = None
    new_quality_score: str = ""
    new_category: str = ""


_page = msgspec.json.Decoder(_Page)
_listed = msgspec.json.Decoder(_Listed)
_score = msgspec.json.Decoder(_Score)
_told = msgspec.json.Decoder(_Told)


def list_path(waba_id: str, after: str | None) -> str:
    place = f"&after={quote(after, safe='')}" if after else ""
    return f"{waba_id}/message_templates?fields={FIELDS}&limit={PAGE}{place}"


def parse_page(status: int, headers: Mapping[str, str], body: bytes, now: float) -> TemplatePage:
    """What is no template is left out. Raises a SendError for what is no list."""
    parse_ack(status, headers, body, now)
    page = read(_page, body)
    if page is None:
        raise ProviderUnavailable("Meta's answer is not a list of templates.")
    listed = [listed for raw in page.data if (listed := read(_listed, raw))]
    after = page.paging.cursors.after if page.paging.next else None
    return TemplatePage([_template(each) for each in listed if _is_named(each)], after)


def parse_change(field: str, raw: Raw, business: str | None, at: float) -> ProviderEvent:
    """`business` is the WhatsApp Business Account that it is told of."""
    told = read(_told, raw)
    if business is None or told is None or not (told.message_template_name and told.message_template_language):
        return Ignored(None, field, "malformed", "It has another shape than Meta documents.")
    return TemplateChange(
        business=business,
        provider_id=bytes(told.message_template_id).decode().strip('"')[:LONGEST_WORD],
        name=told.message_template_name,
        language=told.message_template_language.replace("-", "_"),
        at=at,
        status=STATUSES.get(told.event, ""),
        quality=told.new_quality_score[:LONGEST_WORD],
        category=told.new_category[:LONGEST_WORD],
        reason=_reason(told),
        outdated=field == COMPONENTS or (field == STATUS and told.event not in STATUSES),
    )


def _is_named(listed: _Listed) -> bool:
    return identifier(listed.id) is not None and identifier(listed.name) is not None and bool(listed.language)


def _template(listed: _Listed) -> TemplateDefinition:
    score = read(_score, listed.quality_score)
    return TemplateDefinition(
        listed.id,
        listed.name,
        listed.language,
        listed.category[:LONGEST_WORD],
        listed.status[:LONGEST_WORD],
        score.score[:LONGEST_WORD] if score else "",
        listed.parameter_format == "NAMED",
        bytes(listed.components).decode(),
        _spoken(listed.rejected_reason),
    )


def _reason(told: _Told) -> str:
    why = told.rejection_info or _Rejection()
    return ". ".join(filter(None, (_spoken(told.reason), why.reason, why.recommendation)))[:LONGEST_REASON]


def _spoken(reason: str | None) -> str:
    return "" if reason in {None, "NONE"} else str(reason)[:LONGEST_REASON]
