"""WhatsApp's own marks as HTML: *bold*, _italic_, ~struck~, ```code```, lists and quotes.

Text is escaped first and marked up afterwards, so that nothing a person writes can become a tag of theirs. Links are
shown as links only where they name http or https.
"""

import re
from collections.abc import Callable
from typing import Final

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

_CODE_BLOCK: Final = re.compile(r"```(.+?)```", re.DOTALL)
_CODE: Final = re.compile(r"`([^`\n]+)`")
# A mark opens before a visible character and closes after one, and not inside a word.
_MARKS: Final = tuple(
    (re.compile(rf"(?<!{mark})(?<![^\W_]){mark}(?=\S)([^\n{mark}]+?)(?<=\S){mark}(?!{mark})(?![^\W_])"), tag)
    for mark, tag in ((r"\*", "strong"), ("_", "em"), ("~", "del"))
)
# What is escaped already: `&amp;` belongs to an address, `&lt;`, `&gt;` and quotes end it.
_LINK: Final = re.compile(r"https?://(?:(?!&(?:lt|gt|quot|#x27);)[^\s<>\x00-\x1f])+", re.IGNORECASE)
_AFTER_LINK: Final = ".,;:!?)*_~]"
_LINE: Final = re.compile(r"^(?:(?P<quote>&gt; ?)|(?P<bullet>[*-] +)|(?P<number>\d{1,3}\. +))(?P<rest>.*)$")
_SLOT: Final = re.compile("\ue000(\\d+)\ue001")


def render_formatting(text: str) -> SafeString:
    """Safe whatever the text is."""
    slots: list[str] = []

    def keep(html: str) -> str:
        """Set aside, so that marks inside a link or code stay as they are."""
        slots.append(html)
        return f"\ue000{len(slots) - 1}\ue001"

    # The two private characters mark our own slots; a text that brings them loses them.
    marked: str = escape(text.replace("\ue000", "\ufffd").replace("\ue001", "\ufffd"))
    marked = _CODE_BLOCK.sub(lambda found: keep(f"<code class=block>{found[1].strip(chr(10))}</code>"), marked)
    marked = _CODE.sub(lambda found: keep(f"<code>{found[1]}</code>"), marked)
    marked = _LINK.sub(lambda found: _link(found[0], keep), marked)
    for pattern, tag in _MARKS:
        marked = pattern.sub(rf"<{tag}>\1</{tag}>", marked)
    html = "\n".join(_line(line) for line in marked.split("\n"))
    return mark_safe(_SLOT.sub(lambda found: slots[int(found[1])], html))  # noqa: S308 -- escaped before it was marked


def _link(address: str, keep: Callable[[str], str]) -> str:
    whole = address.rstrip(_AFTER_LINK)
    html = f'<a href="{whole}" rel="noopener noreferrer nofollow" target="_blank">{whole}</a>'
    return keep(html) + address[len(whole) :]


def _line(line: str) -> str:
    found = _LINE.match(line)
    if not found:
        return line
    if found["quote"]:
        return f"<q>{found['rest']}</q>"
    sign = "•" if found["bullet"] else found["number"].strip()
    return f"<span class=li><span>{sign}</span><span>{found['rest']}</span></span>"
