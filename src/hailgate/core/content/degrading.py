"""Degrading: what a provider cannot express becomes its nearest form, by what its capabilities say. Pure.

A question becomes numbered text, contacts become lines of text, a request for a location its words.
"""

from collections.abc import Iterator

from hailgate.core.content.menus import Menu, render_menu
from hailgate.core.content.outbound import Contacts, Interactive, Outbound, Text
from hailgate.core.content.parts import Card, TextBody
from hailgate.core.kinds import KindLimits, Kinds


def find_limits(content: Outbound, kinds: Kinds) -> KindLimits | None:
    """What a channel takes of this kind; None where it takes none."""
    kind = str(content.__struct_config__.tag)
    if isinstance(content, Interactive):
        return kinds.get(f"{kind}.{content.interactive.__struct_config__.tag}") or kinds.get(kind)
    return kinds.get(kind)


def degrade(content: Outbound, kinds: Kinds) -> Outbound:
    """The content as this provider sends it; itself where it can be expressed."""
    own = find_limits(content, kinds)
    if own is None or own.degrades_to != "text":
        return content
    return Text(TextBody(_words(content)))


def _words(content: Outbound) -> str:
    if isinstance(content, Contacts):
        return "\n\n".join("\n".join(_lines(card)) for card in content.contacts)
    if not isinstance(content, Interactive):
        raise TypeError(f"{type(content).__name__} has no form as text")
    question = content.interactive
    if isinstance(question, Menu):
        return render_menu(question)
    body = getattr(question, "body", None)
    return str(body.text) if body is not None else ""


def _lines(card: Card) -> Iterator[str]:
    yield card.name.formatted_name
    yield from (phone.phone for phone in card.phones if phone.phone)
    yield from (email.email for email in card.emails if email.email)
    yield from (url.url for url in card.urls if url.url)
