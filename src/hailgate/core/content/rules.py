"""Rules that many kinds of content share: lengths, counts, files, links and places."""

import re
from collections.abc import Collection

from hailgate.core.content.parts import (
    CAPTION_LIMIT,
    FILENAME_LIMIT,
    LINK_LIMIT,
    AnyFile,
    CaptionedFile,
    DocumentFile,
    Place,
)
from hailgate.core.content.refusals import refused
from hailgate.core.egress import leads_inside
from hailgate.core.uids import find_uid
from hailgate.core.urls import find_parts

ID_LIMIT = 255
_BREAKING = re.compile(r"[\n\r\t]| {5}")


def check_text(text: str, path: str, most: int, advice: str = "shorten it") -> None:
    if not text.strip():
        raise refused(path, "must hold more than white space; WhatsApp refuses an empty text")
    check_length(text, path, most, advice)


def check_length(text: str | None, path: str, most: int, advice: str = "shorten it") -> None:
    if text is not None and len(text) > most:
        raise refused(path, f"may have at most {most} characters; {advice}")


def check_count(items: Collection[object], path: str, most: int, what: str, least: int = 1) -> None:
    if not least <= len(items) <= most:
        raise refused(path, f"must hold {least} to {most} {what}")


def check_file(file: AnyFile, path: str) -> None:
    if sum(source is not None for source in (file.attachment, file.id, file.link)) != 1:
        raise refused(path, "needs exactly one of attachment, id and link")
    if file.attachment is not None and find_uid(file.attachment) is None:
        raise refused(f"{path}.attachment", "must be the id that `POST /v1/media` gave")
    if file.id is not None:
        check_text(file.id, f"{path}.id", ID_LIMIT, "give the provider's id of an uploaded file")
    if file.link is not None and leads_inside(check_link(file.link, f"{path}.link")):
        raise refused(
            f"{path}.link",
            "must lead to a public address, since WhatsApp fetches the file; "
            "store it with `POST /v1/media` and name it as attachment",
        )
    if isinstance(file, CaptionedFile | DocumentFile):
        check_length(file.caption, f"{path}.caption", CAPTION_LIMIT, "send the rest as a text")
    if isinstance(file, DocumentFile) and file.filename is not None:
        check_text(file.filename, f"{path}.filename", FILENAME_LIMIT)


def check_link(link: str, path: str) -> str:
    """Its host."""
    check_length(link, path, LINK_LIMIT)
    url = find_parts(link)
    if not (url and url.scheme in {"http", "https"} and url.hostname and link.isprintable() and " " not in link):
        raise refused(path, "must be an http or https URL with a host")
    return url.hostname


def check_place(place: Place, path: str) -> None:
    for name, value, most in (("latitude", place.latitude, 90), ("longitude", place.longitude, 180)):
        if not -most <= value <= most:
            raise refused(f"{path}.{name}", f"must lie between -{most} and {most} degrees")
    if place.address is not None and not place.name:
        raise refused(f"{path}.name", "is needed beside an address; without it WhatsApp does not show the address")


def check_distinct(values: list[str], path: str, what: str) -> None:
    if len(set(values)) < len(values):
        raise refused(path, f"must not hold the same {what} twice")


def check_line(text: str, path: str) -> None:
    """A variable stands inside a paragraph of the template's, which it may not break."""
    if _BREAKING.search(text):
        raise refused(path, "may hold neither line breaks nor tabs nor more than four spaces in a row; remove them")
