"""Safety of an assistant: what never reaches a model, and what a model's words must pass before a person reads them.

Pure: values in, a verdict out. Nothing here trusts a model.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final, NamedTuple

from hailgate.assistant.contract import ConversationLine
from hailgate.assistant.settings import AssistantSettings
from hailgate.core.said import as_whole_word, fold_said, visible

# What a telephone makes tappable: addresses with or without a scheme, and numbers that can be called.
_LABEL: Final = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_PATH: Final = r"(?::\d+)?(?:[/?#][\w\-./%&=+~#?:@!$']*)?"
_HOST: Final = re.compile(
    rf"(?:https?://)?((?:{_LABEL}\.)+(?:xn--[a-z0-9-]{{1,59}}|[^\W\d_]{{2,63}}))(?!-?[^\W_]){_PATH}", re.IGNORECASE
)
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]{0,30}://", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\[[0-9a-f:]{3,}\]", re.IGNORECASE)
_CALLABLE: Final = re.compile(r"(?<![^\W_])\+?\d(?:[\s().\-/_*~\u00b7\u2010-\u2015\u2212]{0,3}\d){6,14}(?![^\W_])")
# Between letters of ours it is the dot of an address; elsewhere it ends a sentence.
_WIDE_DOT: Final = re.compile(r"(?<=[A-Za-z0-9])\u3002(?=[A-Za-z0-9])")
# What keys of vendors, tokens and our own look like. None of them is ever an answer to a person.
_SECRET: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{12,}|EAA[A-Za-z0-9]{20,}|hg_[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{30,}|"
    r"eyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]+|gh[oprsu]_[A-Za-z0-9]{20,}|AKIA[A-Z0-9]{16}|-----BEGIN )"
)
_SENTENCE_END: Final = re.compile(r"[.!?…](?=\s|$)")
# Shorter ones would be found in ordinary words.
_LEAST_SECRET: Final = 8
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
    wanted = [as_whole_word(folded) for word in words if (folded := fold_said(word))]
    if not wanted:
        return False
    pattern = re.compile("|".join(wanted))
    return any(pattern.search(fold_said(line.text)) for line in lines if line.by_person and line.text)


def is_word(line: ConversationLine, words: Iterable[str]) -> bool:
    """Whether the message is one of the words and nothing else."""
    return line.by_person and line.text is not None and fold_said(line.text) in {fold_said(word) for word in words}


def review(text: str, settings: AssistantSettings, asked: Iterable[ConversationLine]) -> ReplyVerdict:
    """What may be sent of a model's answer. A link or number is allowed where the owner or the person named it."""
    plain = visible(text).strip()
    if not plain:
        return ReplyVerdict("", "empty")
    seen = _as_seen(plain)
    if _holds_secret(seen, settings):
        return ReplyVerdict("", "secret")
    folded = fold_said(plain)
    if any(fold_said(phrase) in folded for phrase in settings.blocked_phrases):
        return ReplyVerdict("", "blocked_phrase")
    if unlisted_hosts(plain, settings.allowed_hosts):
        return ReplyVerdict("", "link")
    known = settings.instructions + settings.emergency_reply + " ".join(line.text or "" for line in asked)
    if any(_digits(found) not in _digits(known) for found in _CALLABLE.findall(_HOST.sub(" ", seen))):
        return ReplyVerdict("", "number")
    return ReplyVerdict(plain)


def unlisted_hosts(text: str, allowed: Iterable[str]) -> list[str]:
    """Hosts and addresses in the text that a telephone would open, and that nobody has allowed."""
    listed = {host.lower().removeprefix("www.") for host in allowed}
    text = _as_seen(text)
    found = [match.group() for match in _SCHEME.finditer(text) if not _is_web_address(text, match)]
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


def _is_web_address(text: str, scheme: re.Match[str]) -> bool:
    """With a host that is judged by its name; not a number, a bare name, or a name before another's."""
    return scheme.group().lower() in {"http://", "https://"} and _HOST.match(text, scheme.end()) is not None


def _as_seen(text: str) -> str:
    """In the characters that a telephone takes others for."""
    return _WIDE_DOT.sub(".", unicodedata.normalize("NFKC", visible(text)))


def _holds_secret(seen: str, settings: AssistantSettings) -> bool:
    """Of the shape of one, or one of its own, also with spaces put into it."""
    own = (settings.api_key, settings.second_api_key, *(tool.secret for tool in settings.tools))
    together = "".join(seen.split())
    return bool(_SECRET.search(seen)) or any(key in together for key in own if len(key) >= _LEAST_SECRET)


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdecimal())
