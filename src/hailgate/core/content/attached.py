"""Files stored here that a message names: which, and the same message with the provider's ids for them. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from msgspec.structs import replace

from hailgate.core.content.outbound import Outbound
from hailgate.core.content.parts import AnyFile, AudioFile, DocumentFile, Part
from hailgate.core.filenames import fit_name
from hailgate.core.media import show_name
from hailgate.core.uids import find_uid

# A moving picture in a template's header is a video that plays by itself.
_SENT_AS = {"gif": "video"}


class NamedFile(NamedTuple):
    """A file as a message names it: ``kind`` is what it is sent as, ``path`` leads to it in the content."""

    uid: UUID
    kind: str
    path: str
    voice: bool


class HandedFile(NamedTuple):
    """A file as its provider gets it: under an id of its own, or behind a link of ours. People may read ``name``."""

    provider_id: str
    name: str
    mime: str
    link: str = ""


def may_name_files(encoded: str) -> bool:
    """Of content as it is stored: False is certain. What people write cannot look so, since its quotes are escaped."""
    return '"attachment":' in encoded


def named_files(content: Outbound) -> list[NamedFile]:
    return list(_named(content, ""))


def with_provider_ids(content: Outbound, handed: Mapping[UUID, HandedFile]) -> Outbound:
    """What the provider is told. A document without a name of its own goes by the file's; the ending says what it is.

    Files that are not among ``handed`` stay as they are named: they travel beside the content.
    """
    told: Outbound = _told(content, handed)
    return told


def _named(value: Any, path: str) -> Iterator[NamedFile]:
    """The member that holds a file is called by its kind, wherever it stands."""
    if isinstance(value, AnyFile):
        if value.attachment is not None and (uid := find_uid(value.attachment)) is not None:
            kind = path.rpartition(".")[2]
            yield NamedFile(uid, _SENT_AS.get(kind, kind), path, isinstance(value, AudioFile) and value.voice)
    elif isinstance(value, Part):
        for name in value.__struct_fields__:
            yield from _named(getattr(value, name), f"{path}.{name}" if path else name)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _named(item, f"{path}[{index}]")


def _told(value: Any, handed: Mapping[UUID, HandedFile]) -> Any:
    if isinstance(value, AnyFile):
        found = handed.get(UUID(value.attachment)) if value.attachment else None
        return value if found is None else _told_file(value, found)
    if isinstance(value, Part):
        return replace(value, **{name: _told(getattr(value, name), handed) for name in value.__struct_fields__})
    if isinstance(value, tuple):
        return tuple(_told(item, handed) for item in value)
    return value


def _told_file(file: AnyFile, handed: HandedFile) -> AnyFile:
    told = replace(file, attachment=None, id=handed.provider_id or None, link=handed.link or None)
    if isinstance(told, DocumentFile) and (name := told.filename or handed.name):
        return replace(told, filename=show_name(fit_name(name, handed.mime)))
    return told
