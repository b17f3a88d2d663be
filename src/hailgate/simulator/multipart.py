"""A form with files (multipart/form-data, RFC 7578), from bytes. Pure."""

import re
from collections.abc import Iterator

import msgspec

BOUNDARY = re.compile(r'boundary="?([^";,]{1,70})"?', re.IGNORECASE)
PARAMETER = re.compile(r'(name|filename)="((?:[^"\\]|\\.)*)"', re.IGNORECASE)


class Part(msgspec.Struct, frozen=True):
    name: str
    filename: str | None
    content_type: str | None
    content: bytes


def parse_form(content_type: str, body: bytes) -> dict[str, Part]:
    """By name, the last of one name; raises ValueError for what is no form."""
    boundary = BOUNDARY.search(content_type)
    if boundary is None or not content_type.lower().startswith("multipart/form-data"):
        raise ValueError("The content type is not multipart/form-data with a boundary.")
    return {part.name: part for part in parse_parts(b"\r\n--" + boundary.group(1).encode(), b"\r\n" + body)}


def parse_parts(delimiter: bytes, body: bytes) -> Iterator[Part]:
    _, *chunks, end = body.split(delimiter)
    if not end.startswith(b"--"):
        raise ValueError("The form has no end.")
    for chunk in chunks:
        head, gap, content = chunk.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        if not gap:
            raise ValueError("A part of the form has no content.")
        yield parse_part(head.decode("utf-8", "replace"), content)


def parse_part(head: str, content: bytes) -> Part:
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n"))
    }
    given = {key.lower(): value for key, value in PARAMETER.findall(headers.get("content-disposition", ""))}
    if "name" not in given:
        raise ValueError("A part of the form has no name.")
    return Part(given["name"], given.get("filename"), headers.get("content-type"), content)
