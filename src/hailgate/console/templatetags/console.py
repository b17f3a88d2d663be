"""What the console's templates need beside Django's own tags."""

from datetime import datetime
from functools import cache
from typing import Final

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from hailgate.accounts.operators import CurrentOperator
from hailgate.messaging.models import Channel

register = template.Library()

# Our own strokes on a grid of 24.
_ICONS: Final = {
    "chats": "M4 5h16v11H9l-5 4zM8 9h8M8 12h5",
    "dead": "M12 4 2.8 20h18.4zM12 10v4M12 17v.2",
    "events": "M4 6h16M4 12h10M4 18h13",
    "channels": "M12 13v7M8.5 16.5a5 5 0 1 1 7 0M5.6 19.4a9 9 0 1 1 12.8 0M12 12.9v.2",
    "overview": "M4 20V10M10 20V4M16 20v-7M21 20H3",
    "search": "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13M20 20l-4.8-4.8",
    "back": "M15 5l-7 7 7 7",
    "send": "M4 12 20 4l-5 16-3.5-6.5zM11.5 13.5 20 4",
    "info": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18M12 11v5M12 7.8v.2",
    "close": "M6 6l12 12M18 6 6 18",
    "person": "M12 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8M4.5 21a7.5 7.5 0 0 1 15 0",
    "people": "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7M3 20a6 6 0 0 1 12 0M16 5a3 3 0 0 1 0 6M18 14a6 6 0 0 1 3 5",
    "assistant": "M6 8h12v10H6zM12 8V4M9.5 12.5v1M14.5 12.5v1M3 12v3M21 12v3",
    "theme": "M12 3a9 9 0 1 0 9 9 7 7 0 0 1-9-9",
    "out": "M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9",
    "again": "M4 12a8 8 0 0 1 14-5l2 2M20 4v5h-5M20 12a8 8 0 0 1-14 5l-2-2M4 20v-5h5",
    "clock": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18M12 7v5l3.5 2",
    "help": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18M9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .8-1 1.7M12 16.8v.2",
    "quote": "M9 6 4 11l5 5M4 11h9a7 7 0 0 1 7 7v1",
    "smile": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18M8.5 14.5a4.5 4.5 0 0 0 7 0M9 9.5v.2M15 9.5v.2",
    "file": "M6 3h8l5 5v13H6zM14 3v5h5",
    "clip": "M20 11.5 12 19.5a5 5 0 0 1-7-7l8.5-8.5a3.3 3.3 0 0 1 4.7 4.7L9.8 17a1.7 1.7 0 0 1-2.4-2.4l7.6-7.6",
    "voice": "M12 15a3 3 0 0 0 3-3V6a3 3 0 0 0-6 0v6a3 3 0 0 0 3 3M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3",
    "place": "M12 21s7-6.2 7-11.2a7 7 0 0 0-14 0C5 14.8 12 21 12 21M12 12.3a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5",
    "template": "M4 4h16v5H4zM4 13h7v7H4zM15 13h5M15 16.5h5M15 20h5",
    "tick": "M4 13l5 5L20 7",
    "ticks": "M2 13l5 5L17 7M12 16l2 2L23 8",
    "wait": "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16M12 8v4l2.5 1.5",
    "cross": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18M12 7.5v5.5M12 16.2v.2",
}
_TICKS: Final = {
    "queued": "wait",
    "sent": "tick",
    "delivered": "ticks",
    "read": "ticks",
    "played": "ticks",
    "failed": "cross",
    "unknown": "help",
    "stale": "help",
}


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """Decoration: what it stands for is written beside it, or on what holds it."""
    return format_html(
        '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d="{}"/></svg>', _ICONS[name]
    )


@register.simple_tag
def tick_icon(kind: str) -> SafeString:
    return icon(_TICKS[kind])


@register.simple_tag
def moment(at: datetime | None, shape: str = "full") -> SafeString:
    """UTC for programs and for browsers without scripts; `console.js` shows it in the reader's own zone."""
    if at is None:
        return mark_safe("")
    return format_html(
        '<time datetime="{}" data-shape="{}">{} UTC</time>',
        at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        shape,
        at.strftime("%Y-%m-%d %H:%M"),
    )


@register.filter
def commands(text: str) -> SafeString:
    """What stands in backticks is shown as what is typed."""
    shown = ("<code>{}</code>" if place % 2 else "{}" for place in range(text.count("`") + 1))
    return format_html("".join(shown), *text.split("`"))


@register.filter
def span(value: float) -> str:
    """A short time, in milliseconds below one second."""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s" if value < 60 else seconds(value)


@register.simple_tag
def paused_channels(viewer: CurrentOperator) -> int:
    """How many of them send nothing until somebody mends them: on every page, since nobody may overlook it."""
    return Channel.objects.filter(tenant_id=viewer.tenant_id, active=True, paused_at__isnull=False).count()


@register.filter
def seconds(value: float) -> str:
    """A length of time in the largest unit that says enough."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if value >= length:
            return f"{value / length:.0f} {unit}"
    return f"{value:.0f} s"
