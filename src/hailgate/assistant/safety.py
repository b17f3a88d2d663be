"""Safety of an assistant: what never reaches a model, and what a model's words must pass before a person reads them.

Pure: values in, a verdict out. Nothing here trusts a model.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from hailgate.assistant.contract import ConversationLine
from hailgate.assistant.settings import AssistantSettings

# What a telephone makes tappable: addresses with or without a scheme, and numbers that can be called.
_HOST: Final = re.compile(
    r"(?:https?://)?(?:[\w.%+-]+@)?((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24})\b(?:[:/?#]\S*)?",
    re.IGNORECASE,
)
_ADDRESS: Final = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\[[0-9a-f:]{3,}\]", re.IGNORECASE)
_CALLABLE: Final = re.compile(r"(?<![\w/])\+?\d(?:[\s().\-/]{0,2}\d){6,14}(?!\w)")
# What keys of vendors, tokens and our own look like. None of them is ever an answer to a person.
_SECRET: Final = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{12,}|EAA[A-Za-z0-9]{20,}|hg_[A-Za-z0-9_-]{16,}|eyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]+)"
)
_SENTENCE_END: Final = re.compile(r"[.!?…](?=\s|$)")
_INVISIBLE: Final = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]")
# File names and versions look like hosts: only these endings of a bare word are hosts for a telephone.
_FILE_ENDINGS: Final = frozenset(
    {"pdf", "jpg", "jpeg", "png", "txt", "doc", "docx", "xls", "xlsx", "csv", "mp3", "mp4"}
)


class ReplyVerdict(NamedTuple):
    """``reason`` is empty where the text may be sent; else a constant word for what is wrong with it."""

    text: str
    reason: str = ""


def has_word(lines: Iterable[ConversationLine], words: Iterable[str]) -> bool:
    """Whether a person's message holds one of the words as a whole, in text, captions and titles of choices."""
    wanted = [_folded(word) for word in words if word.strip()]
    if not wanted:
        return False
    pattern = re.compile(r"(?<!\w)(?:" + "|".join(re.escape(word) for word in wanted) + r")(?!\w)")
    return any(pattern.search(_folded(line.text)) for line in lines if line.by_person and line.text)


def is_word(line: ConversationLine, words: Iterable[str]) -> bool:
    """Whether the message is one of the words and nothing else."""
    return line.by_person and line.text is not None and _folded(line.text) in {_folded(word) for word in words}


def review(text: str, settings: AssistantSettings, asked: Iterable[ConversationLine]) -> ReplyVerdict:
    """What may be sent of a model's answer. A link or number is allowed where the owner or the person named it."""
    plain = _INVISIBLE.sub("", text).strip()
    if not plain:
        return ReplyVerdict("", "empty")
    if _SECRET.search(plain):
        return ReplyVerdict("", "secret")
    folded = _folded(plain)
    if any(_folded(phrase) in folded for phrase in settings.blocked_phrases):
        return ReplyVerdict("", "blocked_phrase")
    if unlisted_hosts(plain, settings.allowed_hosts):
        return ReplyVerdict("", "link")
    known = settings.instructions + settings.emergency_reply + " ".join(line.text or "" for line in asked)
    if any(_digits(found) not in _digits(known) for found in _CALLABLE.findall(plain)):
        return ReplyVerdict("", "number")
    return ReplyVerdict(plain)


def unlisted_hosts(text: str, allowed: Iterable[str]) -> list[str]:
    """Hosts and addresses in the text that a telephone would open, and that nobody has allowed."""
    listed = {host.lower().removeprefix("www.") for host in allowed}
    found = []
    for match in _HOST.finditer(text):
        host = match.group(1).lower().removeprefix("www.")
        bare = "//" not in match.group() and "/" not in match.group()
        if bare and host.rpartition(".")[2] in _FILE_ENDINGS:
            continue
        if not any(host == each or host.endswith(f".{each}") for each in listed):
            found.append(host)
    return found + _ADDRESS.findall(text)


def shorten(text: str, limit: int) -> str:
    """At most ``limit`` characters, cut after a sentence where one ends in the second half, else after a word."""
    if len(text) <= limit:
        return text
    room = text[: limit - 1]
    ends = [found.end() for found in _SENTENCE_END.finditer(room) if found.end() > limit // 2]
    if ends:
        return room[: ends[-1]]
    cut = room.rfind(" ")
    return f"{room[: cut if cut > limit // 2 else limit - 1].rstrip()}…"


def _folded(text: str) -> str:
    return " ".join(_INVISIBLE.sub("", text).casefold().split())


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdecimal())
