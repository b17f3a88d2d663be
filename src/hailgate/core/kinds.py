"""Limits per kind of content: what one channel's provider takes of texts, pictures, lists and the rest. Pure.

A kind goes by the name of its content (`text`, `image`); a question by the name of its form, too (`interactive.list`).
"""

from collections.abc import Mapping

from msgspec import Struct


class KindLimits(Struct, frozen=True, kw_only=True):
    """What a provider takes of one kind; None and an empty set stand for no limit of its own.

    `text` and `caption` are in characters, `bytes` is of the file, `types` are MIME types. `quotable` says that such a
    message may quote another. `options` is how many a poll may offer. `mentions` says that a text may mention people of
    a group, `mentions_all` all of them at once; elsewhere the text goes as it is. `voice_by_link` says that a voice
    note may stand behind a link. `degrades_to` names the kind that is sent instead, where the provider cannot express
    it. `words_only` says that nothing but words fills a template or stands around a question: its header and footer are
    then part of its text.
    """

    text: int | None = None
    caption: int | None = None
    bytes: int | None = None
    types: frozenset[str] = frozenset()
    quotable: bool = True
    options: int | None = None
    mentions: bool = False
    mentions_all: bool = False
    voice_by_link: bool = True
    degrades_to: str | None = None
    words_only: bool = False


NO_LIMITS = KindLimits()
Kinds = Mapping[str, KindLimits]


def plain_kinds(kinds: Kinds) -> list[str]:
    """The values of `type` that a channel takes, in order."""
    return sorted({kind.partition(".")[0] for kind in kinds})
