"""Files for models: pictures and documents that a person sent, for vendors that the tenant lets see them.

What is not shown is named in the context, so that a model never guesses what it has not seen.
"""

from collections.abc import Iterable
from typing import Final

from hailgate.assistant.contract import ConversationLine, SentFile
from hailgate.assistant.model_protocol import ModelFile
from hailgate.assistant.settings import AssistantSettings, ModelChoice

PICTURES: Final = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})
DOCUMENT: Final = "application/pdf"
# Whose servers read documents, too.
READ_DOCUMENTS: Final = frozenset({"openai", "anthropic"})
# Of one turn. A call is one line of text, in which four bytes stand for three.
MOST_FILES: Final = 3
LARGEST: Final = 3 << 20
LARGEST_TOGETHER: Final = 6 << 20
# Kinds of messages that hold a file.
FILE_KINDS: Final = frozenset({"image", "document", "video", "audio", "sticker"})
# What a vendor may count for one, by experience; it is settled by what it did.
PICTURE_TOKENS: Final = 5_000
DOCUMENT_TOKENS: Final = 50_000


def wants_files(settings: AssistantSettings) -> bool:
    """Whether any model of its that may be asked may see files."""
    return not settings.is_scripted and any(choice.vendor in settings.file_vendors for choice in settings.choices)


def judge(mime: str, size: int, so_far: int, count: int) -> str:
    """Why a file is left out; empty where it may be shown beside ``count`` others of ``so_far`` bytes."""
    if mime not in PICTURES and mime != DOCUMENT:
        return "no picture and no PDF"
    if size > LARGEST or so_far + size > LARGEST_TOGETHER:
        return "too large"
    return "too many files" if count >= MOST_FILES else ""


def shown_to(choice: ModelChoice, settings: AssistantSettings, files: Iterable[SentFile]) -> tuple[SentFile, ...]:
    """As this model may see them: what is not shown to it says why."""
    return tuple(_for_vendor(choice.vendor, settings, file) for file in files)


def _for_vendor(vendor: str, settings: AssistantSettings, file: SentFile) -> SentFile:
    if file.left_out:
        return file
    if vendor not in settings.file_vendors:
        return SentFile(file.id, file.mime, left_out="not allowed")
    if file.mime == DOCUMENT and vendor not in READ_DOCUMENTS:
        return SentFile(file.id, file.mime, left_out="this model reads no documents")
    return file


def noted(line: ConversationLine, files: Iterable[SentFile]) -> str:
    """What the context says of a message's file; empty where it has none."""
    if line.kind not in FILE_KINDS:
        return ""
    file = next((each for each in files if each.id == line.id), None)
    if file is None:
        return f"[{line.kind}: not shown]"
    return f"[{line.kind}: not shown, {file.left_out}]" if file.left_out else f"[{line.kind}: attached]"


def most_tokens(files: Iterable[ModelFile]) -> int:
    return sum(DOCUMENT_TOKENS if file.mime == DOCUMENT else PICTURE_TOKENS for file in files)
